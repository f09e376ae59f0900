"""What whoever watches a sync is told while it runs; nothing else reports rounds."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class Traffic:
    """What a sync has brought and taken.

    Fields:
        sent, received: artifacts; `linked`: those of them that were new here and are stored.
        bytes_out, bytes_in: of bodies on the wire.
        gimmes_out, gimmes_in: artifacts asked for, by us and by the peer; igots: announced.
    """

    rounds: int = 0
    sent: int = 0
    received: int = 0
    linked: int = 0
    bytes_out: int = 0
    bytes_in: int = 0
    gimmes_out: int = 0
    gimmes_in: int = 0
    igots_out: int = 0
    igots_in: int = 0


class Observer(Protocol):
    """Watches one sync."""

    def round_ended(self, so_far: Traffic) -> None:
        """A request was answered, and what came is kept; of a clone, perhaps gathered still."""

    def said(self, message: str) -> None:
        """The people at the other end want this to be read."""
