"""Replies that threads bring: whoever takes one closes it; those that nobody takes are closed here, late ones too."""

import queue
from contextlib import suppress
from types import TracebackType
from typing import Self

from xferzone.transport.base import Body, Transport


class Replies:
    """Those to requests of one owner, in the order in which they come. A context, after which nobody takes any."""

    def __init__(self) -> None:
        self._come: queue.SimpleQueue[Body | Exception] = queue.SimpleQueue()
        self._is_over = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._is_over = True
        self._drop()

    def exchange(self, way: Transport, request: Body) -> None:
        """Ask, and have the reply taken, or what was raised instead: for a thread to run."""
        try:
            self._come.put(way.exchange(request))
        except Exception as exc:  # noqa: BLE001 whoever takes it raises it
            self._come.put(exc)
        if self._is_over:
            self._drop()

    def take(self, seconds: float) -> Body | Exception | None:
        """The next one; None: there is none within so many seconds."""
        with suppress(queue.Empty):
            return self._come.get(timeout=seconds)
        return None

    def _drop(self) -> None:
        with suppress(queue.Empty):
            reply = self._come.get_nowait()
            if isinstance(reply, Body):
                reply.octets.close()
