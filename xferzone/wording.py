"""How messages count and list: "1 record", "2,000 branches", "a, b and 3 more"."""

from collections.abc import Sequence


def counted(number: int, noun: str) -> str:
    """A number of things, the noun in the singular or the plural."""
    ending = "" if number == 1 else "es" if noun.endswith("ch") else "s"
    return f"{number:,} {noun}{ending}"


def and_more(number: int) -> str:
    """What follows a list that was cut short."""
    return f"and {number:,} more"


def listed(words: Sequence[str], most: int, between: str = ", ") -> str:
    """At most `most` of the words, and how many more there are."""
    shown = between.join(words[:most])
    return f"{shown} {and_more(len(words) - most)}" if len(words) > most else shown
