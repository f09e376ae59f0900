"""What primaries behind NATS announce, for a mirror that waits for its next poll.

A thread listens, and where a connection ends it listens again after AGAIN_S. Nothing rests on it: the mirror polls at
its interval all the same.
"""

import threading
from collections.abc import Sequence
from contextlib import closing, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from xferzone.errors import PeerError
from xferzone.transport.url import credentials, is_nats

if TYPE_CHECKING:  # of an extra
    from xferzone.transport.nats import Login

AGAIN_S: Final = 2.0  # seconds between two looks at whether a connection has ended


class News:
    """Of those of the URLs that are nats. A context, after which nobody listens."""

    def __init__(self, urls: Sequence[str], login: "Login | None") -> None:
        self._urls = [credentials(url)[0] for url in urls if is_nats(url)]
        self._login = login
        self._came = threading.Event()
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._listen, args=(url,), name="news", daemon=True) for url in self._urls
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stopped.set()

    def take(self) -> bool:
        """Whether something was announced since the last call."""
        is_new = self._came.is_set()
        self._came.clear()
        return is_new

    def _listen(self, url: str) -> None:
        from xferzone.transport.nats import Announced  # only who follows by NATS loads it

        with closing(Announced(url, self._login, self._came.set)) as announced:
            while not self._stopped.is_set():
                with suppress(PeerError):  # the polls tell of a server that is away
                    announced.listen()
                self._stopped.wait(AGAIN_S)
