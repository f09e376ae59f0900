"""What the people of a group's members notice while something happens to it.

with Measured(group) as measured:
    told.on_accept = measured.accepted
    ...
print(measured)            answers by DNS, reads by HTTP, waits for the write lock, changes until all members serve them
measured.longest_lock_s
"""

import contextlib
import sqlite3
import threading
import time
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import dns.exception

from tests.interop.grouped import ZONE, Group, Site
from tests.live import within

PATIENCE_S: Final = 5.0  # of who asks; a later answer is no answer
LOCK_S: Final = 30.0
SERVED_S: Final = 60.0


@dataclass
class Times:
    """How long something took, each time; and how often it was not to be had of a member that ran."""

    seconds: list[float] = field(default_factory=list)
    failed: int = 0

    def __str__(self) -> str:
        if not self.seconds:
            return f"none, {self.failed} failed"
        ordered = sorted(self.seconds)
        p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.99))
        return (
            f"{len(ordered)} in p50 {1000 * p50:.1f}, p99 {1000 * p99:.1f}, at most {1000 * ordered[-1]:.0f} ms, "
            f"{self.failed} failed"
        )


class Measured:
    """Asks all members, over and over, until the block ends.

    Fields:
        answers: of www by DNS.
        reads: of the page of health, which opens the repository.
        locks: waits for a member's only write lock.
        lags: from the acknowledgement of a change until all members answer it by DNS.
    """

    def __init__(self, group: Group) -> None:
        self._group = group
        self.answers, self.reads, self.locks, self.lags = Times(), Times(), Times(), Times()
        self._open: list[tuple[str, float]] = []
        self._last = time.monotonic()  # when something was accepted last, or the fault ended
        self._lock = threading.Lock()
        self._ends = threading.Event()
        self._threads: list[threading.Thread] = []

    def __str__(self) -> str:
        return (
            f"  DNS {self.answers}\n  reads {self.reads}\n  write lock {self.locks}\n"
            f"  accepted until all three serve it {self.lags}"
        )

    @property
    def longest_lock_s(self) -> float:
        return max(self.locks.seconds, default=0.0)

    def accepted(self, zone: str, owner: str) -> None:
        """Note when this change is served by all."""
        with self._lock:
            self._last = time.monotonic()
            self._open.append((f"{owner}.{zone}", self._last))

    def fault_is_over(self) -> None:
        """Note that nothing keeps members from each other, or from etcd, from now on."""
        with self._lock:
            self._last = time.monotonic()

    def served(self) -> float:
        """Wait until all that was accepted is served by all; seconds until then since both the last acknowledgement and
        the end of the fault."""
        assert within(SERVED_S, lambda: not self._open), self._open
        return time.monotonic() - self._last

    def __enter__(self) -> Self:
        for site in self._group.sites:
            self._ask(0.05, self.answers, site, _answer)
            self._ask(0.5, self.reads, site, _read)
            self._ask(0.3, self.locks, site, _write)
        self._begin(self._follow)
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._ends.set()
        for each in self._threads:
            each.join()

    def _begin(self, act: Callable[[], None]) -> None:
        thread = threading.Thread(target=act, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _ask(self, every_s: float, times: Times, site: Site, ask: Callable[[Site], object]) -> None:
        def over_and_over() -> None:
            while not self._ends.wait(every_s):
                server, began = site.server, time.monotonic()
                if server is None:
                    continue
                try:
                    ask(site)
                except (OSError, dns.exception.DNSException, sqlite3.OperationalError):
                    times.failed += site.server is server and server.process.poll() is None
                else:
                    times.seconds.append(time.monotonic() - began)

        self._begin(over_and_over)

    def _follow(self) -> None:
        """Ask for the changes that not all members have answered yet."""
        while not self._ends.wait(0.05):
            with self._lock:
                waiting = self._open[:]
            for name, since in waiting:
                if all(_serves(site, name) for site in self._group.sites):
                    self.lags.seconds.append(time.monotonic() - since)
                    with self._lock:
                        self._open.remove((name, since))


def _answer(site: Site) -> None:
    assert site.answers(f"www.{ZONE}", PATIENCE_S)


def _serves(site: Site, name: str) -> bool:
    with contextlib.suppress(OSError, dns.exception.DNSException, AssertionError):
        return site.answers(name, PATIENCE_S)
    return False


def _read(site: Site) -> None:
    with urllib.request.urlopen(f"http://127.0.0.1:{site.port}/readyz", timeout=PATIENCE_S) as reply:
        reply.read()


def _write(site: Site) -> None:
    with closing(sqlite3.connect(site.repository, timeout=LOCK_S, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("ROLLBACK")
