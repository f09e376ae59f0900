"""Zones that take long to compile are compiled while others may write: between two parts of the publishing.

    part        what is planned needs a large zone compiled (served.numbers)  ->  NotYet ends the part there
    between     served.compile_wanted: the files are read, and compiled together in no transaction at all
    next part   plans again from what is stored then, and finds it made

What was made is known by the zone and its files, which never change: it stays right whatever others publish meanwhile,
and goes unused if nobody asks for it again. A process that dies between leaves nothing: the next one compiles again.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from xferzone.hashing import ArtifactId
from xferzone.zone.compile import Compiled

LARGE: Final = 256 * 1024  # bytes of a zone's files, some 0.3 s


class NotYet(Exception):
    """A zone has to be compiled first; what this part has done so far is sound."""


class Wanted(NamedTuple):
    """A zone, and its files by name."""

    zone: str
    files: Mapping[str, ArtifactId]


class Ahead:
    """What one run of the publishing, of many parts, has compiled between them; for one thread.

    Fields:
        wanted: what the last part has ended for.
    """

    def __init__(self) -> None:
        self.wanted: Wanted | None = None
        self._made: dict[tuple[str, frozenset[tuple[str, ArtifactId]]], Compiled] = {}
        self._is_over: Callable[[], bool] = bool
        self._count = 0  # zones compiled in this part

    @property
    def zone(self) -> str | None:
        """The zone that the last part has ended for. None: it has not."""
        return None if self.wanted is None else self.wanted.zone

    def begin(self, is_over: Callable[[], bool]) -> None:
        """A part begins, which is to end when `is_over`."""
        self.wanted, self._is_over, self._count = None, is_over, 0

    def made(self, wanted: Wanted, *, is_large: bool) -> Compiled | None:
        """What was compiled of it. None: it is to be compiled now, in this part.

        Raises:
            NotYet: it is large, or the part is over and has compiled something; it is noted as wanted.
        """
        made = self._made.get(_key(wanted))
        if made is None and (is_large or (self._count and self._is_over())):
            self.wanted = wanted
            raise NotYet
        if made is None:
            self._count += 1
        return made

    def put(self, made: Compiled) -> None:
        """Keep what was made of what is wanted."""
        if self.wanted is not None:
            self._made[_key(self.wanted)] = made
            self.wanted = None

    def forget(self) -> None:
        """Let go of what was made: what it was for is decided."""
        self._made.clear()


def _key(wanted: Wanted) -> tuple[str, frozenset[tuple[str, ArtifactId]]]:
    return wanted.zone, frozenset(wanted.files.items())
