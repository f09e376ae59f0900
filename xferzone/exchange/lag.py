"""When a mirror falls behind its primaries, and when it has caught up, as one pull after the other tells.

is whole    no primary can be used, or a ref stays where it is       begins
is behind   the same, for another reason                             goes-on
is behind   a primary has answered, and all that it tells is here    ends
            another process pulls                                    as it was
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from xferzone.errors import Busy, XferzoneError
from xferzone.exchange.following import Pulled


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
    _why: str = ""  # empty: the same

    def hear(self, news: Pulled | XferzoneError) -> Turn | None:
        """What the end of one pull changes; None: nothing."""
        if isinstance(news, Busy):
            return None
        why = str(news) if isinstance(news, XferzoneError) else _kept(news)
        was, self._why = self._why, why
        if self._since is None:
            self._since = self.clock()
        seconds = self.clock() - self._since
        if not why:
            self._since = None
        if why == was:
            return None
        return Turn("ends" if not why else "goes-on" if was else "begins", why or was, seconds)


def _kept(pulled: Pulled) -> str:
    """Why refs stay where they are; empty: none does."""
    return "; ".join(f"{each.branch} stays where it was: {each.reason}" for each in pulled.followed.invalid)
