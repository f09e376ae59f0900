"""Messages that the agent answers, over one protocol: each is counted once, and one of so many is logged.

    begun ─> the first message of the answer: counted ─> more of them ─> the end: logged, if it is its turn

An answer of several messages is logged with the first one's rcode, the size of all, and the time until the end.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from xferzone.dnsd.querylog import About, QueryLog
from xferzone.dnsd.tally import Tally
from xferzone.nameserver.zones import Zones


class Exchange:
    """A message, and what has been sent of its answer. `key`: of whoever signed it, in wire form; empty: nobody."""

    def __init__(self, tally: Tally, message: bytes) -> None:
        self._tally = tally
        self._message = message
        self.key = b""
        self.first: bytes | None = None
        self.size = 0  # bytes of all messages

    def answered(self, message: bytes | None) -> None:
        """Take note of a message of the answer before it is sent; None: there is no answer."""
        if self.first is None:
            self._tally.count(self._message, message, 1)
            self.first = message
        self.size += len(message or b"")


class Exchanges:
    """Those of a process over one protocol."""

    def __init__(self, tally: Tally, log: QueryLog, zones: Zones) -> None:
        self._tally = tally
        self._log = log
        self._zones = zones

    @contextmanager
    def begun(self, message: bytes, client: bytes) -> Iterator[Exchange]:
        """One, until its end; `client`: the address of the other end."""
        exchange = Exchange(self._tally, message)
        if not self._log.is_due():
            yield exchange
            return
        began, routed = time.perf_counter_ns(), self._zones.routed[1]
        try:
            yield exchange
        finally:
            us = (time.perf_counter_ns() - began) / 1000
            about = About(client, us, exchange.size, self._zones.routed[1] > routed, exchange.key)
            self._log.note(message, exchange.first, about)
