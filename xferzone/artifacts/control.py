"""Control artifacts: tags that are put on other artifacts later.

    D DATE
    T PREFIX NAME SP TARGET [SP VALUE]      one or more, in ascending order of prefix and name, then of target
    U LOGIN

    PREFIX  "+" on the target only; "*" on it and on its descendants by first parents; "-" removes it
    NAME    not hex digits alone
    TARGET  an id; "*", in a check-in only: the check-in itself

store/ works out which tag holds where.
Source: Fossil 2.21, www/fileformat.wiki; src/manifest.c manifest_parse().
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from xferzone import escape
from xferzone.artifacts.dates import format_date, parse_date
from xferzone.artifacts.grammar import Cards, c_string, is_hex, parse_id, sealed, text
from xferzone.hashing import ArtifactId

_PREFIXES = ("*", "+", "-")


class Tag(NamedTuple):
    """One T card. `target` None: the check-in that holds it; `value` None: the tag has no value."""

    prefix: str
    name: str
    target: ArtifactId | None = None
    value: str | None = None


@dataclass(frozen=True, slots=True)
class Control:
    """Tags on other artifacts, set by `user` at `date_ms`, milliseconds since 1970; at least one."""

    date_ms: int
    tags: tuple[Tag, ...]
    user: str

    def encode(self) -> bytes:
        """The artifact, its tags sorted. Raises ValueError if no reader would accept it."""
        if not self.tags or not all(tag.target for tag in self.tags):
            raise ValueError("each tag of a control artifact needs a target, and there must be one")
        return sealed([b"D " + format_date(self.date_ms), *tag_cards(self.tags), user_card(self.user)])


def parse_control(cards: Cards) -> Control:
    """The value of a control artifact's cards. Raises ValueError."""
    tags = parse_tags(cards.every(b"T"))
    if not all(tag.target for tag in tags):
        raise ValueError("a control artifact cannot tag itself")
    return Control(parse_date(cards.first(b"D") or b""), tags, parse_user(cards))


def parse_tags(cards: Sequence[Sequence[bytes]]) -> tuple[Tag, ...]:
    """The tags of T cards, checked. Raises ValueError."""
    tags: list[Tag] = []
    previous: tuple[bytes, bytes] | None = None
    for name, target, *value in cards:
        name = c_string(name)
        if name[:1] not in (b"*", b"+", b"-") or is_hex(name[1:]):
            raise ValueError(f"{name[:80]!r} is not the name of a tag")
        order = (name, b"" if target == b"*" else target)
        if previous is not None and order <= previous:
            raise ValueError("T cards are not in order")
        previous = order
        on = None if target == b"*" else parse_id(target)
        label = name.decode("utf-8", "surrogateescape")
        tags.append(Tag(label[0], label[1:], on, text(value[0]) if value else None))
    return tuple(tags)


def tag_cards(tags: Iterable[Tag]) -> list[bytes]:
    """The T cards of `tags`, in order. Raises ValueError if a reader would refuse them."""
    cards: list[tuple[bytes, bytes, bytes]] = []
    for tag in tags:
        name = tag.name.encode("utf-8", "surrogateescape")
        if tag.prefix not in _PREFIXES or is_hex(name) or b"\0" in name:
            raise ValueError(f"{tag.prefix}{tag.name} is not the name of a tag")
        value = b"" if tag.value is None else b" " + escape.encode(tag.value)
        cards.append((tag.prefix.encode("ascii") + name, (tag.target or "").encode("ascii"), value))
    cards.sort(key=lambda card: card[:2])
    if len({card[:2] for card in cards}) < len(cards):
        raise ValueError("one tag twice on one target")
    return [b"T %s %s%s" % (escape.encode(name), target or b"*", value) for name, target, value in cards]


def parse_user(cards: Cards) -> str:
    """The login of the U card; "anonymous" if the card is empty, "" if there is no card."""
    login = cards.first(b"U")
    if login is None:
        return "anonymous" if cards.every(b"U") else ""
    return text(login) or "anonymous"


def user_card(user: str) -> bytes:
    """The U card of `user`. Raises ValueError if it is empty."""
    if not user:
        raise ValueError("an artifact needs a user")
    return b"U " + escape.encode(user)
