"""The server's half of the walk: one request in, one reply out, by whatever way they travel.

    GET  /v0/refs                  where the refs stand           told.py
    POST /v0/objects/walk          what is missing                walking.py
    POST /v0/objects/pull          the same, with its content     walking.py, sending.py
    POST /v0/objects/batch         artifacts by name              sending.py
    GET  /v0/objects/HASH          one artifact; HEAD, too
    POST /v0/copies                what a fellow of the group has this member hold      copies.py
    POST /v0/unversioned           files without a history, of a fellow                  files.py
    POST /v0/tables                synced tables, which whoever may read may have         files.py
    GET  /v0/auth                  may the request that X-Original-URI and X-Original-Method name be answered?

    route ─> method ─> size ─> has this server caught up? ─> who asks, and may he read? ─> the question ─> the answer

Whoever carries it reads the body, at most `most(target)` octets of it, and adds the header Date where a reply has none.
Of what members alone bring it asks `refusal` before: what is signed is the hash that the head states, not the body.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar
from urllib.parse import parse_qsl

import msgspec

from xferzone.cards import coding
from xferzone.env import SYSTEM, Env
from xferzone.errors import Busy, CorruptArtifact, Guessing, NoRoom, PeerError, XferzoneError
from xferzone.faults import Faults, fails
from xferzone.hashing import ArtifactId, parse_artifact_id
from xferzone.replicate import batch, copies, files, replying, sending, signing, told
from xferzone.replicate.admission import RETRY_S, admit
from xferzone.replicate.messages import MAX_NAMED, Batch, Missing, Walk
from xferzone.replicate.replying import Refusal
from xferzone.replicate.rights import Asker
from xferzone.replicate.told import Since
from xferzone.replicate.walking import Bounds, Page, UnknownRoot, Walking
from xferzone.store import Reader, Store
from xferzone.sync.server.guessing import FREE, Guesser
from xferzone.sync.server.login import Rights
from xferzone.transport.base import ZSTD
from xferzone.transport.walk import WalkReply, WalkRequest

MAX_REQUEST: Final = 1024 * 1024  # octets of a request's body, as it travels and expanded
MAX_TARGET: Final = 2_000  # octets of a path with its query
MAX_WAIT_S: Final = 60  # seconds of Prefer: wait

_Question = TypeVar("_Question", Walk, Batch)
_PREFIX = "/v0/"
#: Letters and digits alone: what a proxy would rewrite ("//", %2F, "..") cannot be signed.
_PLAIN_PATH = re.compile(r"/v0(?:/[a-z0-9]+)+")
_WAIT = re.compile(r"(?:^|[,;]\s*)wait\s*=\s*\"?([0-9]{1,9})\"?(?=\s*(?:$|[,;]))", re.IGNORECASE)


class TooManyWait(Exception):
    """As many wait for news already as may; the request is refused with 429."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(retry_after_s)
        self.retry_after_s = retry_after_s


class Waiting(Protocol):
    """How a request waits for news; the process that carries the walk has one for all of its requests."""

    def __call__(self, etag: str, seconds: float) -> None:
        """Return when `current(store)` is no longer `etag`, or after so many seconds.

        No transaction is open meanwhile. One thread that asks `current` suffices for all who wait.

        Raises:
            TooManyWait: too many wait already.
        """


@dataclass(frozen=True, slots=True)
class Terms:
    """What whoever carries a request knows of it, and decides.

    Fields:
        host: as the client names it, the header Host.
        is_secure: it came over TLS, which a trusted proxy ended: a password may be read from it.
        waiting: how it waits for news; None: it does not, and is answered at once.
        guesser: whoever asks, and may be guessing a password.
        env: the clock.
        faults: bad luck, for tests; None: free.
    """

    host: str
    is_secure: bool = False
    waiting: Waiting | None = None
    guesser: Guesser = FREE
    env: Env = SYSTEM
    faults: Faults | None = None


def respond(store: Store, request: WalkRequest, terms: Terms) -> WalkReply:
    """The reply to a request. It raises for bugs only; the body may raise as Store.reader does while it is sent."""
    return _told(_Responding(store, request, terms).reply)


def most(target: str) -> int:
    """How many octets the body of a request to `target` may have."""
    return copies.MAX_WIRE if target.partition("?")[0] in _OF_MEMBERS else MAX_REQUEST


def refusal(store: Store, request: WalkRequest, terms: Terms) -> WalkReply | None:
    """Why a request is refused whose body, as large as its head says, has not come yet; None: it has to come."""
    reply = _told(_Responding(store, request, terms).admitted)
    return reply if reply.status >= 400 else None


def _told(answer: Callable[[], WalkReply]) -> WalkReply:
    try:
        return answer()
    except Refusal as no:
        return replying.refused(no)
    except Guessing as exc:
        return replying.refused(Refusal(429, str(exc), retry_after=str(exc.wait_s)))
    except (Busy, NoRoom) as exc:
        return replying.refused(Refusal(503, str(exc), retry_after=str(RETRY_S)))
    except XferzoneError as exc:
        return replying.refused(Refusal(500, str(exc)))


def current(store: Store) -> str:
    """EPOCH.NUMBER.POSITION as of now, the ETag of /v0/refs without its quotes; a few short queries.

    Raises as Store.reader does.
    """
    with store.reader() as reader:
        return told.tag_of(reader)


@dataclass(frozen=True, slots=True)
class _Route:
    methods: tuple[str, ...]
    reply: Callable[["_Responding"], WalkReply]


class _Responding:
    """One request being answered."""

    def __init__(self, store: Store, request: WalkRequest, terms: Terms) -> None:
        self._store = store
        self._request = request
        self._terms = terms
        self._path, _, self._query = request.target.partition("?")
        self._rights = Rights("", frozenset())  # until the request is admitted

    @property
    def _accepted(self) -> str:
        return self._header("accept-encoding")

    def _header(self, name: str) -> str:
        return self._request.headers.get(name, "")

    def reply(self) -> WalkReply:
        body = self._request.body
        if len(body) > (limit := most(self._request.target)):
            self._route()
            raise Refusal(413, f"a body of over {limit} bytes: send or ask for less at a time")
        stated = self._header(signing.STATED_HASH)
        actual = signing.body_hash(body) if stated or body else signing.EMPTY
        route = self._admitted(actual)
        if stated and stated != actual:
            raise Refusal(400, "X-Content-SHA256 is not the hash of the body that came")
        return route.reply(self)

    def admitted(self) -> WalkReply:
        self._admitted(self._header(signing.STATED_HASH))
        return replying.bare(204)

    def _admitted(self, body_hash: str) -> "_Route":
        """Who answers. Raises Refusal: nobody does, or whoever asks may not."""
        route = self._route()
        if self._path == _AUTH:
            return route
        if fails(self._terms.faults, "walk.server-busy", 0.02):
            raise Busy(f"{self._store.path} is being written by another process: try again")
        self._admit(self._request.method, self._request.target, body_hash)
        return route

    def _route(self) -> "_Route":
        if len(self._request.target) > MAX_TARGET or not _PLAIN_PATH.fullmatch(self._path):
            raise Refusal(404, "no such path: see the routes in docs/formats.md")
        route = _ROUTES.get(self._path) or (_OBJECT if self._path.startswith(_OBJECTS) else None)
        if route is None or (route is _OBJECT and "/" in self._path.removeprefix(_OBJECTS)):
            raise Refusal(404, f"no such path: {self._path}")
        if self._request.method not in route.methods:
            raise Refusal(
                405, f"{self._path} answers {' and '.join(route.methods)}", allow=", ".join(route.methods)
            )
        return route

    # -- rights

    def _admit(self, method: str, target: str, body_hash: str, *, to_proxy: bool = False) -> None:
        """Raise Refusal, or Guessing, unless this server has caught up, and whoever asks may."""
        signed = signing.Signed("", self._terms.host, method, target, body_hash)
        asker = Asker(self._header("authorization"), self._terms.is_secure, self._terms.guesser)
        with self._store.reader() as reader:
            is_copies = target.partition("?")[0] in _OF_MEMBERS
            self._rights = admit(
                reader, signed, asker, self._terms.env, is_copies=is_copies, to_proxy=to_proxy
            )

    def auth(self) -> WalkReply:
        self._parameters()
        original = self._header("x-original-uri")
        method = self._header("x-original-method")
        target = original[original.find(_PREFIX) :] if _PREFIX in original else ""
        is_plain = _PLAIN_PATH.fullmatch(target.partition("?")[0]) and len(target) <= MAX_TARGET
        stated = self._header(signing.STATED_HASH) or signing.EMPTY
        self._admit(method, target if is_plain else "", stated, to_proxy=True)
        if not is_plain:
            raise Refusal(401, "X-Original-URI does not name a path that can be asked for")
        return replying.bare(204, cache_control="no-store")

    # -- questions

    def _parameters(self, *allowed: str) -> Mapping[str, str]:
        """The query's. Raises Refusal: it has others, or one twice."""
        try:
            pairs = parse_qsl(self._query, keep_blank_values=True, strict_parsing=bool(self._query))
        except ValueError as exc:
            raise Refusal(400, f"the query is malformed: {exc}") from exc
        for name, _ in pairs:
            if name not in allowed:
                raise Refusal(400, f"the query has {name[:40]!r}, which {self._path} does not know")
        if len(dict(pairs)) < len(pairs):
            raise Refusal(400, "the query has a name twice")
        return dict(pairs)

    def _question(self, kind: type[_Question]) -> _Question:
        """The request's body."""
        self._parameters()
        content_type = self._header("content-type").partition(";")[0].strip().lower()
        if content_type != replying.JSON:
            raise Refusal(415, f"the body must be JSON: send Content-Type: {replying.JSON}")
        body, encoding = self._request.body, self._header("content-encoding").strip().lower()
        if encoding == ZSTD:
            try:
                body = b"".join(coding.expanded((body,), MAX_REQUEST))
            except PeerError as exc:
                raise Refusal(400, str(exc)) from exc
        elif encoding not in ("", "identity"):
            raise Refusal(415, "the body may be packed with zstd only", accept_encoding=ZSTD)
        try:
            return msgspec.json.decode(body, type=kind)
        except msgspec.DecodeError as exc:
            raise Refusal(400, f"the body is not what {self._path} reads: {exc}") from exc
        except UnicodeDecodeError as exc:
            raise Refusal(400, "the body is not UTF-8") from exc

    # -- answers

    def refs(self) -> WalkReply:
        given = self._parameters("since", "checkin")
        try:
            since = Since.parse(given.get("since", ""), given.get("checkin", ""))
        except PeerError as exc:
            raise Refusal(400, str(exc)) from exc
        seconds = self._wait_s()
        with self._store.reader() as reader:
            tag = told.tag_of(reader)
            if self._terms.waiting is None or not seconds or self._is_news(reader, tag, since):
                return self._refs(reader, tag, since)
        try:
            self._terms.waiting(tag, seconds)
        except TooManyWait as exc:
            raise Refusal(
                429, "too many wait for news here: ask again later", retry_after=str(exc.retry_after_s)
            ) from exc
        with self._store.reader() as reader:
            return self._refs(reader, told.tag_of(reader), since)

    def _refs(self, reader: Reader, tag: str, since: Since | None) -> WalkReply:
        beside = files.named(reader, self._rights)
        if not self._is_news(reader, tag, since):
            headers = {"etag": f'"{tag}"', "cache-control": "no-cache", **beside}
            return WalkReply(304, headers, replying.nothing())
        is_short = fails(self._terms.faults, "walk.server-short-list", 1.0)
        found = told.refs(reader, since, _SHORT_LIST if is_short else told.MAX_TOLD)
        etag = f'"{found.epoch}.{found.number}.{found.position}"'
        return replying.told(found, self._accepted, etag=etag, **beside)

    def _is_news(self, reader: Reader, tag: str, since: Since | None) -> bool:
        if f'"{tag}"' not in (each.strip() for each in self._header("if-none-match").split(",")):
            return True
        return since is not None and not told.holds(reader, since)

    def _wait_s(self) -> int:
        """The seconds that the client prefers to wait for news; 0: it does not."""
        match = _WAIT.search(self._header("prefer"))
        return 0 if match is None else min(int(match[1]), MAX_WAIT_S)

    def walk(self) -> WalkReply:
        _, found = self._walked(Bounds())
        return replying.told(Missing(list(found.missing), found.more), self._accepted)

    def pull(self) -> WalkReply:
        pieces = sending.pulled(self._store, *self._walked(sending.STEP), self._terms.faults)
        return replying.streamed(pieces, self._accepted, batch.CONTENT_TYPE)

    def _walked(self, bounds: Bounds) -> tuple[Walking, Page]:
        """The walk that is asked for, and its first page."""
        walk = self._question(Walk)
        if len(walk.roots) + len(walk.known) > MAX_NAMED:
            raise Refusal(413, f"over {MAX_NAMED} roots and known together: ask for some of them at a time")
        try:
            since = Since.parse(walk.since, walk.checkin)
            with self._store.reader(in_parts=True) as reader:
                position = since.position if since is not None and told.holds(reader, since) else 0
                walking = Walking(reader, walk, position, self._terms.env)
                if fails(self._terms.faults, "walk.server-short-page", 0.1):
                    bounds = _SHORT
                return walking, walking.page(reader, bounds)
        except UnknownRoot as exc:
            raise Refusal(404, str(exc)) from exc
        except PeerError as exc:
            raise Refusal(400, str(exc)) from exc

    def batch(self) -> WalkReply:
        asked = self._question(Batch)
        if len(asked.hashes) > MAX_NAMED:
            raise Refusal(413, f"over {MAX_NAMED} hashes in one batch: ask for some of them at a time")
        names = [ArtifactId(each) for each in asked.hashes]
        if len(set(names)) < len(names):
            raise Refusal(400, "the batch names an artifact twice")
        pieces = sending.batched(self._store, names, self._terms.faults)
        return replying.streamed(pieces, self._accepted, batch.CONTENT_TYPE)

    def copies(self) -> WalkReply:
        self._parameters()
        if self._header("content-type").partition(";")[0].strip().lower() != copies.CONTENT_TYPE:
            raise Refusal(415, f"copies come as Content-Type: {copies.CONTENT_TYPE}")
        if self._header("content-encoding").strip().lower() != ZSTD:
            raise Refusal(415, "copies come packed with zstd", accept_encoding=ZSTD)
        try:
            held = copies.hold(self._store, coding.expanded((self._request.body,), copies.MAX_BODY))
        except copies.NotTaken as exc:
            raise Refusal(exc.status, str(exc)) from exc
        return replying.told(held, self._accepted)

    def files(self) -> WalkReply:
        self._parameters()
        return files.exchanged(self._store, self._request, self._terms.env.clock_ms())

    def tables(self) -> WalkReply:
        self._parameters()
        return files.given(self._store, self._request, self._rights, self._terms.env.clock_ms())

    def object(self) -> WalkReply:
        self._parameters()
        try:
            name = parse_artifact_id(self._path.removeprefix(_OBJECTS).encode("ascii"))
        except ValueError as exc:
            raise Refusal(400, "the path does not end with a hash of 40 or 64 lower-case hex digits") from exc
        headers = {
            "content-type": "application/octet-stream",
            "etag": f'"{name}"',
            "cache-control": "max-age=31536000, immutable",
            "vary": "Accept-Encoding",
        }
        with self._store.reader() as reader:
            if not reader.has(name):  # though this process's cache may have it: it was shunned
                raise Refusal(404, f"no artifact {name} here")
            try:
                content = reader.content(name)
            except CorruptArtifact as exc:
                raise Refusal(500, f"artifact {name} is damaged here: tell the administrator") from exc
        if f'"{name}"' in (each.strip() for each in self._header("if-none-match").split(",")):
            return WalkReply(304, headers, replying.nothing())
        headers["x-object-kind"] = sending.kind(content)
        return replying.whole(content, self._accepted, headers, sent=self._request.method != "HEAD")


_SHORT: Final = Bounds(ids=3)  # of a page that a test wants short
_SHORT_LIST: Final = 1  # branch, control, tag and closing of such a list
_AUTH: Final = "/v0/auth"
_COPIES: Final = "/v0/copies"
_FILES: Final = "/v0/unversioned"
_OF_MEMBERS: Final = (_COPIES, _FILES)  # what only fellows of a group may bring
_OBJECTS: Final = "/v0/objects/"
_OBJECT: Final = _Route(("GET", "HEAD"), _Responding.object)
_ROUTES: Final[Mapping[str, _Route]] = {
    "/v0/refs": _Route(("GET",), _Responding.refs),
    "/v0/objects/walk": _Route(("POST",), _Responding.walk),
    "/v0/objects/pull": _Route(("POST",), _Responding.pull),
    "/v0/objects/batch": _Route(("POST",), _Responding.batch),
    _COPIES: _Route(("POST",), _Responding.copies),
    _FILES: _Route(("POST",), _Responding.files),
    "/v0/tables": _Route(("POST",), _Responding.tables),
    _AUTH: _Route(("GET",), _Responding.auth),
}
