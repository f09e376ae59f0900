"""Replies of the walk: statuses, headers, bodies."""

from collections.abc import Generator, Iterable, Mapping
from email.utils import formatdate
from typing import Final

import msgspec

from xferzone.cards import coding
from xferzone.env import Env
from xferzone.replicate import signing
from xferzone.transport.base import ZSTD
from xferzone.transport.walk import WalkReply

JSON: Final = "application/json"
_SMALL: Final = 200  # bytes; fewer are sent as they are


class Refusal(Exception):
    """A reply that says no, with its status, the reason as people read it, and headers besides."""

    def __init__(self, status: int, reason: str, **headers: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def refused(refusal: Refusal) -> WalkReply:
    """One JSON line with the reason."""
    octets = msgspec.json.encode({"error": refusal.reason}) + b"\n"
    headers = {"content-type": JSON, "cache-control": "no-store", **refusal.headers}
    return _of(refusal.status, headers, octets)


def told(message: msgspec.Struct, accept_encoding: str, **headers: str) -> WalkReply:
    """A message as one JSON line. Its hash goes along: a bit that flips on the way must not name another branch."""
    own = {name.replace("_", "-"): value for name, value in headers.items()}
    own.setdefault("cache-control", "no-cache")
    return hashed(msgspec.json.encode(message) + b"\n", accept_encoding, JSON, own)


def hashed(
    octets: bytes, accept_encoding: str, content_type: str, more: Mapping[str, str] | None = None
) -> WalkReply:
    """A body that is there, with its hash; `more`: headers besides."""
    headers = {"content-type": content_type, "cache-control": "no-store"} | dict(more or {})
    headers[signing.STATED_HASH] = signing.body_hash(octets)
    return whole(octets, accept_encoding, headers)


def whole(octets: bytes, accept_encoding: str, headers: dict[str, str], *, sent: bool = True) -> WalkReply:
    """A body that is there, packed if the client reads zstd and it saves something. `sent`: false for HEAD."""
    headers["vary"] = "Accept-Encoding"
    if len(octets) > _SMALL and coding.is_accepted(accept_encoding):
        smaller = coding.packed_whole(octets)
        if len(smaller) < len(octets):
            octets = smaller
            headers["content-encoding"] = ZSTD
    return _of(200, headers, octets, sent=sent)


def streamed(pieces: Generator[bytes, None, None], accept_encoding: str, content_type: str) -> WalkReply:
    """A body that is made as it is sent."""
    headers = {"content-type": content_type, "cache-control": "no-store", "vary": "Accept-Encoding"}
    if coding.is_accepted(accept_encoding):
        headers["content-encoding"] = ZSTD
        pieces = coding.packed(pieces)
    return WalkReply(200, headers, pieces)


def bare(status: int, **headers: str) -> WalkReply:
    """A reply without a body: 204, 304."""
    return WalkReply(status, {name.replace("_", "-"): each for name, each in headers.items()}, nothing())


def nothing() -> Generator[bytes, None, None]:
    """An empty body."""
    return _pieces(())


def date(env: Env) -> str:
    """The Date header of now."""
    return formatdate(env.clock_ms() / 1000, usegmt=True)


def _of(status: int, headers: dict[str, str], octets: bytes, *, sent: bool = True) -> WalkReply:
    headers["content-length"] = str(len(octets))
    return WalkReply(status, headers, _pieces((octets,) if sent else ()))


def _pieces(octets: Iterable[bytes]) -> Generator[bytes, None, None]:
    yield from octets
