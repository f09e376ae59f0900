"""A way whose first request is under way before whoever sends it is loaded.

Sooner(way, body)      a thread asks
exchange(request)      the first: the reply to `body`, which asks for the same; all others go the way itself
"""

import threading
from types import TracebackType
from typing import Self

from xferzone.transport.base import Body, Transport
from xferzone.transport.replies import Replies


class Sooner:
    """To where `way` leads. A context, at whose end a reply that nobody has taken is closed; `way` is its owner's."""

    def __init__(self, way: Transport, body: Body) -> None:
        self._way = way
        self._replies = Replies()
        self._thread: threading.Thread | None = threading.Thread(
            target=self._replies.exchange, args=(way, body), daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._replies.__exit__(kind, error, trace)

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
        answer = self._replies.take(0)
        assert answer is not None
        if isinstance(answer, Exception):
            raise answer
        return answer
