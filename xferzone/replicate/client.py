"""The client's half of the walk: what a primary tells and sends, by whatever way requests travel.

    refs     GET  /v0/refs             where the refs stand, or what moved since; perhaps once there is news
    page     POST /v0/objects/walk     ids of what is missing here
    pulled   POST /v0/objects/pull     the same, with content
    batch    POST /v0/objects/batch    content by id
    one      GET  /v0/objects/ID       one content; caches between may have it
    copies   POST /v0/copies           what a fellow is to hold
    tables   POST /v0/tables           synced tables, as cards of xfer

An account signs requests, or a member of a group does (signing.py). The project that is signed for is learnt from a
401, and so is by how much the clock here is off: then the request is signed again, once. Nothing that comes is trusted:
all of it is bounded here, and whoever stores it verifies it.
"""

import re
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Final, TypeVar

import msgspec

from xferzone.cards import coding
from xferzone.cards.session import shared_secret
from xferzone.env import Env
from xferzone.errors import Denied, PeerError
from xferzone.hashing import ArtifactId
from xferzone.replicate import copies, signing
from xferzone.replicate.batch import Arriving, Unsent
from xferzone.replicate.copies import Held
from xferzone.replicate.messages import (
    FILES_TYPE,
    MAX_FILES_REPLY,
    TABLES_HEADER,
    TABLES_TYPE,
    Batch,
    Missing,
    Refs,
    Walk,
)
from xferzone.replicate.signing import Signer
from xferzone.store.chains import MAX_ARTIFACT
from xferzone.store.incoming import Received
from xferzone.sync.client.options import Account
from xferzone.transport.base import ZSTD
from xferzone.transport.walk import WalkReply, WalkRequest, WalkTransport

MAX_JSON: Final = 16 * 1024 * 1024  # bytes of a list, expanded; servers of ours cut theirs at some 4 MB
MAX_BODY: Final = (
    256 * 1024 * 1024
)  # bytes of a batch, expanded: 64 MiB, and an artifact of 64 MiB beyond, twice
MAX_REASON: Final = 2_000  # characters of a server's reason
EXPIRY_S: Final = 120  # seconds that a signature holds; servers take up to 300
_MAX_REFUSAL: Final = 65_536  # bytes of a refusal that are read
_TRIES: Final = 3  # of one request: as it is; signed for the project just learnt; by the server's clock

_ID: Final = re.compile("[0-9a-f]{64}|[0-9a-f]{40}")
_EPOCH: Final = re.compile("[0-9a-f]{1,64}")
_CHECKIN: Final = re.compile("(?:[0-9a-f]{16})?")
_PROJECT: Final = re.compile("[0-9a-f]{64}|[0-9a-f]{40}")
_MAX_NUMBER: Final = 10**18

_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_Message = TypeVar("_Message", bound=msgspec.Struct)


class NoWalk(PeerError):
    """The server knows no walk: stock, or an older release of ours."""


class TooMany(PeerError):
    """The server takes no more of these requests now; `retry_s`: ask again in so many seconds."""

    def __init__(self, message: str, retry_s: float) -> None:
        super().__init__(message)
        self.retry_s = retry_s


class NotThere(PeerError):
    """The server does not have what was asked for; the message names it."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Up to where the refs and controls of a server are known, in one of its epochs.

    Fields:
        checkin: the first 16 hex digits of the check-in that the move `number` went to.
    """

    epoch: str
    number: int
    position: int
    checkin: str

    @property
    def tag(self) -> str:
        """As servers name it."""
        return f"{self.epoch}.{self.number}.{self.position}"


@dataclass(slots=True)
class Wire:
    """What went over the wire; bodies only."""

    requests: int = 0
    bytes_out: int = 0
    bytes_in: int = 0


@dataclass
class Client:
    """The walk of one server, as one account or member sees it.

    Fields:
        project: the project code; None: it is learnt from the first reply that tells one.
        wire: counts.
        catalogue: the hash of the synced tables there, as told with the refs last; empty: none, or it does not tell.
    """

    transport: WalkTransport
    account: Account | Signer | None
    env: Env
    project: str | None = None
    wire: Wire = field(default_factory=Wire)
    catalogue: str = ""
    _off_s: float = 0.0  # seconds that the server's clock is ahead of this one

    # -- what can be asked

    def refs(self, known: Cursor | None, wait_s: int = 0) -> Refs | None:
        """Where the refs stand, of those that moved since `known`. None: nothing is new.

        `wait_s`: seconds that the server may wait for news.

        Raises:
            NoWalk: the server knows no walk.
            TooMany: no more may wait there.
            PeerError: another fault.
        """
        target, headers = "/v0/refs", {}
        if known is not None:
            target += f"?since={known.tag}&checkin={known.checkin}"
            headers["if-none-match"] = f'"{known.tag}"'
        if wait_s:
            headers["prefer"] = f"wait={wait_s}"
        with self._asked("GET", target, headers=headers) as reply:
            self.catalogue = reply.headers.get(TABLES_HEADER, "")
            if reply.status == HTTPStatus.NOT_MODIFIED:
                return None
            if "json" not in reply.headers.get("content-type", "").lower():
                raise NoWalk(f"{self.transport.name} knows no walk")
            told = self._message(reply, Refs)
        self._check_told(told)
        return told

    def page(self, walk: Walk) -> Missing:
        """A page of what is missing here. Raises NotThere: a root is not there any more."""
        with self._asked("POST", "/v0/objects/walk", msgspec.json.encode(walk)) as reply:
            return self._message(reply, Missing)

    def pulled(self, walk: Walk) -> "Page":
        """The same, with content. Raises NotThere as `page`."""
        return Page(self, self._asked("POST", "/v0/objects/pull", msgspec.json.encode(walk)))

    def batch(self, wanted: Sequence[ArtifactId]) -> Iterator[Received | Unsent]:
        """What comes of these, in order."""
        message = msgspec.json.encode(Batch(hashes=list(wanted)))
        with self._asked("POST", "/v0/objects/batch", message) as reply:
            yield from Arriving(self.octets(reply, MAX_BODY)).records(wanted)

    def one(self, artifact: ArtifactId) -> Received:
        """One artifact, not verified yet. Raises NotThere: it is not there."""
        with self._asked("GET", f"/v0/objects/{artifact}") as reply:
            return Received(artifact, None, b"".join(self.octets(reply, MAX_ARTIFACT)))

    def copies(self, body: bytes) -> Held:
        """What the fellow holds, once it has stored what this body brings (copies.py)."""
        coded = {"content-type": copies.CONTENT_TYPE, "content-encoding": ZSTD}
        with self._asked("POST", "/v0/copies", body, coded) as reply:
            held = self._message(reply, Held)
        if not all(_ID.fullmatch(each) for each in (*held.lacking, *(one.hash for one in held.branches))):
            raise PeerError(f"{self.transport.name} tells of copies with a hash that is not one")
        return held

    def unversioned(self, text: bytes) -> bytes:
        """What the fellow answers to card text about unversioned files (files.py)."""
        coded = {"content-type": FILES_TYPE}
        with self._asked("POST", "/v0/unversioned", text, coded) as reply:
            return self._hashed(reply, MAX_FILES_REPLY)

    def tables(self, text: bytes) -> bytes:
        """What the server answers to card text about synced tables (files.py)."""
        with self._asked("POST", "/v0/tables", text, {"content-type": TABLES_TYPE}) as reply:
            return self._hashed(reply, MAX_FILES_REPLY)

    # -- requests

    def _asked(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> WalkReply:
        """The reply, if it is one that says yes, or that nothing is new."""
        for attempt in range(_TRIES):
            self.wire.requests += 1
            self.wire.bytes_out += len(body)
            reply = self.transport.ask(
                WalkRequest(method, target, self._headers(method, target, body, headers or {}), body)
            )
            if reply.status in (HTTPStatus.OK, HTTPStatus.NOT_MODIFIED):
                return reply
            with reply:
                if reply.status == HTTPStatus.UNAUTHORIZED and attempt + 1 < _TRIES and self._learn(reply):
                    continue
                raise self._refusal(reply, target)
        raise AssertionError("the last attempt returns or raises")

    def _headers(self, method: str, target: str, body: bytes, more: Mapping[str, str]) -> dict[str, str]:
        headers = {"accept-encoding": ZSTD, **more}
        if body:
            headers.setdefault("content-type", "application/json")
        if self.account is None or self.project is None:
            return headers
        stated = signing.body_hash(body)
        if body:
            headers[signing.STATED_HASH] = stated
        signed = signing.Signed(self.project, self.transport.host, method, target, stated)
        expires = int(self.env.clock_ms() / 1000 + self._off_s) + EXPIRY_S
        headers["authorization"] = self._signer(self.account, self.project).authorization(signed, expires)
        return headers

    def _signer(self, account: Account | Signer, project: str) -> Signer:
        if isinstance(account, Signer):
            return account
        return Signer(account.login, shared_secret(project, account.login, account.password))

    def _learn(self, reply: WalkReply) -> bool:
        """Learn from a 401 what there is to sign for, and when; whether the next request will be another one."""
        if self.account is None:
            return False
        was = (self.project, self._off_s)
        self._check_project(_project(reply.headers.get("www-authenticate", "")))
        now = self.env.clock_ms() / 1000
        if abs(now + self._off_s - (there := _date(reply, now))) > EXPIRY_S / 4:
            self._off_s = there - now
        return (self.project, self._off_s) != was

    def _check_told(self, told: Refs) -> None:
        """Raise PeerError unless ids, epoch and numbers are what they are called."""
        named = (*told.branches, *told.tags, *told.closed)
        if not all(_ID.fullmatch(each) for each in (*(one.hash for one in named), *told.controls)):
            raise PeerError(f"{self.transport.name} tells of refs with a hash that is not one")
        numbers = (told.number, told.position)
        if not _EPOCH.fullmatch(told.epoch) or not all(0 <= each < _MAX_NUMBER for each in numbers):
            raise PeerError(f"{self.transport.name} tells of refs up to a move that cannot be")
        if not _CHECKIN.fullmatch(told.checkin) or not _PROJECT.fullmatch(told.project):
            raise PeerError(f"{self.transport.name} tells of refs without its project, or where a move went")
        self._check_project(told.project)

    def _check_project(self, told: str | None) -> None:
        if told is None:
            return
        if self.project is None:
            self.project = told
        elif told != self.project:
            raise PeerError(
                f"{self.transport.name} is of project {told}, and this repository of {self.project}: "
                "give the URL of a primary of the same project"
            )

    # -- replies

    def octets(self, reply: WalkReply, most: int) -> Generator[bytes, None, None]:
        """The body of a reply, expanded. Raises PeerError: it is over `most` bytes, or damaged."""
        coded = reply.headers.get("content-encoding", "identity").strip().lower()
        if coded == ZSTD:
            yield from coding.expanded(self._counted(reply.body, most), most)
        elif coded == "identity":
            yield from self._counted(reply.body, most)
        else:
            raise PeerError(
                f"{self.transport.name} answers in {coded[:40]}, which it was not asked for: is a proxy in between?"
            )

    def _counted(self, pieces: Iterable[bytes], most: int) -> Iterator[bytes]:
        came = 0
        for piece in pieces:
            came += len(piece)
            self.wire.bytes_in += len(piece)
            if came > most:
                raise PeerError(f"{self.transport.name} sends over {most} bytes in one reply")
            yield piece

    def _message(self, reply: WalkReply, kind: type[_Message]) -> _Message:
        text = self._hashed(reply, MAX_JSON)
        try:
            return msgspec.json.decode(text, type=kind)
        except _NOT_JSON as exc:
            raise PeerError(f"{self.transport.name} sends a list that cannot be read: {exc}") from exc

    def _hashed(self, reply: WalkReply, most: int) -> bytes:
        """A body that comes with its hash."""
        text = b"".join(self.octets(reply, most))
        if reply.headers.get(signing.STATED_HASH) != signing.body_hash(text):
            raise PeerError(
                f"{self.transport.name} sends a list that is not what its X-Content-SHA256 says: was it damaged on "
                "the way?"
            )
        return text

    def _refusal(self, reply: WalkReply, target: str) -> PeerError | Denied:
        """The error for a reply that says no."""
        name, reason, account = self.transport.name, self._reason(reply), self.account
        told = f"{name} answers {reply.status}{reason and f': {reason}'}"
        match reply.status:
            case HTTPStatus.UNAUTHORIZED | HTTPStatus.FORBIDDEN:
                if account is None:
                    return Denied(f"{told}: give a login that may read there, and its password")
                if isinstance(account, Signer):
                    return Denied(f"{told}: is it of the same group? see `xferzone group check`")
                return Denied(f"{told}: is the password of {account.login} right, and may it read?")
            case HTTPStatus.NOT_FOUND if target.startswith("/v0/refs"):
                return NoWalk(f"{name} knows no walk")
            case HTTPStatus.NOT_FOUND:
                return NotThere(told)
            case HTTPStatus.TOO_MANY_REQUESTS:
                return TooMany(told, _seconds(reply.headers.get("retry-after", "")))
        return PeerError(told)

    def _reason(self, reply: WalkReply) -> str:
        """Why a server refuses: its JSON line, or what else it says; empty: nothing that can be read."""
        try:
            text = b"".join(self.octets(reply, _MAX_REFUSAL))
        except PeerError:
            return ""
        try:
            told = msgspec.json.decode(text, type=dict[str, object]).get("error", "")
        except _NOT_JSON:
            told = text.decode("utf-8", "replace")
        return " ".join(str(told).split())[:MAX_REASON]


class Page:
    """A page of what was missing, with content, as it comes.

    Fields:
        more: the cursor of the next page, once all was read; empty: this was the last one.
    """

    def __init__(self, client: Client, reply: WalkReply) -> None:
        self.more = ""
        self._client = client
        self._reply = reply

    def records(self) -> Iterator[Received | Unsent]:
        """What it brings, oldest first; not verified yet. Raises PeerError: it is cut or malformed."""
        with self._reply as reply:
            arriving = Arriving(self._client.octets(reply, MAX_BODY))
            yield from arriving.pulled()
            self.more = arriving.more


def _project(header: str) -> str | None:
    """The project that a WWW-Authenticate header names. None: it is not one of ours."""
    scheme, _, rest = header.strip().partition(" ")
    name, _, code = rest.strip().partition("=")
    code = code.partition(",")[0].strip().strip('"')
    return code if scheme == signing.SCHEME and name == "project" and _PROJECT.fullmatch(code) else None


def _date(reply: WalkReply, otherwise: float) -> float:
    """The server's clock, seconds since 1970."""
    try:
        return parsedate_to_datetime(reply.headers.get("date", "")).timestamp()
    except (ValueError, OverflowError):
        return otherwise


def _seconds(retry_after: str) -> float:
    return float(retry_after) if retry_after.isdecimal() and len(retry_after) < 5 else 1.0
