"""Zones whose compiling was deferred are compiled while others may write: read, compiled, and only then written down.

    the first of the refs   as many as AT_ONCE, or READ bytes of files   ->  tasks, in a read transaction
    tasks                   the compiler                                 ->  Made, in no transaction at all
    a write transaction     compile_deferred with Made.compile           ->  what was made is written down

What was made is known by the zone and its files, which never change. What cannot be read is left to whoever compiles it
alone, and tells why.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from xferzone.errors import CorruptArtifact, NotFound
from xferzone.hashing import ArtifactId
from xferzone.publish import served
from xferzone.publish.deferred import AT_ONCE
from xferzone.publish.served import Compiler
from xferzone.refs import Ref
from xferzone.store import Reader, Store
from xferzone.zone import cut
from xferzone.zone.compile import Compiled, Task

#: Begins to compile in another process. Call the result to wait for so many seconds; None: not done yet, or failed.
Begin: TypeAlias = Callable[[Sequence[Task]], Callable[[float], Sequence[Compiled] | None]]

#: What a zone that was compiled is known by: its name, and its files with theirs.
Key: TypeAlias = tuple[str, frozenset[tuple[str, ArtifactId]]]

READ: Final = 16 * 1024 * 1024  # bytes of zone files that are read together, to be compiled


@dataclass(frozen=True, slots=True)
class Made:
    """Zones that were compiled before, by their name and files."""

    made: Mapping[Key, Compiled]

    @classmethod
    def of(cls, tasks: Sequence[Task], compiler: Compiler, already: "Made | None" = None) -> "Made":
        """`already`: what was made of some of them."""
        made = dict(already.made) if already is not None else {}
        new = [task for task in tasks if key(task) not in made]
        return cls(made | dict(zip(map(key, new), compiler(new), strict=True)))

    def compile(self, tasks: Iterable[Task]) -> Iterator[Compiled]:
        """As served.Compiler."""
        for task in tasks:
            yield self.made.get(key(task)) or served.compile_framed(task)


def some_made(
    store: Store, left: Sequence[Ref], compiler: Compiler, already: Made | None = None
) -> tuple[Sequence[Ref], Made]:
    """The first of these refs, as many as are read together, and what was compiled of them, now or `already`."""
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
    return left[:count], Made.of(tasks, compiler, already)


def task_of(reader: Reader, zone: str, checkin: ArtifactId, most: int = cut.MAX_ZONE) -> Task | None:
    """What compiling the zone of the check-in needs. None: it cannot be read, or its files have over `most` bytes."""
    try:
        files = reader.files(checkin)
        own = cut.zone_files(zone, files)
        if sum(reader.sizes(own.values()).values()) > most:
            return None
        return served.task(reader, zone, files)
    except (CorruptArtifact, NotFound):
        return None


def key(task: Task) -> Key:
    return task.zone, frozenset((name, file) for name, (file, _) in task.contents.items())
