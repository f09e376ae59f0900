"""What comes over the network while this thread does something else: the next batch while the last one is stored.

    thread     records ─> pieces of some 1 MB ─> at most MAX_HELD bytes of them wait
    caller     asked several times a second whether it is cancelled, while nothing has come

Without a thread everything happens in the caller, in order: so simulations have one story for one seed.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar

from xferzone.errors import Cancelled, PeerError
from xferzone.replicate.batch import Unsent
from xferzone.store.incoming import Received

MAX_HELD: Final = 24 * 1024 * 1024  # bytes that have come and wait; one piece may exceed it
_PIECE: Final = 1024 * 1024  # bytes
_TOGETHER: Final = 1_000  # records of a piece
_LOOK_S: Final = 0.2  # seconds between two looks at whether the caller is cancelled

_Value = TypeVar("_Value")
Record: TypeAlias = Received | Unsent


@dataclass(frozen=True, slots=True)
class Fetching:
    """How what comes is fetched.

    Fields:
        in_thread: by a thread of its own.
        cancelled: True ends it with Cancelled.
    """

    in_thread: bool
    cancelled: Callable[[], bool]

    def answer(self, ask: Callable[[], _Value]) -> _Value:
        """What `ask` returns, or raises. Raises Cancelled."""
        if not self.in_thread:
            return ask()
        answers: list[_Value] = []

        def asked() -> Iterator[tuple[object, int]]:
            answers.append(ask())
            yield None, 0

        for _ in self._ahead(_Line(), asked):
            pass
        return answers[0]

    def records(self, fetched: Callable[[], Generator[Record, None, None]]) -> Iterator[list[Record]]:
        """The records in pieces; raises what `fetched` raises, and Cancelled."""
        if self.in_thread:
            for piece in self._ahead(_Line(), lambda: _pieces(fetched())):
                assert isinstance(piece, list)
                yield piece
        else:
            for records, _ in _pieces(fetched()):
                yield records

    def _ahead(self, line: "_Line", make: Callable[[], Iterator[tuple[object, int]]]) -> Iterator[object]:
        threading.Thread(target=line.run, args=(make,), daemon=True).start()
        try:
            while True:
                if self.cancelled():
                    raise Cancelled("the pull was cancelled")
                if line.wait(_LOOK_S):
                    if line.is_at_end():
                        return
                    yield line.next()
        finally:
            line.leave()


@dataclass
class _Line:
    """Pieces between a thread and its caller."""

    _pieces: deque[tuple[object, int]] = field(default_factory=deque)
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _held: int = 0
    _error: BaseException | None = None
    _has_ended: bool = False
    _is_left: bool = False

    def run(self, make: Callable[[], Iterator[tuple[object, int]]]) -> None:
        """The thread."""
        try:
            for piece, size in make():
                if not self._put(piece, size):
                    return
        except BaseException as exc:  # noqa: BLE001 it comes out of the caller's `next`
            self._error = exc
        finally:
            with self._changed:
                self._has_ended = True
                self._changed.notify_all()

    def _put(self, piece: object, size: int) -> bool:
        """False: nobody wants it any more."""
        with self._changed:
            while self._pieces and self._held + size > MAX_HELD and not self._is_left:
                self._changed.wait()
            self._pieces.append((piece, size))
            self._held += size
            self._changed.notify_all()
            return not self._is_left

    def wait(self, seconds: float) -> bool:
        """Whether something has come, or the end."""
        with self._changed:
            if not (self._pieces or self._has_ended):
                self._changed.wait(seconds)
            return bool(self._pieces) or self._has_ended

    def is_at_end(self) -> bool:
        """Raises what the thread has met."""
        if self._pieces or not self._has_ended:
            return False
        if self._error is not None:
            raise self._error
        return True

    def next(self) -> object:
        with self._changed:
            piece, size = self._pieces.popleft()
            self._held -= size
            self._changed.notify_all()
        return piece

    def leave(self) -> None:
        """Nobody takes any more."""
        with self._changed:
            self._is_left = True
            self._changed.notify_all()


def _pieces(records: Iterator[Record]) -> Iterator[tuple[list[Record], int]]:
    piece: list[Record] = []
    size = 0
    try:
        for record in records:
            piece.append(record)
            size += len(record.payload) if isinstance(record, Received) else 0
            if size >= _PIECE or len(piece) >= _TOGETHER:
                yield piece, size
                piece, size = [], 0
    except PeerError:
        if piece:
            yield piece, size  # what came before it counts
        raise
    if piece:
        yield piece, size
