"""The query log: one of so many questions in a line of the log, to see who asks for what.

    query client=192.0.2.0/24 protocol=udp name=www.example.com. type=A rcode=NOERROR size=49 us=21.4 zone=example.com.
          key=none canary=False left_out=0

A client is told as its network, for names and addresses together say a lot about people. `us` is the time that the
answer took to be made, of a transfer until its end; `key` is the TSIG key that signed the question. At most LINES a
second are written; `left_out` are those before a line that were due, too. With [log] format = "json" each line is an
object with these fields.
"""

import ipaddress
import logging
import time
from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

import dns.exception
import dns.name
import dns.rcode
import dns.rdatatype

from xferzone.nameserver.rate import PREFIXES
from xferzone.nameserver.zones import Zones

LINES: Final = 100  # a second, of one process; ours: 20 kB/s

_QUESTION: Final = 12  # where it begins
_LINE: Final = (
    "query client=%s protocol=%s name=%s type=%s rcode=%s size=%d us=%.1f zone=%s key=%s canary=%s "
    "left_out=%d"
)
_log = logging.getLogger(__name__)

_Client = TypeVar("_Client")


class About(NamedTuple):
    """What is said of an answer: whose it is, how long it took, how long it is; the rest is as in the line."""

    client: bytes  # an address of 4 or 16 octets; empty: it is gone
    us: float
    size: int
    is_canary: bool = False
    key: bytes = b""  # in wire form; empty: none


def _answered_here(_client: object) -> bool:
    return False


class QueryLog:
    """What one process logs of messages that come over `protocol`: one of `each`; 0: none."""

    def __init__(self, each: int, protocol: str, zones: Zones) -> None:
        self._each = each
        self._protocol = protocol
        self._zones = zones
        self._until = each  # messages until the next one that is logged
        self._left = LINES
        self._left_out = 0

    def tick(self) -> None:
        """To be called every second."""
        self._left = LINES

    def skips(self, messages: int) -> bool:
        """Whether none of so many messages is to be logged; else they have to be answered by `logged`."""
        if not self._each:
            return True
        if self._until > messages:
            self._until -= messages
            return True
        return False

    def is_due(self) -> bool:
        """Whether the next message is to be logged by `note`: to be asked once for each."""
        if not self._each:
            return False
        self._until -= 1
        if self._until > 0:
            return False
        self._until = self._each
        return True

    def logged(
        self,
        respond: Callable[[bytes, _Client], bytes | None],
        address: Callable[[_Client], bytes],
        is_elsewhere: Callable[[_Client], bool] = _answered_here,
    ) -> Callable[[bytes, _Client], bytes | None]:
        """`respond`, and each message whose turn it is in the log, or the next, if another process answers it."""

        def answered(message: bytes, client: _Client) -> bytes | None:
            if not self.is_due():
                return respond(message, client)
            begin, routed = time.perf_counter_ns(), self._zones.routed[1]
            answer = respond(message, client)
            us = (time.perf_counter_ns() - begin) / 1000
            if answer is None and is_elsewhere(client):
                self._until = 1
                return None
            size, is_canary = len(answer or b""), self._zones.routed[1] > routed
            self.note(message, answer, About(address(client), us, size, is_canary))
            return answer

        return answered

    def note(self, message: bytes, answer: bytes | None, about: About) -> None:
        """Log a message and the first message of its answer; None: there is none."""
        if not self._left:
            self._left_out += 1
            return
        self._left -= 1
        name, rdtype, zone = self._asked(message)
        rcode = "none" if answer is None else dns.rcode.to_text(dns.rcode.Rcode(answer[3] & 15))
        asked = (_network(about.client), self._protocol, name, rdtype, rcode, about.size, about.us, zone)
        key = dns.name.from_wire(about.key, 0)[0].to_text(omit_final_dot=True) if about.key else "none"
        _log.info(_LINE, *asked, key, about.is_canary, self._left_out)
        self._left_out = 0

    def _asked(self, message: bytes) -> tuple[str, str, str]:
        """The name, the type, and the zone that has the name; empty if there are none."""
        try:
            name, size = dns.name.from_wire(message, _QUESTION)
            end = _QUESTION + size
            rdtype = int.from_bytes(message[end : end + 2])
            origin = self._zones.origin(message[_QUESTION:end].lower(), rdtype)
        except (dns.exception.DNSException, IndexError):  # cut short, or compressed, which a question is not
            return "", "", ""
        zone = "" if origin is None else dns.name.from_wire(origin, 0)[0].to_text()
        return name.to_text(), dns.rdatatype.to_text(dns.rdatatype.RdataType(rdtype)), zone


def _network(client: bytes) -> str:
    if not client:
        return ""
    octets = PREFIXES[len(client)]
    return str(ipaddress.ip_network((client[:octets] + bytes(len(client) - octets), 8 * octets)))
