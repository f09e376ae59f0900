"""Zones of a first pull are compiled by another process while the rest of the pull comes.

    tips, as told        so their lines come, one zone after the other
    after each commit    the first tips that are here  ->  compiled, MOST at a time  ->  Made
    at the end           what was made; all else is compiled when the refs have moved (moving.py)

Nothing is written down before a ref stands on it, so whatever ends the pull leaves nothing behind.
"""

import threading
from collections import deque
from collections.abc import Iterable
from types import TracebackType
from typing import Final, Self

from xferzone.hashing import ArtifactId
from xferzone.publish import beforehand
from xferzone.publish.beforehand import READ, Begin, Key, Made
from xferzone.store import Store
from xferzone.zone.compile import Compiled, Task

MOST: Final = 16  # zones at a time, some 50 ms
MAX_MADE: Final = 64 * 1024 * 1024  # bytes of indexes that are held until the refs move; ours
_PATIENCE_S: Final = 60.0  # for the process


class Meanwhile:
    """The zones of one list of refs. A context: what is under way ends with it."""

    def __init__(self, store: Store, begin: Begin | None, tips: Iterable[tuple[str, ArtifactId]]) -> None:
        """`tips`: zone and check-in. `begin` None: nothing is compiled before it must be."""
        self._store = store
        self._begin = begin
        self._left = deque(tips)
        self._made: dict[Key, Compiled] = {}
        self._error: BaseException | None = None
        self._changed = threading.Condition()
        self._is_news = self._is_over = False
        # A thread: the process must not wait until a transaction of this pull has ended.
        self._thread = None if begin is None else threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        if self._thread is not None:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def look(self) -> None:
        """Something was committed."""
        with self._changed:
            self._is_news = True
            self._changed.notify_all()

    def made(self) -> Made:
        """What was made. Nothing more is begun. Raises what reading has raised."""
        self._end()
        if self._error is not None:
            raise self._error
        return Made(self._made)

    def _end(self) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    # -- the thread

    def _run(self) -> None:
        try:
            self._compile()
        except BaseException as exc:  # noqa: BLE001 it comes out of `made`
            self._error = exc

    def _compile(self) -> None:
        assert self._begin is not None
        size = 0
        while self._left and not self._is_over and size < MAX_MADE:
            self._is_news = False
            if tasks := self._next():
                compiled = self._begin(tasks)(_PATIENCE_S)
                if compiled is None:
                    return
                self._made |= zip(map(beforehand.key, tasks), compiled, strict=True)
                size += sum(len(index) for each in compiled for _, index in each.rows)
                continue
            with self._changed:
                self._changed.wait_for(lambda: self._is_news or self._is_over)

    def _next(self) -> list[Task]:
        """Of the next zones those that can be read; none: the next one is not here."""
        tasks: list[Task] = []
        size = 0
        with self._store.reader() as reader:
            while self._left and len(tasks) < MOST and size < READ and reader.is_checkin(self._left[0][1]):
                task = beforehand.task_of(reader, *self._left.popleft(), most=READ)
                if task is not None and task.contents:
                    tasks.append(task)
                    size += sum(len(content) for _, content in task.contents.values())
        return tasks
