"""How messages count, list and date: "1 record", "2,000 branches", "a, b and 3 more", "2026-11-29 10:00:00 UTC"."""

from collections.abc import Sequence
from datetime import UTC, datetime


def counted(number: int, noun: str) -> str:
    """A number of things, the noun in the singular or the plural."""
    ending = "" if number == 1 else "es" if noun.endswith("ch") else "s"
    return f"{number:,} {noun}{ending}"


def instant(date_ms: int) -> str:
    """A date in milliseconds since 1970, to the second."""
    return datetime.fromtimestamp(date_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def and_more(number: int) -> str:
    """What follows a list that was cut short."""
    return f"and {number:,} more"


def listed(words: Sequence[str], most: int, between: str = ", ") -> str:
    """At most `most` of the words, and how many more there are."""
    shown = between.join(words[:most])
    return f"{shown} {and_more(len(words) - most)}" if len(words) > most else shown
