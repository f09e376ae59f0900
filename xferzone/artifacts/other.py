"""Artifacts that are valid but have no meaning here: wiki, tickets, attachments, technotes, forum posts.

    A NAME TARGET [ID]      attachment: a path; a page, ticket or technote; what is attached
    E DATE ID               technote
    G ID   H TITLE   I ID   forum: the thread, its title (first post only), the post answered (other posts only)
    J NAME [VALUE]          ticket: in ascending order of names as written
    K HEX                   ticket: its 40 digits
    L TITLE                 wiki: 1 to 100 octets, no control octets, no space first, last or doubled

Source: Fossil 2.21, www/fileformat.wiki; src/manifest.c manifest_parse(), src/wiki.c wiki_name_is_wellformed().
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from xferzone.artifacts.control import parse_tags
from xferzone.artifacts.dates import parse_date
from xferzone.artifacts.grammar import Cards, c_string, is_hex, is_path, parse_id

OtherKind = Literal["wiki", "ticket", "attachment", "technote", "forum"]

_TITLE = re.compile(rb"(?! )(?!.*  )[^\x00-\x1f]{1,100}(?<! )", re.DOTALL)
_TICKET_DIGITS = 40


@dataclass(frozen=True, slots=True)
class Other:
    """A valid artifact of a kind that has no meaning for zones; it is kept and sent like any blob."""

    kind: OtherKind


def parse_other(kind: OtherKind, cards: Cards) -> Other:
    """The value of such an artifact's cards. Raises ValueError."""
    for letter, check in _CHECKS.items():
        for card in cards.every(letter):
            check(card)
    if any(later[0] <= earlier[0] for earlier, later in pairwise(cards.every(b"J"))):
        raise ValueError("J cards are not in order")
    parents = [parse_id(parent) for card in cards.every(b"P") for parent in card]
    if kind == "forum" and (len(parents) > 1 or frozenset(b"HI") <= cards.letters):
        raise ValueError("not a post of a forum")
    if any(tag.prefix != "+" or tag.target is not None for tag in parse_tags(cards.every(b"T"))):
        raise ValueError("a technote may only add tags to itself")
    return Other(kind)


def _attachment(card: Sequence[bytes]) -> None:
    name, target, *source = card
    if not is_path(c_string(name)):
        raise ValueError("an A card without a path")
    if not _TITLE.fullmatch(c_string(target)):
        raise ValueError("an A card without a target")
    if source:
        parse_id(source[0])


def _technote(card: Sequence[bytes]) -> None:
    parse_date(card[0])
    parse_id(card[1])


def _ticket(card: Sequence[bytes]) -> None:
    if len(card[0]) != _TICKET_DIGITS or not is_hex(card[0]):
        raise ValueError("a K card without 40 digits")


def _title(card: Sequence[bytes]) -> None:
    if not _TITLE.fullmatch(c_string(card[0])):
        raise ValueError("an L card without a title")


def _id(card: Sequence[bytes]) -> None:
    parse_id(card[0])


def _date(card: Sequence[bytes]) -> None:
    parse_date(card[0])


_CHECKS: Mapping[bytes, Callable[[Sequence[bytes]], None]] = {
    b"A": _attachment,
    b"D": _date,
    b"E": _technote,
    b"G": _id,
    b"I": _id,
    b"K": _ticket,
    b"L": _title,
}
