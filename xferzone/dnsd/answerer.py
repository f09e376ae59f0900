"""One answerer: plain UDP, one thread, as many processes beside it as there are cores.

    wait for sockets ──> receive a batch ──> follow the repository ──> answer each message ──> send
         ^                                                                                      |
         +------------------ a full batch: the same socket again, else all -------------------- +

    every TICK      a sign of life to the supervisor; follow the repository; collect the garbage of the last second, and
                    keep the collector away from what stays
    every RESCAN    local addresses that came or went, where a wildcard is listened on
    TERM, INT,      the kernel is told to send new questions to other answerers; those that have come are answered,
    WINCH           then the end: with another answerer on the same addresses no question is lost

The supervisor runs it; by itself it is  python -m xferzone.dnsd.answerer --repository FILE --listen ADDRESS...

The cyclic collector is off: with 300,000 remembered answers one full run stops the process for 50 ms. Nothing in the
hot path makes cycles. The young generation is looked at every second, then frozen.
"""

import contextlib
import gc
import itertools
import logging
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from xferzone import ready
from xferzone.config import Address
from xferzone.counters import Counters, Role
from xferzone.dnsd.datagrams import SLOTS, Datagrams, Respond, datagrams
from xferzone.dnsd.following import LiveZones
from xferzone.dnsd.handover import Giving, Handover
from xferzone.dnsd.limiting import Limiting
from xferzone.dnsd.listen import enlarge, leave, places, udp_socket
from xferzone.dnsd.opening import open_zones
from xferzone.dnsd.program import arguments, run
from xferzone.dnsd.querylog import QueryLog
from xferzone.dnsd.service import Service
from xferzone.dnsd.tally import Tally
from xferzone.dnsd.terms import PLAIN, Terms
from xferzone.errors import CannotServe
from xferzone.nameserver.cache import Responder

TICK: Final = 1.0  # seconds
RESCAN: Final = 10.0  # seconds
LEAVING: Final = 0.02  # seconds; a question that was on its way to a socket we left has come by then
_ID: Final = 2  # octets
_TURNS: Final = 16  # batches of one socket before the others have their turn

#: Sockets that are bound already, by address.
Given = Mapping[Address, Sequence[socket.socket]]
_NONE: Final[Given] = {}

_log = logging.getLogger(__name__)


# many: what runs, where and on what terms, and its ways to others
def main(
    repository: Path,
    listen: Sequence[Address],
    terms: Terms = PLAIN,
    counters: Counters | None = None,
    given: Given = _NONE,
    handover: Handover | None = None,
) -> None:
    """Answer on `terms` until SIGTERM, SIGINT or SIGWINCH.

    What is asked and answered is counted in `counters`. Addresses that have sockets in `given`, bound already and
    perhaps shared with other answerers, are not bound. What the agent must answer goes by `handover`; None: there is no
    way, and it is answered as where there are no keys.

    Raises:
        XferzoneError: the repository cannot be read, or an address not be bound.
    """
    with (
        contextlib.closing(open_zones(repository, terms)) as zones,
        Answerer(zones, listen, counters, given, handover) as answerer,
    ):
        answerer.serve(ready.Pulse())


class Answerer:
    """Bound sockets and what answers on them."""

    def __init__(
        self,
        zones: LiveZones,
        listen: Sequence[Address],
        counters: Counters | None = None,
        given: Given = _NONE,
        handover: Handover | None = None,
    ) -> None:
        self._zones = zones
        self._listen = listen
        self._offers = zones.terms.options.offers()
        self._responder = Responder(zones, zones.terms.kept, offers=self._offers)
        self._giving = None if handover is None else Giving(handover, zones, zones.terms.keys)
        if self._giving is not None:
            self._responder.takes = self._giving.takes
        self._respond: Respond = self._responder.respond
        self._service = Service(zones, self._respond)
        self._tally = Tally(counters, Role.ANSWERER, "udp", zones)
        self._counting = self._tally.counting(self._respond, self._is_elsewhere)
        self._counting_failed: Respond = self._tally.counting(self._service.failed)
        self._query_log = QueryLog(zones.terms.options.log_each, "udp", zones)
        rate = zones.terms.options.rate
        self._limiting = (
            None if rate is None else Limiting(rate, self._responder, self._offers, zones, self._tally)
        )
        if self._giving is not None and self._limiting is not None:
            self._giving.is_too_much = self._limiting.is_too_much
        self._selector = selectors.DefaultSelector()
        self._bound: dict[Address, socket.socket] = {}
        self._refused: set[Address] = set()  # already reported in the log
        self._stopping = False
        self._turn = 0
        self._woken, self._wake = socket.socketpair()
        self._given = given
        for each in self._given_sockets():
            enlarge(each)
            self._selector.register(each, selectors.EVENT_READ, datagrams(each))
        self._bind()

    def __enter__(self) -> "Answerer":
        self._woken.setblocking(False)
        self._wake.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._wakeup = signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)
        self._handlers = {
            number: signal.signal(number, self._stop)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGWINCH)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._selector.close()
        for each in (self._woken, self._wake, *self._bound.values(), *self._given_sockets()):
            each.close()

    def serve(self, pulse: ready.Pulse) -> None:
        """Answer until told to stop."""
        self._beat(pulse)
        gc.collect()
        gc.freeze()
        gc.disable()
        tick = time.monotonic() + TICK
        rescan = time.monotonic() + RESCAN
        while not self._stopping:
            for key, _events in self._selector.select(TICK):
                if key.data is not None:
                    self._answer(key.data)
            now = time.monotonic()
            if now >= tick:
                self._beat(pulse)
                gc.collect(0)
                gc.freeze()
                tick = now + TICK
            if now >= rescan:
                self._rebind()
                rescan = now + RESCAN
        self._leave()

    def _beat(self, pulse: ready.Pulse) -> None:
        self._service.refresh()  # for the count of zones, where nobody asks
        self._tally.beat(len(self._zones))
        self._tally.routed(self._zones.routed)
        self._query_log.tick()
        if self._limiting is not None:
            self._limiting.tick()
        pulse.beat()  # the process before this one goes now: this one has been counted

    def _leave(self) -> None:
        for bound in self._bound.values():
            leave(bound)
        for pause in (0.0, LEAVING):
            time.sleep(pause)
            for key in list(self._selector.get_map().values()):
                if key.data is not None:
                    self._answer(key.data)

    def _answer(self, incoming: Datagrams) -> None:
        for _ in range(_TURNS):
            received = incoming.receive()
            if received:
                self._service.refresh()
                self._responder.client_of = incoming.client
                if self._giving is not None:
                    self._giving.begin(incoming)
                self._offers.now = int(time.time())
                made = self._responder.made
                is_counted = self._tally.affords(received)
                plain, failed = (
                    (self._counting, self._counting_failed)
                    if is_counted
                    else (self._respond, self._service.failed)
                )
                respond = plain
                if self._limiting is not None:
                    respond, failed = self._limiting.limited(incoming, respond, failed)
                if not self._query_log.skips(received):
                    respond = self._query_log.logged(respond, incoming.client, self._is_elsewhere)
                if respond is plain:
                    self._answer_all(incoming, is_counted=is_counted)
                else:
                    if not is_counted:
                        self._sample(incoming, received)
                    incoming.answer(respond, failed)
                self._tally.hit(max(0, received - (self._responder.made - made)))
                self._responder.free()
            if received < SLOTS:
                return

    def _answer_all(self, incoming: Datagrams, *, is_counted: bool) -> None:
        """Answer a batch of which nothing is to be done to an answer but to count it."""
        elsewhere = set()

        def late(slot: int) -> bytes | None:
            answer = self._service.respond(incoming.message(slot), slot)
            if answer is None and self._is_elsewhere(slot):
                elsewhere.add(slot)
            return None if answer is None else answer[_ID:]

        answers = self._responder.answers(incoming.messages(), late)
        received = len(answers)
        for slot in range(received) if is_counted else (self._next(received),):
            message, answer = incoming.message(slot), answers[slot]
            whole = None if answer is None else message[:_ID] + answer
            if slot not in elsewhere:
                self._tally.count(message, whole, 1 if is_counted else received)
        incoming.send(answers)

    def _sample(self, incoming: Datagrams, received: int) -> None:
        """Count one message of a batch, which is to be answered yet, for all."""
        slot = self._next(received)
        message, routed = incoming.message(slot), [*self._zones.routed]
        # It is answered once more, with the batch: what it leaves behind elsewhere must not be there twice.
        with contextlib.nullcontext() if self._giving is None else self._giving.trial():
            answer = self._service.respond(message, slot)
        self._zones.routed[:] = routed
        if answer is not None or not self._is_elsewhere(slot):
            self._tally.count(message, answer, received)

    def _next(self, received: int) -> int:
        """The slot of the message that is counted for all: in turn the first of a batch, the second, ..."""
        self._turn = (self._turn + 1) % received
        return self._turn

    def _is_elsewhere(self, slot: int) -> bool:
        """Whether the agent answers the message in that slot, the last that was looked at."""
        return self._giving is not None and self._giving.has(slot)

    def _stop(self, _number: int, _frame: object) -> None:
        self._stopping = True

    def _bind(self) -> None:
        """Bind the addresses that are not bound yet, and let go of those that have gone."""
        wanted = places(self._listen) - self._given.keys()
        for address in self._bound.keys() - wanted:
            gone = self._bound.pop(address)
            self._selector.unregister(gone)
            gone.close()
        for address in sorted(wanted - self._bound.keys()):
            try:
                bound = udp_socket(address)
            except CannotServe as exc:
                # An address that a wildcard stands for may not be usable yet, or be taken by another program.
                if address in self._listen:
                    raise
                if address not in self._refused:
                    _log.warning("%s", exc)
                self._refused.add(address)
                continue
            self._bound[address] = bound
            self._selector.register(bound, selectors.EVENT_READ, datagrams(bound))
        if not (self._bound or self._given):
            raise CannotServe(f"cannot bind any address of {', '.join(map(str, self._listen))}")

    def _given_sockets(self) -> Iterator[socket.socket]:
        # `leave` would take the sockets from those who share them: what comes after we have gone is theirs to read.
        return itertools.chain.from_iterable(self._given.values())

    def _rebind(self) -> None:
        if any(address.is_wildcard for address in self._listen):
            try:
                self._bind()
            except CannotServe as exc:
                _log.error("%s", exc)


if __name__ == "__main__":
    sys.exit(run(main, arguments("answer DNS questions by UDP")))
