"""What every way to another repository has in common.

client ── Body ──> Transport.exchange ── Body ──> client
"""

from dataclasses import dataclass
from io import BytesIO
from types import TracebackType
from typing import IO, Final, Protocol, Self

OURS: Final = (
    "X-Xferzone"  # a header of HTTP replies, by which a server of our own kind is known; its value is 1
)
ZSTD: Final = "zstd"  # the one content coding that bodies may have (cards/coding.py)
PLAIN: Final = ""  # no coding


@dataclass(frozen=True, slots=True)
class Body:
    """One message of a protocol: its content type, and a seekable file of its octets, at its start.

    So a reply of 80 MB lies on disk, and is never one bytes object. Whoever is given a body closes it; a `with` block
    does.

    Fields:
        coding: the content coding of the octets: ZSTD or PLAIN.
        takes_zstd: whoever sends this request reads a reply in ZSTD, as HTTP says; what the cards say counts, too.
    """

    content_type: str
    octets: IO[bytes]
    coding: str = PLAIN
    takes_zstd: bool = False

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
