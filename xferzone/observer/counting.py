"""Requests counted in memory that all processes of a server share (counters.py), under the names of metrics.py."""

import threading
from collections.abc import Callable

from xferzone import metrics
from xferzone.counters import Counters
from xferzone.observer import Answered, Asked, Silent


class Counting(Silent):
    """Counts each request once, when it is answered, and what was looked for in the cache since the last one."""

    def __init__(self, counters: Counters, looked: Callable[[], tuple[int, int]]) -> None:
        """`looked`: hits and misses of this process's cache so far."""
        self._counters = counters
        self._looked = looked
        self._told = (0, 0)
        self._lock = threading.Lock()

    def request_started(self, asked: Asked) -> object:
        return asked

    def request_ended(self, context: object, answered: Answered) -> None:
        assert isinstance(context, Asked)
        counted = {
            metrics.ROUNDS.cell(answered.operation, answered.outcome): 1,
            metrics.BYTES.cell("in"): context.size,
            metrics.BYTES.cell("out"): answered.size,
            metrics.ARTIFACTS.cell("in"): answered.received,
            metrics.ARTIFACTS.cell("out"): answered.sent,
            metrics.FILES.cell("in"): answered.uv_received,
            metrics.FILES.cell("out"): answered.uv_sent,
        }
        with self._lock:
            now, before = self._looked(), self._told
            self._told = now
        for result, count, last in zip(metrics.RESULTS, now, before, strict=True):
            counted[metrics.CACHE.cell(result)] = count - last
        self._counters.add(counted | metrics.observed(answered.operation, answered.seconds))
