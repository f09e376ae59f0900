"""One kind of input: where it begins, what chance may do to it, and what must hold of it.

A check gets any octets. It returns the *shape* of what they were (which cards, which error), a value that compares:
an input of a new shape is worth keeping. It raises Broken where a property does not hold. Any other exception that
leaves it is a finding, too: what a parser documents, the check catches.
"""

import atexit
import random
import re
import shutil
import tempfile
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from xferzone.cards import Card
from xferzone.errors import PeerError
from xferzone.store import Store, Writer

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


def appended(octets: bytes, card: Card) -> bytes:
    """Card text with one more card behind it, on a line of its own."""
    return octets + (b"" if octets.endswith(b"\n") else b"\n") + card.encode()


class _Undone(Exception):
    """Ends a transaction without keeping it."""


@contextmanager
def undone(store: Store) -> Iterator[Writer]:
    """A transaction that is not kept, as that of whoever takes a request which breaks the protocol."""
    with suppress(_Undone), store.writer() as writer:
        try:
            yield writer
        except PeerError as exc:
            raise _Undone from exc
        raise _Undone


def scratch(name: str) -> Store:
    """An empty repository, for as long as this process runs."""
    place = Path(tempfile.mkdtemp(prefix="xferzone-fuzz-"))
    atexit.register(shutil.rmtree, place)
    return Store.create(place / name)


def kind_of_error(error: Exception) -> tuple[str, str]:
    """The class of an error and its message without what differs from input to input."""
    return type(error).__name__, _DETAILS.sub("", str(error))[:60]


#: Numbers, quoted parts and what follows a colon.
_DETAILS = re.compile(r"""\d+|b?'[^']*'|b?"[^"]*"|:.*""", re.DOTALL)
