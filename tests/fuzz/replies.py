"""Replies of a primary, as a follower reads them: a line "CALL STATUS", a line a header, an empty line, the body.

refs, page, pulled, batch, one     what they promise, or PeerError or Denied; whatever the primary says
                                   a message is of one line and bounded; what came is counted
"""

import contextlib
import json
import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Final

from tests.fuzz import batches
from tests.fuzz.harms import OF_LINES
from tests.fuzz.kind import Harm, Kind, Shape, holds, kind_of_error
from xferzone.cards import coding
from xferzone.env import Env
from xferzone.errors import Denied, PeerError
from xferzone.hashing import artifact_id
from xferzone.replicate import batch, signing
from xferzone.replicate.client import Client, Cursor, TooMany
from xferzone.replicate.messages import Walk
from xferzone.sync.client.options import Account
from xferzone.transport.base import ZSTD
from xferzone.transport.walk import WalkReply, WalkRequest

CALLS: Final = ("refs", "page", "pulled", "batch", "one")
PROJECT: Final = "0123456789abcdef0123456789abcdef01234567"
_ID: Final = artifact_id(b"")
_ENV: Final = Env(clock_ms=lambda: 1_800_000_000_000, monotonic=lambda: 0.0)
_JSON: Final = "content-type: application/json"
_MOST_MESSAGE: Final = 5_000  # characters


@dataclass
class Told:
    """A way to a primary that always replies the same, and states the hash of what it says."""

    status: int
    headers: dict[str, str]
    body: bytes
    name: str = "http://primary/"
    host: str = "primary"

    def ask(self, _request: WalkRequest) -> WalkReply:
        stated = {signing.STATED_HASH: signing.body_hash(self._expanded())}
        return WalkReply(self.status, stated | self.headers, self._pieces())

    def _expanded(self) -> bytes:
        if self.headers.get("content-encoding") == ZSTD:
            with contextlib.suppress(PeerError):
                return b"".join(coding.expanded([self.body], 1_000_000))
        return self.body

    def _pieces(self) -> Generator[bytes, None, None]:
        half = len(self.body) // 2
        yield from (self.body[:half], self.body[half:])


def _seeds() -> list[bytes]:
    named = [{"zone": "example.com", "name": "main", "hash": _ID}]
    refs = {
        "project": PROJECT,
        "epoch": "ab12",
        "number": 7,
        "position": 40,
        "checkin": _ID[:16],
        "whole": True,
        "zones": ["example.com"],
        "branches": named,
        "tags": named,
        "closed": named,
        "controls": [_ID],
        "more": False,
    }
    records = (
        batch.MAGIC + b"".join((batch.whole(b""), batch.near(1, b"d"), batch.far(_ID, b"d"))) + batch.end()
    )
    own = batch.named(_ID)
    pull = batch.MAGIC + batch.whole(b"", own) + batch.far(_ID, b"d", own) + batch.end("+1")
    text = json.dumps(refs).encode()
    return [
        _reply("refs 200", text, _JSON),
        _reply("refs 200", coding.packed_whole(text), _JSON, "content-encoding: zstd"),
        _reply("refs 304", b""),
        _reply("refs 200", b"<html>", "content-type: text/html"),
        _reply("page 200", json.dumps({"missing": [_ID], "more": f"{_ID}.0"}).encode(), _JSON),
        _reply("pulled 200", pull),
        _reply("pulled 200", b"".join(coding.packed([pull])), "content-encoding: zstd"),
        _reply("batch 200", records),
        _reply("one 200", b"content"),
        *(_reply(f"{call} 401", b'{"error": "no"}\n', f"www-authenticate: XFERZONE-HMAC project={PROJECT}",
                 "date: Fri, 15 Jan 2027 08:00:00 GMT") for call in CALLS),
        *(_reply(f"refs {status}", b'{"error": "why"}\n', _JSON, "retry-after: 5") for status in (403, 404, 429, 503)),
    ]  # fmt: skip


def _reply(first: str, body: bytes, *headers: str) -> bytes:
    return "\n".join((first, *headers)).encode() + b"\n\n" + body


def _repacked(_chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """The body packed, and said to be."""
    head, _, body = octets.partition(b"\n\n")
    return head + b"\ncontent-encoding: zstd\n\n" + coding.packed_whole(body)


def _rebodied(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """Another body of many artifacts."""
    body = chance.choice(batches.BATCHES.harms[-1:])(chance, b"", ())
    return octets.partition(b"\n\n")[0] + b"\n\n" + body[1:]


def _check(octets: bytes) -> Shape:
    head, _, body = octets.partition(b"\n\n")
    lines = head.decode("latin-1").split("\n")
    call, _, status = lines[0].partition(" ")
    fields = (line.partition(":") for line in lines[1:])
    headers = {key.strip().lower(): value.strip() for key, _, value in fields}
    code = int(status) if status.isascii() and status.isdigit() and len(status) == 3 else 200
    client = Client(Told(code, headers, body), Account("ann", "secret"), _ENV)
    try:
        came = _called(client, call)
    except (PeerError, Denied) as exc:
        holds(len(str(exc)) < _MOST_MESSAGE, "a long message")
        holds(not isinstance(exc, TooMany) or 0 <= exc.retry_s < 100_000, "a wait without an end")
        told = str(exc).removeprefix(Told.name).partition(":")[0]
        return (
            call if call in CALLS else "",
            code // 100,
            type(exc).__name__,
            kind_of_error(ValueError(told))[1][:30],
        )
    holds(1 <= client.wire.requests <= 3, "many requests")
    return call if call in CALLS else "", code // 100, came


def _called(client: Client, call: str) -> Shape:
    match call:
        case "page":
            return bool(client.page(Walk(roots=[_ID])).missing)
        case "pulled":
            page = client.pulled(Walk(roots=[_ID]))
            return len(list(page.records())) > 0, bool(page.more)
        case "batch":
            came = list(client.batch(batches.NAMES[:3]))
            holds(len(came) == 3, "another number of records than asked for")
            return tuple(type(each).__name__ for each in came)
        case "one":
            return bool(client.one(_ID).payload)
    told = client.refs(Cursor("ab12", 7, 40, _ID[:16]))
    return told and (bool(told.branches), bool(told.controls), told.more)


_HARMS: Final[Sequence[Harm]] = (*OF_LINES, *[_repacked] * 2, *[_rebodied] * 3)

REPLIES: Final = Kind(
    name="replies",
    code=("replicate/client.py", "replicate/batch.py", "replicate/coding.py"),
    seeds=_seeds,
    harms=_HARMS,
    check=_check,
    memory=lambda size: 40_000_000 + 100 * size,
    largest=8_000,
)
