"""Response rate limiting: how many answers of one kind one network of clients gets in a second.

    network    IPv4 /24, IPv6 /56 of the datagram's source, which anybody can forge: it is the victim whom this protects
    kind       a     an answer of a name and type that a zone has          by name and type
               w     one that a wildcard or DNAME makes                    by zone
               n     NXDOMAIN and NODATA                                   by zone
               r     a referral                                            by the delegated name
               e     any other error                                       all alike
               h     signed messages and IXFR, before they are answered    all alike

    each second an account of (network, kind) earns `per_second`, and each answer, sent or not, costs 1. It never has
    more than `per_second`, and owes at most WINDOW times that. While it owes, every `slip`th answer goes out truncated,
    without records, the others not at all; of errors none. By TCP or with a valid cookie everybody is answered.

Few networks ever need an account. So one is opened late:

    datagrams of the network in this second         up to `per_second`: nothing more is looked at
      | more, or so in one of the last seconds
    those of the network and kind in this second    in one of CELLS, which others may share
      | more than `per_second`
    account                                         exact, until it owes nothing and has all that it may have

So a flood is noticed after `per_second` datagrams in its first second, and `per_second` answers more of each kind may
pass in that one; from the next on it is exact. Memory is bounded by NETWORKS, CELLS and ACCOUNTS, whatever sources are
forged.

Source: BIND 9 Administrator Reference Manual, "rate-limit": categories, credits, window, slip; its errors are never
truncated either. The /56 and the window of 15 s are its defaults, 200 a second and slip 2 those of NSD.
"""

import ipaddress
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Final

from xferzone.nameserver.wire import AA, NOERROR, NXDOMAIN, expanded
from xferzone.nameserver.zones import Zones
from xferzone.zone.compression import name_end

WINDOW: Final = 15  # seconds; BIND's default
NETWORKS: Final = 65_536  # counted in a second; then the count begins anew
CELLS: Final = 65_536
ACCOUNTS: Final = 10_000  # half of BIND's max-table-size; an account takes a flood of its own, a second long
LOOKED_AT: Final = 10_000  # networks

#: Octets of a network, by those of an address.
PREFIXES: Final = {4: 3, 16: 7}
_BLOCKS: Final = {octets: (8 * octets, whole) for whole, octets in PREFIXES.items()}
_NO_CELLS: Final = bytes(CELLS * array("l").itemsize)
_SHARED: Final = (
    1 << 30
)  # in a cell: an account has used it before, so whatever else does begins with a full one
_EXEMPT: Final = -(1 << 60)  # as a number of datagrams
_ERROR: Final = b"e"
HANDED_OVER: Final = b"h"
_QUESTION: Final = 12  # where it begins
_NONE: Final = b"\0\0"  # records


class Verdict(IntEnum):
    """What becomes of an answer."""

    SEND = 0
    TRUNCATE = 1
    DROP = 2


SEND, TRUNCATE, DROP = Verdict


class Limiter:
    """The accounts of one process. `exempt`: networks that have none."""

    def __init__(self, per_second: int, slip: int, exempt: Iterable[str] = ()) -> None:
        self._per_second = per_second
        self._slip = slip
        self._exempt = [ipaddress.ip_network(each) for each in exempt]
        self._datagrams: Counter[bytes] = Counter()  # by network, in this second
        self._looked_at: dict[bytes, int] = {}  # networks, and for how many seconds more
        self.partly: set[bytes] = set()  # of those: they hold addresses that are exempt
        self._cells = array("l", _NO_CELLS)
        self._accounts: dict[bytes, list[int]] = {}  # what each has, and how many answers were limited

    def exceeding(self, networks: Sequence[bytes]) -> set[bytes]:
        """Of the networks of these datagrams, one for each, those that `verdict` is to be asked about."""
        if len(self._datagrams) > NETWORKS:
            self._datagrams = Counter()
        datagrams, most, looked_at = self._datagrams, self._per_second, self._looked_at
        datagrams.update(networks)
        found = set(networks)
        for network in list(found):
            if not (self._look_at(network) if datagrams[network] > most else network in looked_at):
                found.remove(network)
        return found

    def spares(self, client: bytes) -> bool:
        """Whether the client at that address, of one of the networks `partly`, is exempt."""
        address = ipaddress.ip_address(client)
        return any(address in each for each in self._exempt)

    def verdict(self, network: bytes, kind: bytes) -> Verdict:
        """What becomes of an answer of that kind."""
        key = network + kind
        cells, cell = self._cells, hash(key) % CELLS
        used = cells[cell] + 1
        cells[cell] = used
        if used <= self._per_second:
            return SEND
        account = self._accounts.get(key)
        if account is None:
            if len(self._accounts) >= ACCOUNTS:
                return SEND
            account = self._accounts[key] = [self._per_second if used > _SHARED else 0, 0]
        account[0] = max(account[0] - 1, -WINDOW * self._per_second)
        if account[0] >= 0:
            return SEND
        account[1] += 1
        is_truncated = self._slip and account[1] % self._slip == 0 and kind != _ERROR
        return TRUNCATE if is_truncated else DROP

    def tick(self) -> None:
        """A second has passed."""
        self._datagrams = Counter()
        if not self._looked_at:
            return
        self._looked_at = {network: left - 1 for network, left in self._looked_at.items() if left}
        self.partly &= self._looked_at.keys()
        self._cells = array("l", _NO_CELLS)
        for key, account in list(self._accounts.items()):
            account[0] += self._per_second
            if account[0] >= self._per_second:
                del self._accounts[key]
            else:
                self._cells[hash(key) % CELLS] = _SHARED

    def _look_at(self, network: bytes) -> bool:
        """Whether a network that asks a lot is looked at from now on."""
        if self._looked_at.get(network) == WINDOW + 1:
            return True
        bits, octets = _BLOCKS[len(network)]
        block = ipaddress.ip_network((network + bytes(octets - len(network)), bits))
        touching = [each for each in self._exempt if each.overlaps(block)]
        if any(each.prefixlen <= bits for each in touching):
            self._datagrams[network] = _EXEMPT
            return False
        if len(self._looked_at) < LOOKED_AT:
            self._looked_at[network] = WINDOW + 1
            if touching:
                self.partly.add(network)
        return True


def kind(message: bytes, answer: bytes, zones: Zones, *, is_own: bool) -> bytes:
    """Of what kind the answer to a message is; `is_own`: a zone has the name, no wildcard or DNAME made it."""
    rcode, answers = answer[3] & 15, answer[6:8] != _NONE
    if rcode == NOERROR and answers and is_own:
        return b"a" + message[_QUESTION : message.find(0, _QUESTION) + 5].lower()
    is_authoritative, authorities = answer[2] & AA >> 8, answer[8:10] != _NONE
    if rcode not in (NOERROR, NXDOMAIN) or not (is_authoritative or authorities):
        return _ERROR
    end = name_end(message, _QUESTION) + 4
    if not is_authoritative:
        return b"r" + expanded(answer, end)
    question = message[_QUESTION:end].lower()
    if rcode == NOERROR and is_own and not authorities:  # truncated
        return b"a" + question
    origin = zones.origin(question[:-4], int.from_bytes(question[-4:-2])) or b""
    return (b"w" if answers and rcode == NOERROR else b"n") + origin
