"""What chance does to octets of any kind, and to those that are lines."""

import random
from collections.abc import Sequence
from functools import partial
from typing import Final

from tests.fuzz.kind import Harm
from tests.robust import mutations

NUMBERS: Final = (
    0,
    1,
    -1,
    62,
    63,
    64,
    127,
    128,
    255,
    256,
    300,
    65_535,
    65_536,
    2**31 - 1,
    2**31,
    2**32,
    2**63,
)
ODD: Final = (
    b"\0",
    b"\n",
    b"\r\n",
    b" ",
    b"\\",
    b"\t",
    b"\xff",
    b"\xc3\xa9",
    b"\xed\xa0\x80",
    b"-",
    b".",
    b"*",
    b"%",
)


def adapted(harm: mutations.Harm) -> Harm:
    """A harm of requests, for octets that may be empty."""
    return partial(_adapted, harm)


def _adapted(harm: mutations.Harm, chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    return harm(chance, octets or b"\n")


def replaced(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """A number of the text becomes another one."""
    words = octets.split(b" ")
    numbers = [at for at, word in enumerate(words) if word.strip().isdigit()]
    if not numbers:
        return octets
    at = chance.choice(numbers)
    near = int(words[at].strip()[:18]) + chance.choice((-1, 1))
    number = chance.choice((*NUMBERS, near, near))
    words[at] = b"%d" % number + words[at][len(words[at].rstrip()) :]
    return b" ".join(words)


def odd(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """An odd octet, or a few of one, somewhere."""
    at = chance.randrange(len(octets) + 1)
    return octets[:at] + chance.choice(ODD) * chance.choice((1, 1, 1, 2, 70, 300)) + octets[at:]


def spliced(chance: random.Random, octets: bytes, corpus: Sequence[bytes]) -> bytes:
    """The beginning of this one and the end of another one."""
    other = chance.choice(corpus)
    return octets[: chance.randrange(len(octets) + 1)] + other[chance.randrange(len(other) + 1) :]


def exchanged(chance: random.Random, octets: bytes, corpus: Sequence[bytes]) -> bytes:
    """Lines of another one in place of some of this one."""
    lines, others = octets.splitlines(keepends=True), chance.choice(corpus).splitlines(keepends=True)
    at, begin = chance.randrange(len(lines) + 1), chance.randrange(len(others) + 1)
    count = chance.choice((1, 1, 2, 5))
    lines[at : at + chance.choice((0, 1, count))] = others[begin : begin + count]
    return b"".join(lines)


def word_exchanged(chance: random.Random, octets: bytes, corpus: Sequence[bytes]) -> bytes:
    """A word of another one in place of one of this one."""
    words, others = octets.split(b" "), chance.choice(corpus).split()
    if others:
        words[chance.randrange(len(words))] = chance.choice(others)
    return b" ".join(words)


def line_dropped(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    lines = octets.splitlines(keepends=True)
    if lines:
        del lines[chance.randrange(len(lines))]
    return b"".join(lines)


OF_OCTETS: Final[Sequence[Harm]] = (*map(adapted, mutations.OF_OCTETS), odd, spliced)
OF_LINES: Final[Sequence[Harm]] = (
    *OF_OCTETS,
    *map(adapted, (mutations.renumbered, mutations.shuffled, mutations.repeated)),
    replaced,
    exchanged,
    word_exchanged,
    line_dropped,
)
