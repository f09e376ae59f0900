"""Patterns of zone ids: an id, `*.` and one for all zones below it, or `*` for all. Of several the first counts.

*.example.net   a.example.net and b.a.example.net, and not example.net
"""

from collections.abc import Iterable, Mapping


def firsts(patterns: Iterable[str]) -> dict[str, int]:
    """The place of each pattern, counted from 0; of one that is there twice, the first."""
    found: dict[str, int] = {}
    for place, pattern in enumerate(patterns):
        found.setdefault(pattern, place)
    return found


def place(first: Mapping[str, int], zone: str) -> int | None:
    """The place of the first pattern that matches a zone id, or all that a pattern does. None: no pattern does.

    It takes a look for each label, whatever the number of patterns.
    """
    places = [first[zone]] if zone in first else []
    if "*" in first:
        places.append(first["*"])
    below = zone.partition(".")[2]
    while below:
        if (found := first.get(f"*.{below}")) is not None:
            places.append(found)
        below = below.partition(".")[2]
    return min(places, default=None)


def specimen(pattern: str) -> str:
    """An id that only this pattern, and those that match all that it does, can match: no zone has `!` in its id."""
    return f"!{pattern[1:]}" if pattern.startswith("*") else pattern
