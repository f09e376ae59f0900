"""How a mirror stands to its primaries, for people and metrics: a small file beside the repository.

    zones.xferzone-primaries     {"interval_s": 5.0, "primaries": [{"url": ..., "success_ms": ..., ...}, ...]}
    zones.xferzone-pull          empty; who pulls holds flock(2) on it: one pull at a time, across processes

The first is replaced as a whole after each attempt; the repository itself is not written to where nothing is new.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Final

import msgspec
from msgspec.structs import replace

from xferzone.exchange import beside
from xferzone.store import schema

MAX_ERROR: Final = 2_000  # characters of an error that are kept; a primary chooses them
GRACE_MS: Final = 60_000  # beyond the interval: a wait for news and a slow poll are not a lag


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How the mirror stands to one primary. Dates are milliseconds since 1970; 0: never.

    Fields:
        url: without a password.
        success_ms: when it answered last.
        whole_ms: when all that it tells was here last; the same, unless refs had to stay where they are.
        error_ms, error: when and why it failed last; it has answered since if `success_ms` is later.
        behind: moves of its refs that are known here and not made here.
        via: "walk" or "xfer"; empty: it has not answered yet.
    """

    url: str
    success_ms: int = 0
    whole_ms: int = 0
    error_ms: int = 0
    error: str = ""
    behind: int = 0
    via: str = ""


class Standings(msgspec.Struct, frozen=True):
    """The primaries in the order in which they are asked, and the seconds between two polls."""

    interval_s: float
    primaries: list[Standing]

    def behind_ms(self, now_ms: int) -> int | None:
        """How long ago all that a primary tells was here; 0: it is now. None: it never was."""
        whole = max((each.whole_ms for each in self.primaries), default=0)
        if not whole:
            return None
        since = max(now_ms - whole, 0)
        newest = self._newest
        is_behind = newest.behind > 0 or newest.whole_ms < max(newest.success_ms, newest.error_ms)
        return 0 if since <= self.interval_s * 1000 + GRACE_MS and not is_behind else since

    @property
    def behind_moves(self) -> int:
        """Moves of refs that the primary asked last has told, and that are not made here."""
        return self._newest.behind if self.primaries else 0

    @property
    def _newest(self) -> Standing:
        return max(self.primaries, key=lambda each: max(each.success_ms, each.error_ms))


def of_role(repository: Path, role: str) -> Standings | None:
    """`standings` of a repository of that role; None, too: it is not a mirror, or none any more."""
    return standings(repository) if role == schema.MIRROR else None


def standings(repository: Path) -> Standings | None:
    """How the mirror stood after the last attempt. None: it never tried, or that cannot be read."""
    with suppress(OSError, msgspec.DecodeError, UnicodeDecodeError):
        return msgspec.json.decode(beside.beside(repository, "primaries").read_bytes(), type=Standings)
    return None


def record(repository: Path, interval_s: float, primaries: Sequence[Standing]) -> None:
    """Let `standings` find this, errors cut to MAX_ERROR. Raises OSError: nothing can be written there."""
    kept = [replace(each, error=_text(each.error)) for each in primaries]
    beside.replace(repository, "primaries", msgspec.json.encode(Standings(interval_s, kept)))


def _text(error: str) -> str:
    """What JSON can hold of an error. A primary may put octets in it that are not UTF-8: they come as surrogates."""
    return error[:MAX_ERROR].encode("utf-8", "replace").decode()


def pulling(repository: Path) -> AbstractContextManager[bool]:
    """Be the one who pulls into `repository`, as long as the block lasts; False: another process or thread is.

    Raises:
        OSError: nothing can be written beside the repository.
    """
    return beside.alone(repository, "pull")
