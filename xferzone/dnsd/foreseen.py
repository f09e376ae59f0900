"""IXFR that will be asked for: what came of a zone is found when it moves, while nobody waits for it.

    a zone moves that was transferred here       from the version that was given away last
              or whose targets are told of it    from the version before
    ─> compared with the served one, for transfer.py to send; one zone after the other, and as long a rest after each

Whoever asks while that is under way, or before its turn, is served as if nothing were foreseen.
"""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Final

from xferzone.dnsd.access import is_pinned
from xferzone.dnsd.following import ServedZones
from xferzone.dnsd.transfer import Transfers
from xferzone.errors import NotFound, NotReady
from xferzone.refs.served import Version
from xferzone.store import schema

POLL_S: Final = 0.02  # seconds between two looks at the repository; a target takes longer to come
FAULT_S: Final = 5.0  # seconds after a fault
MOST: Final = 1_000  # zones of one look that are compared; ours


class Foreseen:
    """The zones of a process. `complain`: told what went wrong."""

    def __init__(
        self, zones: ServedZones, transfers: Transfers, complain: Callable[[str, Exception], None]
    ) -> None:
        self._zones = zones
        self._transfers = transfers
        self._complain = complain
        self._version: Version | None = None
        self._move = 0  # the last one that was seen

    @staticmethod
    def is_wanted(zones: ServedZones) -> bool:
        """Whether anybody may transfer anything."""
        return any(terms.transfer for _, terms in zones.terms.zones)

    async def run(self) -> None:
        """Follow the repository until it is cancelled."""
        while True:
            pause = POLL_S * self._zones.rarely
            try:
                for zone in itertools.islice(self._moved(), MOST):
                    began = time.monotonic()
                    await self._compare(zone)
                    await asyncio.sleep(time.monotonic() - began)
            except Exception as exc:  # noqa: BLE001 - a database has many ways to fail; IXFR is compared when asked for
                self._complain("no IXFR is foreseen", exc)
                pause = FAULT_S
            await asyncio.sleep(pause)

    def _moved(self) -> Iterator[str]:
        """The zones that have moved since the last call, of those that somebody is likely to ask for."""
        repository, terms = self._zones.repository, self._zones.terms
        version = repository.version()
        if version == self._version:
            return
        is_first = self._version is None or version.file != self._version.file
        self._move, moved = repository.moved(0 if is_first else self._move)
        self._version = version
        if is_first or repository.role() == schema.CLONE:
            return
        for branch in moved:
            of_zone = terms.of(branch.zone)
            is_told = bool(of_zone.transfer) and (of_zone.tells_ns or bool(of_zone.also_tells))
            is_likely = is_told or self._transfers.last_given(branch.zone) is not None
            if branch.branch == of_zone.branch and is_likely and not is_pinned(terms, branch.zone):
                yield branch.zone

    async def _compare(self, zone: str) -> None:
        try:
            await self._transfers.foresee(zone)
        except (NotFound, NotReady):
            return  # it was removed meanwhile, or is not compiled: there is nothing to send
