"""A way whose first request is under way before whoever sends it is loaded.

Sooner(way, body)      a thread asks
exchange(request)      the first: the reply to `body`, which asks for the same; all others go the way itself
"""

import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from xferzone.transport.base import Body, Transport


class Sooner:
    """To where `way` leads. A context, at whose end a reply that nobody has taken is closed; `way` is its owner's."""

    def __init__(self, way: Transport, body: Body) -> None:
        self._way = way
        self._answer: list[Body | Exception] = []
        self._is_over = False
        self._thread: threading.Thread | None = threading.Thread(target=self._ask, args=(body,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._is_over = True
        self._drop()

    @property
    def name(self) -> str:
        return self._way.name

    def waited(self, seconds: float) -> Self:
        """This, once there is a reply, or when the time is over."""
        if self._thread is not None:
            self._thread.join(seconds)
        return self

    def exchange(self, body: Body) -> Body:
        if self._thread is None:
            return self._way.exchange(body)
        with body:
            self._thread.join()
        self._thread = None
        answer = self._answer.pop()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _ask(self, body: Body) -> None:
        try:
            self._answer.append(self._way.exchange(body))
        except Exception as exc:  # noqa: BLE001 it comes out of `exchange`
            self._answer.append(exc)
        if self._is_over:
            self._drop()

    def _drop(self) -> None:
        with suppress(IndexError):
            answer = self._answer.pop()
            if isinstance(answer, Body):
                answer.octets.close()
