"""One primary, as a follower sees it: its connections, how it answered, when it is asked again."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from xferzone.errors import Denied, PeerError
from xferzone.exchange.mirror.following import MAX_BACK_OFF_S, Following, Via, Ways
from xferzone.exchange.mirror.standing import Standing
from xferzone.publish.follow import Kept
from xferzone.replicate.client import Client, Cursor, Wire
from xferzone.transport import Transport

MAX_NOTES: Final = 100  # of one primary that people are told; ours
_FIRST_S: Final = 1.0  # seconds after the first failure; twice as many after each other one


class Primary:
    """A primary.

    Fields:
        url: without a password.
        via: the road that is used now.
        client: its walk.
        xfer: its xfer.
        cursor: up to where it is known; None: what the repository remembers counts.
        behind: moves of its refs that were told and are not made here.
        kept: refs that stayed where they were when it told of them last.
        next_at: not to be asked before, by the monotonic clock.
        waits_at: not to be asked to hold a poll before.
        tables: the hash of its synced tables when they were taken last; empty: none were.
        wire: what xfer has sent and taken.
    """

    def __init__(self, url: str, ways: Ways, options: Following, stood: Standing | None = None) -> None:
        """`stood`: how the mirror stood to it before; None: it was never asked."""
        self.url = url
        self.via: Via = options.via
        self.cursor: Cursor | None = None
        self._standing = stood or Standing(url=url)
        self.behind = 0
        self.kept: Sequence[Kept] = ()
        self.next_at = 0.0
        self.waits_at = 0.0
        self.tables = ""
        self.wire = Wire()
        self._options = options
        self._ways = ways
        self._client: Client | None = None
        self._xfer: Transport | None = None
        self._failures = 0
        self._notes: list[str] = []
        self._noted: set[str] = set()

    @property
    def client(self) -> Client:
        if self._client is None:
            self._client = Client(self._ways.walk(self.url), self._options.account, self._options.env)
        return self._client

    @property
    def xfer(self) -> Transport:
        if self._xfer is None:
            self._xfer = self._ways.xfer(self.url)
        return self._xfer

    @property
    def standing(self) -> Standing:
        """How the mirror stands to it now."""
        return replace(self._standing, behind=self.behind)

    def close(self) -> None:
        """Close the connections that are kept open."""
        for way in (None if self._client is None else self._client.transport, self._xfer):
            if (close := getattr(way, "close", None)) is not None:
                close()

    def counted(self) -> Wire:
        """What went over the wire so far, by both roads."""
        walk = Wire() if self._client is None else self._client.wire
        return Wire(
            walk.requests + self.wire.requests,
            walk.bytes_out + self.wire.bytes_out,
            walk.bytes_in + self.wire.bytes_in,
        )

    def take_notes(self) -> tuple[str, ...]:
        """What people should know, once."""
        notes, self._notes = tuple(self._notes), []
        return notes

    def fall_back(self) -> None:
        """It knows no walk."""
        self.via = "xfer"
        self.note(f"{self.url} knows no walk: it is followed by xfer")

    def note(self, text: str) -> None:
        """People should know this; of one text they are told once."""
        if text not in self._noted and len(self._noted) < MAX_NOTES:
            self._noted.add(text)
            self._notes.append(text)

    def failed(self, exc: PeerError | Denied) -> None:
        """It cannot be used now: it is asked again later, after each failure later still."""
        env = self._options.env
        self._failures += 1
        longest = min(_FIRST_S * 2 ** min(self._failures - 1, 10), MAX_BACK_OFF_S)
        part = int.from_bytes(env.token(2)) / 0x1_0000
        self.next_at = env.monotonic() + longest * (1 - part / 2)
        self.via = self._options.via
        self._standing = replace(self._standing, error_ms=env.clock_ms(), error=str(exc))

    def succeeded(self, *, is_whole: bool) -> None:
        """It has answered; `is_whole`: all that it told stands here."""
        now = self._options.env.clock_ms()
        self._failures, self.next_at = 0, 0.0
        whole = now if is_whole else self._standing.whole_ms
        self._standing = replace(self._standing, success_ms=now, whole_ms=whole, via=self.via)
