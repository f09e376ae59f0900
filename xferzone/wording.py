"""How messages count, list and date: "1 record", "2,000 branches", "a, b and 3 more", "2026-11-29 10:00:00 UTC"."""

from collections.abc import Sequence
from datetime import UTC, datetime

_YEAR_1 = -62_135_596_800_000  # the first millisecond that datetime knows, since 1970
_CYCLE = 146_097 * 86_400_000  # milliseconds of 400 years, after which the calendar repeats


def counted(number: int, noun: str) -> str:
    """A number of things, the noun in the singular or the plural."""
    ending = "" if number == 1 else "es" if noun.endswith("ch") else "s"
    return f"{number:,} {noun}{ending}"


def instant(date_ms: int) -> str:
    """A date in milliseconds since 1970, to the second."""
    return f"{civil(date_ms)} UTC"


def civil(date_ms: int) -> str:
    """The same without a time zone. Artifacts may be dated before the year 1: as SQLite writes it, `-4712-01-02`.

    A damaged row may be dated far beyond the year 9999.
    """
    cycles = -((date_ms - _YEAR_1) // _CYCLE)
    moment = datetime.fromtimestamp((date_ms + cycles * _CYCLE) // 1000, UTC)
    year = moment.year - 400 * cycles
    return f"{'-' * (year < 0)}{abs(year):04}-{moment:%m-%d %H:%M:%S}"


def and_more(number: int) -> str:
    """What follows a list that was cut short."""
    return f"and {number:,} more"


def listed(words: Sequence[str], most: int, between: str = ", ") -> str:
    """At most `most` of the words, and how many more there are."""
    shown = between.join(words[:most])
    return f"{shown} {and_more(len(words) - most)}" if len(words) > most else shown
