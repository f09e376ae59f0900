"""One kind of input: where it begins, what chance may do to it, and what must hold of it.

A check gets any octets. It returns the *shape* of what they were (which cards, which error), a value that compares:
an input of a new shape is worth keeping. It raises Broken where a property does not hold. Any other exception that
leaves it is a finding, too: what a parser documents, the check catches.
"""

import random
import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Shape: TypeAlias = Hashable
Harm: TypeAlias = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


class Broken(AssertionError):
    """A property does not hold."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What is fuzzed.

    Fields:
        name: as the option --kind has it, and the folder of its corpus.
        code: the files whose lines count as reached, as beginnings of paths below xferzone/.
        seeds: inputs to begin with, sound and odd ones.
        harms: what chance does, beside what it does to any octets; the last argument is the corpus.
        check: the properties.
        memory: bytes that a check of so many bytes may have allocated at once.
        largest: bytes of an input.
    """

    name: str
    code: tuple[str, ...]
    seeds: Callable[[], Sequence[bytes]]
    harms: Sequence[Harm]
    check: Callable[[bytes], Shape]
    memory: Callable[[int], int]
    largest: int = 20_000


def holds(fact: bool, what: str) -> None:
    """Raise Broken unless `fact`."""
    if not fact:
        raise Broken(what)


def kind_of_error(error: Exception) -> tuple[str, str]:
    """The class of an error and its message without what differs from input to input."""
    return type(error).__name__, _DETAILS.sub("", str(error))[:60]


#: Numbers, quoted parts and what follows a colon.
_DETAILS = re.compile(r"""\d+|b?'[^']*'|b?"[^"]*"|:.*""", re.DOTALL)
