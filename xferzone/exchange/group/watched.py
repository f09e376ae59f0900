"""The changes of a group's keys, as they come: one watch after the other, from where a list has ended.

    begin(REVISION)    a watch from there on; when it says nothing for a while, the next one, from where that was
    take               what has come since the last call; an error ends the watch, and is raised once

With `wake` a thread reads the watch, since etcd keeps its line open. Without it each `take` looks once, so that
simulations have one story for one seed.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from xferzone.errors import Away
from xferzone.refs.keys import Changes, Compacted, Keys, Watch

SILENCE_S: Final = 20.0  # seconds without a change after which a watch is begun anew; its line may be dead
MAX_HELD: Final = (
    1_000  # changes that came and were not taken; then the watch breaks off, and a list tells all
)


class Watched:
    """Below one prefix. Only the thread that owns it calls it."""

    def __init__(self, keys: Keys, prefix: str, wake: Callable[[], None] | None) -> None:
        """`wake`: called by the thread when something has come; None: no thread."""
        self._keys = keys
        self._prefix = prefix
        self._wake = wake
        self._line: _Line | None = None  # None: nothing is watched

    @property
    def is_begun(self) -> bool:
        """Whether changes are being told: if not, a list is due."""
        return self._line is not None

    def begin(self, revision: int) -> None:
        """Watch from that revision on, and nothing else."""
        self.close()
        self._line = _Line(revision)
        if self._wake is not None:
            arguments = (self._line, self._keys, self._prefix, self._wake)
            threading.Thread(target=_read, args=arguments, name="watch", daemon=True).start()

    def take(self) -> Sequence[Changes]:
        """What has come; raises Away, Compacted: the watch has ended."""
        line = self._line
        if line is None:
            return ()
        if self._wake is None:
            _look(line, self._keys, self._prefix, 0.0)
        changes, error = line.take()
        if error is not None:
            self.close()
            raise error
        return changes

    def close(self) -> None:
        """Watch no longer."""
        if self._line is not None:
            self._line.close()
            self._line = None


@dataclass(slots=True)
class _Line:
    """What one watch has brought, and from which revision the next one goes on."""

    revision: int
    _changes: list[Changes] = field(default_factory=list)
    _error: Away | Compacted | None = None
    _watch: Watch | None = None
    _is_closed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def watch(self, keys: Keys, prefix: str, seconds: float) -> Watch | None:
        """The next watch. None: nothing is wanted any more."""
        with self._lock:
            if self._is_closed or self._error is not None:
                return None
            self._watch = keys.watch(prefix, self.revision, seconds)
            return self._watch

    def put(self, changes: Changes) -> None:
        with self._lock:
            if len(self._changes) >= MAX_HELD:
                self._error = Away("more changes have come than are taken")
                return
            self._changes.append(changes)
            self.revision = max(self.revision, changes.told + 1)

    def fail(self, error: Away | Compacted) -> None:
        with self._lock:
            self._error = error

    def take(self) -> tuple[Sequence[Changes], Away | Compacted | None]:
        """An error comes after what came before it."""
        with self._lock:
            if self._changes:
                changes, self._changes = self._changes, []
                return changes, None
            return (), self._error

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            if self._watch is not None:
                self._watch.close()


def _read(line: _Line, keys: Keys, prefix: str, wake: Callable[[], None]) -> None:
    """The thread."""
    while _look(line, keys, prefix, SILENCE_S, wake):
        pass
    wake()


def _look(
    line: _Line, keys: Keys, prefix: str, seconds: float, wake: Callable[[], None] = lambda: None
) -> bool:
    """Read one watch until it is silent for `seconds`; whether another may follow."""
    watch = line.watch(keys, prefix, seconds)
    if watch is None:
        return False
    try:
        for changes in watch:
            line.put(changes)
            wake()
    except (Away, Compacted) as exc:
        line.fail(exc)
        return False
    finally:
        watch.close()
    return True
