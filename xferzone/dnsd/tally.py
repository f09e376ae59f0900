"""What a process of DNS has been asked and has answered, counted outside the path of an answer.

    batch of at most what is left of EXACT in this second    each message and its answer are looked at
    any other batch                                          one message of it is looked at, and stands for all

So up to EXACT messages a second the counts by type and rcode are exact; above that their sums still are, and counting
costs one look a batch. Answers kept from before are the messages less those for which an answer was made.

Source: RFC 1035 4.1 for where type and rcode stand; RFC 6891 6.1.3 for the upper bits of the rcode.
"""

from collections.abc import Callable
from typing import Final

from dns.name import from_wire

from xferzone import metrics
from xferzone.counters import Counters, Role
from xferzone.metrics import (
    ACTIONS,
    ANSWERS,
    COHORTS,
    HITS,
    LIMITED,
    NO_ANSWER,
    OTHER,
    QUESTIONS,
    RCODES,
    ROUTED,
    TYPES,
    ZONES,
)
from xferzone.nameserver.zones import Zones
from xferzone.zonefile.names import zone_id

EXACT: Final = 10_000  # messages a second of one process; looking at them takes 3 % of a processor

Respond = Callable[[bytes, int], bytes | None]

_NO_ZONES: Final = Zones()
_QUESTION: Final = 12  # where it begins
_OPT: Final = b"\0\0\x29"  # the root, type OPT


class Tally:
    """The counts of one process, whose messages come over `protocol` (udp, tcp)."""

    def __init__(
        self, counters: Counters | None, role: Role, protocol: str, zones: Zones = _NO_ZONES
    ) -> None:
        """`counters` None: nobody reads the counts. `zones`: those whose questions are counted apart."""
        self._counters = counters or Counters(metrics.SIZE)
        self._role = role
        self._cells = self._counters.cells()
        self._types = {number.to_bytes(2): QUESTIONS.cell(name, protocol) for number, name in TYPES.items()}
        self._other_type = QUESTIONS.cell(OTHER, protocol)
        self._rcodes = {number: ANSWERS.cell(name, protocol) for number, name in RCODES.items()}
        self._other_rcode = ANSWERS.cell(OTHER, protocol)
        self._no_answer = ANSWERS.cell(NO_ANSWER, protocol)
        self._hits = HITS.cell()
        self._cohorts = [ROUTED.cell(name) for name in COHORTS]
        self._limited = {action: LIMITED.cell(action) for action in ACTIONS}
        self._zones = zones
        self._zone_cells: dict[bytes, int] = {}  # by name
        self._left = EXACT

    def affords(self, messages: int) -> bool:
        """Whether each of so many messages may be looked at; they are taken off what is left."""
        self._left -= messages
        return self._left >= 0

    def beat(self, zones: int) -> None:
        """To be called every second by a process that works, and answers for so many zones."""
        self._left = EXACT
        self._counters.beat(self._role, zones)

    def counting(
        self, respond: Respond, is_elsewhere: Callable[[int], bool] = lambda _slot: False
    ) -> Respond:
        """`respond`, and each message counted, unless another process answers it."""
        count = self.count

        def counted(message: bytes, slot: int) -> bytes | None:
            answer = respond(message, slot)
            if answer is not None or not is_elsewhere(slot):
                count(message, answer, 1)
            return answer

        return counted

    def count(self, message: bytes, answer: bytes | None, times: int) -> None:
        """Count a message and its answer (None: it got none), which stand for `times` of them."""
        cells = self._cells
        end = message.find(0, _QUESTION)
        cells[self._types.get(message[end + 1 : end + 3], self._other_type)] += times
        if self._zones.entries:
            self._count_zone(message[_QUESTION : end + 1].lower(), message[end + 1 : end + 3], times)
        if answer is None:
            cells[self._no_answer] += times
            return
        rcode = answer[3] & 0x0F
        if not rcode and answer[6:10] == b"\0\0\0\0" and answer[end + 5 : end + 8] == _OPT:
            rcode = answer[end + 10] << 4
        cells[self._rcodes.get(rcode, self._other_rcode)] += times

    def _count_zone(self, name: bytes, rdtype: bytes, times: int) -> None:
        try:
            origin = self._zones.origin(name, int.from_bytes(rdtype))
        except IndexError:
            return  # not a name
        if origin is None:
            return
        cell = self._zone_cells.get(origin)
        if cell is None:
            place = self._counters.place(zone_id(from_wire(origin, 0)[0]))
            cell = self._zone_cells[origin] = ZONES.cell(OTHER if place is None else str(place))
        self._cells[cell] += times

    def routed(self, answers: list[int]) -> None:
        """Count answers of zones with a canary, main's and the canary's, and set these numbers to 0."""
        for at, number in enumerate(answers):
            self._cells[self._cohorts[at]] += number
            answers[at] = 0

    def hit(self, times: int) -> None:
        """Count answers that were kept from before."""
        self._cells[self._hits] += times

    def limited(self, action: str) -> None:
        """Count an answer that rate limiting held back; one of ACTIONS."""
        self._cells[self._limited[action]] += 1
