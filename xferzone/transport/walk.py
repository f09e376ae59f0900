"""Requests of the walk and their replies, by whatever way they travel.

client ── WalkRequest ──> WalkTransport.ask ── WalkReply ──> client

docs/formats.md has the requests. HTTP carries them as they stand here; a function of this process can answer them, too.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self


@dataclass(frozen=True, slots=True)
class WalkRequest:
    """One request.

    Fields:
        method: GET, HEAD or POST.
        target: the path from "/v0/" on, with its query, as sent.
        headers: names in lower case; Host is not among them.
        body: octets as they travel.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class WalkReply:
    """The reply to one request. Whoever is given it closes it; a `with` block does.

    Fields:
        headers: names in lower case.
        body: octets as they travel, in pieces; closing it lets go of what it is made from.
    """

    status: int
    headers: Mapping[str, str]
    body: Generator[bytes, None, None]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.body.close()


class WalkTransport(Protocol):
    """A way to one other repository that answers the walk."""

    @property
    def name(self) -> str:
        """Where it leads, for messages; without a password."""

    @property
    def host(self) -> str:
        """The host as the client names it, with its port unless that is the scheme's own; it is signed."""

    def ask(self, request: WalkRequest) -> WalkReply:
        """The reply, whatever its status.

        Raises:
            PeerError: no reply came. Reading the body raises it where the reply is broken off.
        """
