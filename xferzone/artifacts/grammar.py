r"""What all structural artifacts have in common.

    artifact = card+                        the last is Z
    card     = LETTER (SP argument)* LF     letters in ascending order; W is followed by its text and an LF
    Z        = "Z" SP MD5 LF                lower-case hex MD5 of all that stands before it

An argument ends at the first space and may be empty; text in it is escaped (xferzone.escape). As in C, an escaped NUL
ends the text. A clear-signed artifact is read without its signature, that is from the first blank line on and up to the
last line that begins a signature. Stricter than stock: no NUL in a card (stock reads one as a space).

One wrong byte makes an artifact a plain blob: everything here raises ValueError then.
Source: Fossil 2.21, www/fileformat.wiki; src/manifest.c manifest_parse(), src/file.c file_is_simple_pathname(). All
verdicts were compared with the binary's (`fossil test-parse-manifest`).
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from xferzone import escape
from xferzone.hashing import ArtifactId

#: Stock takes off both since 2.26, before that PGP's alone.
_SIGNED = (b"-----BEGIN PGP SIGNED MESSAGE-----", b"-----BEGIN SSH SIGNED MESSAGE-----")
#: How a signature begins for 2.21, which compares 25 bytes, and for later releases, which compare 29.
_SIGNATURES = (b"\n-----BEGIN PGP SIGNATURE", b"\n-----BEGIN SSH SIGNATURE")
_LATER_SIGNATURES = (b"\n-----BEGIN PGP SIGNATURE----", b"\n-----BEGIN SSH SIGNATURE----")
_BLANK_LINE = re.compile(rb"\n\r?\n")
_SEAL_SIZE = 35  # bytes of the Z card
_SHORTEST = 10  # bytes
_MD5_DIGITS = 32
_ID = re.compile(rb"[0-9a-fA-F]{40}(?:[0-9a-fA-F]{24})?")
_HEX = re.compile(rb"[0-9a-fA-F]*")
_NO_PATH = re.compile(rb"(?:\A|/)\.{0,2}(?:/|\Z)")


@dataclass(frozen=True, slots=True)
class Cards:
    """The cards of one artifact.

    Fields:
        args: letter -> the arguments of each card of that letter, in order; their number has been checked.
        many: the same for F and M, of which there may be thousands: what follows the letter and its space, neither
            split nor checked.
    """

    args: Mapping[bytes, Sequence[Sequence[bytes]]]
    many: Mapping[bytes, Sequence[bytes]]

    @property
    def letters(self) -> frozenset[int]:
        """The letters of all cards, as octets."""
        return frozenset(b"".join((*self.args, *self.many)))

    def every(self, letter: bytes) -> Sequence[Sequence[bytes]]:
        """The arguments of each card of a letter; empty if there is none."""
        return self.args.get(letter, ())

    def first(self, letter: bytes) -> bytes | None:
        """The first argument of the first card of a letter; None if there is none."""
        cards = self.args.get(letter)
        return cards[0][0] if cards and cards[0] else None


class _Rule(NamedTuple):
    """How many arguments a card may have, and whether an artifact may have several such cards."""

    fewest: int
    most: int
    several: bool = False


_ANY = 1 << 30
_MANY = (b"F", b"M")
_RULES: Mapping[bytes, _Rule] = {
    b"A": _Rule(2, 3),
    b"B": _Rule(1, 1),
    b"C": _Rule(1, 1),
    b"D": _Rule(1, 1),
    b"E": _Rule(2, 2),
    b"G": _Rule(1, 1),
    b"H": _Rule(1, 1),
    b"I": _Rule(1, 1),
    b"J": _Rule(1, 2, several=True),
    b"K": _Rule(1, 1),
    b"L": _Rule(1, 1),
    b"N": _Rule(1, 1),
    b"P": _Rule(0, _ANY, several=True),
    b"Q": _Rule(1, 2, several=True),
    b"R": _Rule(1, 1),
    b"T": _Rule(2, 3, several=True),
    b"U": _Rule(0, 1),
    b"W": _Rule(1, 1),
    b"Z": _Rule(1, 1, several=True),  # only the last one counts
}


def read(content: bytes) -> Cards:
    """The cards of `content`, each with the right number of arguments. The Z card has been checked.

    Fast for content that does not look like an artifact. Raises ValueError.
    """
    return _cards(_opened(content))


def is_sealed(content: bytes) -> bool:
    """Whether stock would look for cards in `content`: it begins like a card and ends with the right Z card."""
    try:
        _opened(content)
    except ValueError:
        return False
    return True


def is_read_differently(content: bytes) -> bool:
    """Whether stock's releases take a signature off in different places, and one of them sees cards."""
    if not content.startswith(_SIGNED) or not content.endswith(b"\n"):
        return False
    forms = {_unsigned(content, signatures) for signatures in (_SIGNATURES, _LATER_SIGNATURES)}
    return len(forms) > 1 and any(map(is_sealed, forms))


def upper_case_ids(cards: Cards) -> bool:
    """Whether a card names an artifact in upper case, which stock looks up in lower case and never finds."""
    named = [
        argument for letter in (b"B", b"G", b"I", b"P") for card in cards.every(letter) for argument in card
    ]
    named += [card[1] for card in cards.every(b"T")]
    named += cards.many.get(b"M", ())
    named += [argument for line in cards.many.get(b"F", ()) for argument in line.split(b" ")[1:2]]
    return any(argument != argument.lower() for argument in named)


def _opened(content: bytes) -> bytes:
    """`content` without a signature around it; its first octets and its Z card are right. Raises ValueError."""
    if content.startswith(_SIGNED) and content.endswith(b"\n"):
        content = _unsigned(content, _SIGNATURES)
    if len(content) < _SHORTEST or not content[:1].isupper() or content[1:2] != b" ":
        raise ValueError("does not begin with a card")
    seal = content[-_SEAL_SIZE:]
    if seal[:2] != b"Z " or seal[-1:] != b"\n":
        raise ValueError("does not end with a Z card")
    digest = hashlib.md5(content[:-_SEAL_SIZE], usedforsecurity=False).hexdigest()
    if seal[2:-1] != digest.encode("ascii"):
        raise ValueError("the Z card names another MD5")
    return content


def sealed(lines: Iterable[bytes]) -> bytes:
    """The artifact of these cards, each without its LF, with the Z card added."""
    text = b"".join(line + b"\n" for line in lines)
    digest = hashlib.md5(text, usedforsecurity=False).hexdigest()
    return b"%sZ %s\n" % (text, digest.encode("ascii"))


def text(argument: bytes) -> str:
    """The text that an argument stands for, up to its first NUL."""
    return c_string(argument).decode("utf-8", "surrogateescape")


def c_string(argument: bytes) -> bytes:
    """The octets that an argument stands for, up to the first NUL."""
    return escape.decode(argument).partition(b"\0")[0] if b"\\" in argument else argument


def parse_id(argument: bytes) -> ArtifactId:
    """The id in an argument. Upper case is kept, as in stock, although no look-up will ever find it.

    Raises:
        ValueError: not 40 or 64 hex digits.
    """
    if not _ID.fullmatch(argument):
        raise ValueError(f"{argument[:80]!r} is not an artifact id")
    return ArtifactId(argument.decode("ascii"))


def is_hex(octets: bytes) -> bool:
    """Whether all octets are hex digits; also if there are none."""
    return _HEX.fullmatch(octets) is not None


def is_path(octets: bytes) -> bool:
    """Whether a file may have this name: relative, without empty components, "." and ".."."""
    return _NO_PATH.search(octets) is None


def _unsigned(content: bytes, signatures: Sequence[bytes]) -> bytes:
    blank = _BLANK_LINE.search(content, len(_SIGNED[0]))
    if blank is None:
        return content
    end = max(content.rfind(signature, blank.end()) for signature in signatures)
    return content[blank.end() : len(content) if end < 0 else end + 1]


def _cards(content: bytes) -> Cards:
    args: dict[bytes, list[list[bytes]]] = {}
    many: dict[bytes, list[bytes]] = {}
    previous = b""
    for head, group in groupby(_lines(content), key=itemgetter(slice(2))):
        letter = head[:1]
        if head[1:] not in (b" ", b""):
            raise ValueError(f"{head!r} does not begin a card")
        # Stock forgives a bug of old writers of technotes: N after P.
        if letter < previous and not (letter == b"N" and previous == b"P" and b"E" in args):
            raise ValueError("cards are not in order")
        previous = letter
        cards = [line[2:] for line in group]
        if letter in _MANY and head[1:]:
            many[letter] = cards
        else:
            args.setdefault(letter, []).extend(card.split(b" ") if head[1:] else [] for card in cards)
    for letter, each in args.items():
        rule = _RULES.get(letter)
        if rule is None or not all(rule.fewest <= len(card) <= rule.most for card in each):
            raise ValueError(f"not a {letter!r} card")
        if len(each) > 1 and not rule.several:
            raise ValueError(f"more than one {letter!r} card")
    if any(len(md5) != _MD5_DIGITS or not is_hex(md5) for (md5,) in args.get(b"Z", ())):
        raise ValueError("a Z card without an MD5")
    return Cards(args, many)


def _lines(content: bytes) -> list[bytes]:
    """The lines without LF, and without the text behind a W card, whose lines are not cards."""
    tail = b""
    # Before the text of the first W card, nothing but W itself can begin like this.
    start = content.find(b"\nW ") + 1
    if start:
        end = content.index(b"\n", start)
        tail = content[end + 1 + _text_size(content[start + 2 : end]) :]
        if tail[:1] != b"\n":
            raise ValueError("the text of the W card has another size")
        content, tail = content[: end + 1], tail[1:]
    if b"\0" in content or b"\0" in tail:
        raise ValueError("a NUL in a card")
    return (content + tail).split(b"\n")[:-1]


def _text_size(argument: bytes) -> int:
    """The number that `argument` begins with, as C's atoi() reads it; 0 if none."""
    digits = argument[: len(argument) - len(argument.lstrip(b"0123456789"))]
    if len(digits) > 20:
        raise ValueError("the size of the W card is out of range")
    return int(digits or b"0")
