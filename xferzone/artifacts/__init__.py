"""Structural artifacts: content <-> what it says. No I/O, no state.

    kind        cards it may have   cards it must have      told by
    check-in    B C D F N P Q R T U     D                   B F Q R, else C or a parent
    control     D T U                   D T U               none of all these
    cluster     M                       M                   M
    wiki        C D L N P U W           D L U W             L
    ticket      D J K U                 D J K U             J K
    attachment  A C D N U               A D                 A
    technote    C D E N P T U W         D E W               E
    forum       D G H I N P U W         D U W               G H I

Each has a Z card as well. The last card that tells a kind wins.
Source: Fossil 2.21, www/fileformat.wiki; src/manifest.c manifest_parse().
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple, TypeAlias

from xferzone.artifacts.checkin import (
    CheckIn,
    CherryPick,
    FileCard,
    delta_files,
    parse_checkin,
    r_card,
    replaced,
)
from xferzone.artifacts.cluster import Cluster, parse_cluster
from xferzone.artifacts.control import Control, Tag, parse_control
from xferzone.artifacts.dates import LAST_DATE
from xferzone.artifacts.grammar import Cards, is_read_differently, is_sealed, read, upper_case_ids
from xferzone.artifacts.other import Other, parse_other
from xferzone.artifacts.plain import plain_checkin

__all__ = [
    "MAX_STRUCTURAL",
    "CheckIn",
    "CherryPick",
    "Cluster",
    "Control",
    "FileCard",
    "Other",
    "Parsed",
    "Tag",
    "delta_files",
    "hazard",
    "may_be_structural",
    "parse",
    "r_card",
    "replaced",
]

#: What an artifact says; None: nothing, it is a plain blob.
Parsed: TypeAlias = CheckIn | Control | Cluster | Other | None

MAX_PARENTS = 1_000  # of a check-in that is passed on; ours, people's merges have two
MAX_STRUCTURAL = 4 * 2**20  # bytes; ours, a check-in of about 30,000 files; longer content is a plain blob


class _Kind(NamedTuple):
    """A row of the table above; one letter of `telling` is enough."""

    value: Callable[[Cards], CheckIn | Control | Cluster | Other]
    allowed: frozenset[int]
    required: frozenset[int]
    telling: frozenset[int]


def _kind(
    value: Callable[[Cards], CheckIn | Control | Cluster | Other], allowed: str, required: str, telling: str
) -> _Kind:
    return _Kind(value, *(frozenset(letters.encode("ascii")) for letters in (allowed, required, telling)))


#: A card that tells a kind is allowed in no other kind; C and P are the exception, so check-ins are the last row.
_KINDS = (
    _kind(parse_cluster, "MZ", "MZ", "M"),
    _kind(parse_control, "DTUZ", "DTUZ", "T"),
    _kind(partial(parse_other, "wiki"), "CDLNPUWZ", "DLUWZ", "L"),
    _kind(partial(parse_other, "ticket"), "DJKUZ", "DJKUZ", "K"),
    _kind(partial(parse_other, "attachment"), "ACDNUZ", "ADZ", "A"),
    _kind(partial(parse_other, "technote"), "CDENPTUWZ", "DEWZ", "E"),
    _kind(partial(parse_other, "forum"), "DGHINPUWZ", "DUWZ", "GHI"),
    _kind(parse_checkin, "BCDFNPQRTUZ", "DZ", "BCFPQR"),
)


def parse(content: bytes) -> Parsed:
    """What `content` says to Fossil; None: nothing, it is a plain blob.

    The verdict is stock's, except where grammar.read() and MAX_STRUCTURAL are stricter. Nothing is looked up: an
    artifact that is named here may be missing, or be of another kind.
    """
    if not may_be_structural(content):
        return None
    try:
        if (checkin := plain_checkin(content)) is not None:
            return checkin
        cards = read(content)
        letters = cards.letters
        for kind in _KINDS:
            if kind.required <= letters <= kind.allowed and kind.telling & letters:
                return kind.value(cards)
    except ValueError:
        pass
    return None


def may_be_structural(content: bytes) -> bool:
    """Whether beginning and length leave it open what `content` is."""
    return (content[:1].isupper() or content[:1] == b"-") and len(content) <= MAX_STRUCTURAL


def hazard(content: bytes, parsed: CheckIn | Control | Cluster | Other | None) -> str | None:
    """Why an artifact, parsed, should not be passed on to stock's readers, whoever made it; None: there is no reason.

    An id in upper case that occurs twice stops every stock clone for good: stock makes a phantom for each, and the
    second fails with "UNIQUE constraint failed: blob.uuid" (seen with 2.21, whose own server refuses such an artifact
    that way). Cards that stock reads and `parse` does not could set tags that nobody here sees. Thousands of parents
    cost every reader a row each, and a delta of a few bytes makes them. To move a check-in to a fork branch takes an
    artifact of a later date.
    """
    if is_read_differently(content):
        return "releases of Fossil take its signature off in different places"
    if isinstance(parsed, CheckIn) and len(parsed.parents) > MAX_PARENTS:
        return f"it has {len(parsed.parents)} parents, {MAX_PARENTS} are allowed"
    if isinstance(parsed, CheckIn) and parsed.date_ms >= LAST_DATE:
        return "it is dated at the end of the year 9999, and nothing can be dated after it"
    if not is_sealed(content):
        return None
    if len(content) > MAX_STRUCTURAL:
        return f"it is of cards, and longer than {MAX_STRUCTURAL} bytes"
    if parsed is None:
        return "a NUL stands among its cards" if b"\0" in content else None
    return "it names artifacts in upper case" if upper_case_ids(read(content)) else None
