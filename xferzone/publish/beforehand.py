"""Zones whose compiling was deferred are compiled while others may write: read, compiled, and only then written down.

    the first of the refs   as many as AT_ONCE, or READ bytes of files   ->  tasks, in a read transaction
    tasks                   the compiler                                 ->  Made, in no transaction at all
    a write transaction     compile_deferred with Made.compile           ->  what was made is written down

What was made is known by the zone and its files, which never change. What cannot be read is left to whoever compiles it
alone, and tells why.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xferzone.errors import CorruptArtifact, NotFound
from xferzone.hashing import ArtifactId
from xferzone.publish import served
from xferzone.publish.deferred import AT_ONCE
from xferzone.publish.served import Compiler
from xferzone.refs import Ref
from xferzone.store import Reader, Store
from xferzone.zone.compile import Compiled, Task

READ: Final = 16 * 1024 * 1024  # bytes of zone files that are read together, to be compiled


@dataclass(frozen=True, slots=True)
class Made:
    """Zones that were compiled before, by their name and files."""

    made: Mapping[tuple[str, frozenset[tuple[str, ArtifactId]]], Compiled]

    @classmethod
    def of(cls, tasks: Sequence[Task], compiler: Compiler) -> "Made":
        return cls(dict(zip(map(_key, tasks), compiler(tasks), strict=True)))

    def compile(self, tasks: Iterable[Task]) -> Iterator[Compiled]:
        """As served.Compiler."""
        for task in tasks:
            yield self.made.get(_key(task)) or served.compile_framed(task)


def some_made(store: Store, left: Sequence[Ref], compiler: Compiler) -> tuple[Sequence[Ref], Made]:
    """The first of these refs, as many as are read together, and what was compiled of them."""
    tasks: list[Task] = []
    size, count = 0, 0
    with store.reader() as reader:
        for ref in left[:AT_ONCE]:
            count += 1
            task = task_of(reader, ref.branch.zone, ref.checkin)
            if task is not None:
                tasks.append(task)
                size += sum(len(content) for _, content in task.contents.values())
            if size > READ:
                break
    return left[:count], Made.of(tasks, compiler)


def task_of(reader: Reader, zone: str, checkin: ArtifactId) -> Task | None:
    """What compiling the zone of the check-in needs. None: it cannot be read."""
    try:
        return served.task(reader, zone, reader.files(checkin))
    except (CorruptArtifact, NotFound):
        return None


def _key(task: Task) -> tuple[str, frozenset[tuple[str, ArtifactId]]]:
    return task.zone, frozenset((name, file) for name, (file, _) in task.contents.items())
