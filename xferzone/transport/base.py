"""What every way to another repository has in common.

client ── Body ──> Transport.exchange ── Body ──> client
"""

from dataclasses import dataclass
from io import BytesIO
from types import TracebackType
from typing import IO, Final, Protocol, Self, runtime_checkable

OURS: Final = (
    "X-Xferzone"  # a header of HTTP replies, by which a server of our own kind is known; its value is 1
)
ZSTD: Final = "zstd"  # the one content coding that bodies may have (cards/coding.py)
PLAIN: Final = ""  # no coding
MAX_HEADERS: Final = 1024  # bytes of a bounded message that are left to its headers; ours have some 150


@dataclass(frozen=True, slots=True)
class Body:
    """One message of a protocol: its content type, and a seekable file of its octets, at its start.

    So a reply of 80 MB lies on disk, and is never one bytes object. Whoever is given a body closes it; a `with` block
    does.

    Fields:
        coding: the content coding of the octets: ZSTD or PLAIN.
        takes_zstd: whoever sends this request reads a reply in ZSTD, as HTTP says; what the cards say counts, too.
        login: the line of a login card that came beside the request; empty: none did.
    """

    content_type: str
    octets: IO[bytes]
    coding: str = PLAIN
    takes_zstd: bool = False
    login: bytes = b""

    @classmethod
    def of(cls, content_type: str, octets: bytes, coding: str = PLAIN, *, takes_zstd: bool = False) -> Self:
        """A body in memory."""
        return cls(content_type, BytesIO(octets), coding, takes_zstd)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.octets.close()


class Closing:
    """A way that keeps a connection open: a `with` block closes it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection that may be open."""
        raise NotImplementedError


class Transport(Protocol):
    """A way to one other repository."""

    @property
    def name(self) -> str:
        """Where it leads, for messages; without a password."""

    def exchange(self, body: Body) -> Body:
        """The reply to `body`, which is closed.

        Raises:
            PeerError: no reply came.
        """


@runtime_checkable
class Bounded(Protocol):
    """A way whose messages have a bound, for requests and replies alike, that its operator has chosen."""

    @property
    def max_payload(self) -> int:
        """Bytes of a message, headers included. Raises PeerError: it cannot be asked for."""


def room(max_payload: int) -> int:
    """Bytes that the octets of a body may have in a message of `max_payload`."""
    return max(1, max_payload - MAX_HEADERS)
