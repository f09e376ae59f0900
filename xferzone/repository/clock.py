"""Whether this machine's clock can be right: a commit while it is far ahead leaves a date that others must follow."""

from typing import Final

from xferzone.store import Reader, timeline
from xferzone.wording import counted, instant

DAY_MS: Final = 24 * 60 * 60 * 1000
MAX_QUIET_MS: Final = 31 * DAY_MS  # since the newest check-in, after which the clock is doubted; ours


def doubts(reader: Reader, now_ms: int) -> list[str]:
    """A warning if the clock is far past the newest check-in of the whole repository."""
    newest = timeline.newest_since(reader, now_ms - MAX_QUIET_MS)
    if newest is None or now_ms - newest <= MAX_QUIET_MS:
        return []
    days = counted((now_ms - newest) // DAY_MS, "day")
    return [
        f"this machine's clock says {instant(now_ms)}, {days} after the newest check-in here, {instant(newest)}: "
        "if it is wrong, set it right before you go on"
    ]
