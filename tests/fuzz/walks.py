"""Requests of the walk, as they travel: METHOD TARGET, a line a header, an empty line, the body.

respond(request)   a documented status, never 500; a refusal is one JSON line with a reason
                   the length is as stated; asked again, the answer is the same
                   what a batch or a pull brings hashes to its name, and its body ends
Authorization      where nobody may read, nobody does, unless the signature holds
"""

import atexit
import json
import random
import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from tests.fuzz.harms import OF_LINES
from tests.fuzz.kind import Harm, Kind, Shape, holds
from tests.live import PROJECT
from tests.replicate.peer import HOST
from xferzone import delta
from xferzone.cards import coding
from xferzone.cards.session import shared_secret
from xferzone.env import Env
from xferzone.hashing import ArtifactId, is_named
from xferzone.replicate import signing
from xferzone.replicate.batch import Arriving, Unsent
from xferzone.replicate.server import Terms, respond
from xferzone.store import Store, accounts
from xferzone.store.incoming import Received
from xferzone.transport.base import ZSTD
from xferzone.transport.walk import WalkRequest

NOW_MS: Final = 1_800_000_000_000
STATUSES: Final = {200, 204, 304, 400, 401, 403, 404, 405, 413, 415}
_LOGIN, _PASSWORD = "ann", "secret"
_MOST: Final = 10_000_000  # bytes of a reply, expanded; the repository has less
_ENV: Final = Env(clock_ms=lambda: NOW_MS, monotonic=lambda: 0.0)


class Served(NamedTuple):
    """Two copies of a repository: one that everybody may read, one that ann may."""

    everybodys: Store
    anns: Store
    project: str
    names: Sequence[ArtifactId]


@cache
def _served() -> Served:
    place = Path(tempfile.mkdtemp(prefix="xferzone-fuzz-"))
    atexit.register(shutil.rmtree, place)
    golden = sorted((PROJECT / "tests" / "golden").glob("schema-*.xferzone"))[-1]
    stores = []
    for name, caps in (("everybodys", "o"), ("anns", "")):
        path = place / f"{name}.xferzone"
        path.write_bytes(golden.read_bytes())
        stores.append(Store.open(path))
        with stores[-1].writer() as writer:
            accounts.put_user(writer, "nobody", None, caps)
            accounts.put_user(writer, _LOGIN, _PASSWORD, "o")
            project, names = writer.project_code, list(writer.artifacts())
    return Served(stores[0], stores[1], project, names)


def encoded(request: WalkRequest) -> bytes:
    head = [
        f"{request.method} {request.target}",
        *(f"{key}: {value}" for key, value in request.headers.items()),
    ]
    return "\n".join(head).encode("utf-8", "surrogateescape") + b"\n\n" + request.body


def decoded(octets: bytes) -> WalkRequest:
    """A request, as a server of HTTP would make it of these octets: header names in lower case, each once."""
    head, _, body = octets.partition(b"\n\n")
    lines = head.decode("utf-8", "surrogateescape").split("\n")
    method, _, target = lines[0].partition(" ")
    fields = (line.partition(":") for line in lines[1:])
    return WalkRequest(method, target, {key.strip().lower(): value.strip() for key, _, value in fields}, body)


def _seeds() -> list[bytes]:
    served = _served()
    told = _asked(served.everybodys, WalkRequest("GET", "/v0/refs")).body
    refs = json.loads(told)
    roots = [each["hash"] for each in refs["branches"]]
    since = f"{refs['epoch']}.{refs['number']}.{refs['position']}"
    packed = {"accept-encoding": "zstd, gzip;q=0.5"}
    return [
        *(
            encoded(WalkRequest(method, f"/v0/objects/{served.names[0]}", packed))
            for method in ("GET", "HEAD", "PUT")
        ),
        encoded(WalkRequest("GET", "/v0/refs")),
        encoded(WalkRequest("GET", f"/v0/refs?since={since}&checkin={refs['checkin']}", packed)),
        encoded(WalkRequest("GET", "/v0/refs", {"if-none-match": f'"{since}"', "prefer": "wait=25"})),
        _post("walk", roots=roots),
        _post(
            "walk", roots=roots, known=roots[:1], since=since, checkin=refs["checkin"], more=f"{roots[0]}.0"
        ),
        _post("pull", roots=roots),
        _post("pull", roots=roots[:1], known=[], more="+0"),
        _post("batch", hashes=served.names),
        _post("batch", hashes=served.names[3:]),
        _signed(random.Random(1), _post("batch", hashes=served.names[:2]), ()),
        encoded(WalkRequest("GET", "/v0/auth", {"x-original-uri": "/v0/refs", "x-original-method": "GET"})),
        encoded(WalkRequest("GET", "/v0/refs", {"authorization": "Basic YW5uOnNlY3JldA=="})),
    ]


def _post(what: str, **fields: object) -> bytes:
    headers = {"content-type": "application/json", "accept-encoding": "zstd"}
    return encoded(WalkRequest("POST", f"/v0/objects/{what}", headers, json.dumps(fields).encode()))


def _signed(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """Signed by ann, rightly or nearly so."""
    request, served = decoded(octets), _served()
    stated = signing.body_hash(request.body)
    login = chance.choice((_LOGIN, _LOGIN, "nobody", "é%"))
    expires = NOW_MS // 1000 + chance.choice((0, 200, 300, 301, -1))
    signed = signing.Signed(served.project, HOST, request.method, request.target, stated)
    secret = shared_secret(served.project, login, _PASSWORD)
    headers = {**request.headers, signing.STATED_HASH: stated}
    headers["authorization"] = signing.authorization(signed, login, secret, expires)
    return encoded(WalkRequest(request.method, request.target, headers, request.body))


def _renamed(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """Another hash in place of one."""
    names = [*_served().names, "0" * 64, "f" * 40, "F" * 64, ""]
    old = chance.choice(names).encode() or b"\0"
    return octets.replace(old, chance.choice(names).encode(), chance.choice((1, -1)))


def _repacked(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """The body packed."""
    request = decoded(octets)
    body = coding.packed_whole(request.body)
    cut = body[: chance.choice((len(body), len(body), len(body) - 3, 5))]
    headers = {**request.headers, "content-encoding": "zstd"}
    return encoded(WalkRequest(request.method, request.target, headers, cut))


class Answer(NamedTuple):
    """A reply, read to its end, expanded."""

    status: int
    body: bytes
    kind: str


def _asked(store: Store, request: WalkRequest) -> Answer:
    with respond(store, request, Terms(HOST, env=_ENV)) as reply:
        body = b"".join(reply.body)
    stated = reply.headers.get("content-length")
    is_whole = stated is None or len(body) == int(stated) or request.method == "HEAD" or reply.status == 304
    holds(is_whole, "a body of another length than stated")
    if reply.headers.get("content-encoding") == ZSTD and body:
        body = b"".join(coding.expanded((body,), _MOST))
    return Answer(reply.status, body, reply.headers.get("content-type", ""))


def _check(octets: bytes) -> Shape:
    request, served = decoded(octets), _served()
    answer = _asked(served.everybodys, request)
    holds(answer.status in STATUSES, f"status {answer.status}")
    holds(_asked(served.everybodys, request) == answer, "asked again, it answers otherwise")
    closed = _asked(served.anns, request)
    holds(closed.status in STATUSES, f"status {closed.status} where nobody may read")
    if closed.status == 204:
        holds("authorization" in request.headers, "auth lets nobody in")
    if answer.status in (200, 304):
        wanted = closed.status == answer.status if _holds(request) else closed.status in (401, 403)
        holds(wanted, "the wrong one may read")
    if answer.status >= 400:
        _check_refusal(answer)
        return answer.status, closed.status, json.loads(answer.body)["error"][:25]
    return answer.status, closed.status, answer.kind, _check_brought(request, answer.body)


def _holds(request: WalkRequest) -> bool:
    """Whether ann has signed this, by the rule of docs/formats.md."""
    token = signing.Token.parse(request.headers.get("authorization", ""))
    if token is None or token.login != _LOGIN:
        return False
    stated = signing.body_hash(request.body)
    signed = signing.Signed(_served().project, HOST, request.method, request.target, stated)
    is_ours = token.is_of(signed, shared_secret(_served().project, _LOGIN, _PASSWORD))
    return is_ours and token.is_in_time(NOW_MS / 1000)


def _check_refusal(answer: Answer) -> None:
    holds(
        answer.kind == "application/json" and answer.body.count(b"\n") == 1, "a refusal that is not one line"
    )
    holds(set(json.loads(answer.body)) == {"error"}, "a refusal without its reason")


def _check_brought(request: WalkRequest, body: bytes) -> Shape:
    """What a batch or a pull brought."""
    path = request.target.partition("?")[0]
    if path == "/v0/objects/pull":
        came = list(Arriving((body,)).pulled())
    elif path == "/v0/objects/batch":
        packed = request.headers.get("content-encoding", "").strip().lower() == ZSTD
        text = b"".join(coding.expanded((request.body,), _MOST)) if packed else request.body
        came = list(Arriving((body,)).records([ArtifactId(each) for each in json.loads(text)["hashes"]]))
    else:
        return path[:12]
    received = {each.artifact: each for each in came if isinstance(each, Received)}
    for each in received.values():
        holds(is_named(each.artifact, _content(each, received)), "what came has another name")
    return path, bool(received), frozenset(each.why for each in came if isinstance(each, Unsent))


def _content(each: Received, received: dict[ArtifactId, Received]) -> bytes:
    if each.source is None:
        return each.payload
    if each.source in received:
        source = _content(received[each.source], received)
    else:
        with _served().everybodys.reader() as reader:
            source = reader.content(each.source)
    return delta.apply(source, each.payload)


_HARMS: Final[Sequence[Harm]] = (*OF_LINES, *[_signed] * 4, *[_renamed] * 4, *[_repacked] * 2)

WALKS: Final = Kind(
    name="walks",
    code=("replicate/", "refs/told.py", "store/closure.py", "store/controls.py"),
    seeds=_seeds,
    harms=_HARMS,
    check=_check,
    memory=lambda size: 16_000_000 + 100 * size,
)
