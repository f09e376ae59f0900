"""When a mirror falls behind its primaries, and when it has caught up, as one pull after the other tells.

is whole    no primary can be used, or a ref stays where it is       begins
is behind   the same, for a reason that was not told in this lag     goes-on
is behind   a primary has answered, and all that it tells is here    ends
            another process pulls                                    as it was
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from xferzone.errors import Busy, XferzoneError
from xferzone.exchange.mirror.following import Pulled

MAX_REASONS: Final = 20  # told of one lag; ours. Peers choose the words, and primaries may fail in turns


@dataclass(frozen=True, slots=True)
class Turn:
    """What happens to a lag, `why` it is there, and how many `seconds` it has lasted."""

    outcome: Literal["begins", "goes-on", "ends"]
    why: str
    seconds: float


@dataclass(slots=True)
class Lag:
    """Of one mirror, whose pulls are heard in order; `clock` counts seconds."""

    clock: Callable[[], float]
    _since: float | None = None  # None: it is not behind
    _told: list[str] = field(default_factory=list)  # why, each once; empty: the same

    def hear(self, news: Pulled | XferzoneError) -> Turn | None:
        """What the end of one pull changes; None: nothing."""
        if isinstance(news, Busy):
            return None
        why = str(news) if isinstance(news, XferzoneError) else _kept(news)
        if self._since is None:
            self._since = self.clock()
        seconds = self.clock() - self._since
        if not why:
            told, self._told, self._since = self._told, [], None
            return Turn("ends", told[-1], seconds) if told else None
        if why in self._told or len(self._told) == MAX_REASONS:
            return None
        self._told.append(why)
        return Turn("goes-on" if self._told[1:] else "begins", why, seconds)


def _kept(pulled: Pulled) -> str:
    """Why refs stay where they are; empty: none does."""
    return "; ".join(f"{each.branch} stays where it was: {each.reason}" for each in pulled.followed.invalid)
