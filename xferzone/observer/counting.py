"""Requests counted in memory that all processes of a server share (counters.py), under the names of metrics.py."""

from xferzone import metrics
from xferzone.counters import Counters
from xferzone.observer import Answered, Asked, Silent


class Counting(Silent):
    """Counts each request once, when it is answered."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

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
        }
        self._counters.add(counted | metrics.observed(answered.operation, answered.seconds))
