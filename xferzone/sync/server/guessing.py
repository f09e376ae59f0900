"""A brake on guesses of passwords, by the network that they come from: who guesses slows nobody elsewhere.

    a network          an IPv4 address, or an IPv6 /56: 60 failed logins at once, and one more each 3 s
    a login from it    10, and one more each 30 s; 3 while over 100 have failed for that login from wherever
    is over that       refused before the password is looked at, right or wrong: Guessing says for how long
    it was damaged     does not count: its signature was not looked at
    it is right        costs nothing. For a day only what failed for this login is counted there: neighbours that guess
                       others', and guesses from elsewhere, do not slow its owner

So however many networks guess one login, its owner has three tries from any other. A process counts what it answers
itself: a server of several workers lets as many times more through. Whoever has no address, as over NATS, is not
slowed. What is counted is bounded; the oldest is forgotten.
"""

import ipaddress
import math
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from xferzone.errors import Guessing

OF_NETWORK: Final = 60  # failed logins at once; ours: an office behind one address mistypes no more
NETWORK_EACH_S: Final = 3.0  # seconds after which there is one more
OF_LOGIN: Final = 10  # the same of one login from one network; ours: OWASP's guides have 3 to 10
LOGIN_EACH_S: Final = 30.0
MANY: Final = (
    100  # of one login from all networks, beyond which each has FEW; one is forgotten each LOGIN_EACH_S
)
FEW: Final = 3
PROVED_S: Final = 86_400.0  # seconds for which it is known that a login has held from a network
MOST: Final = 4_096  # networks, logins, and logins of networks that are counted, of each; some 5 MB in all
PREFIX: Final = 56  # bits of an IPv6 address that are one customer's at most providers


@dataclass(slots=True)
class _Counts:
    """Failed logins, each forgotten after `each_s` seconds; the clock is the caller's."""

    each_s: float
    _kept: OrderedDict[object, tuple[float, float]] = field(
        default_factory=OrderedDict
    )  # how many, as of when

    def count(self, key: object, now: float) -> float:
        level, at = self._kept.get(key, (0.0, now))
        return max(0.0, level - (now - at) / self.each_s)

    def add(self, key: object, now: float) -> None:
        self._kept[key] = self.count(key, now) + 1, now
        self._kept.move_to_end(key)
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)

    def forget(self, key: object) -> None:
        self._kept.pop(key, None)

    def wait_s(self, key: object, most: int, now: float) -> float:
        """Seconds until one more may fail; not above 0: it may now."""
        return (self.count(key, now) + 1 - most) * self.each_s


class Brake:
    """What has failed in one process; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._networks = _Counts(NETWORK_EACH_S)
        self._logins = _Counts(LOGIN_EACH_S)
        self._pairs = _Counts(LOGIN_EACH_S)
        self._proved: OrderedDict[object, float] = OrderedDict()  # when a login has held from a network last

    def guesser(self, address: str, place: str = "") -> "Guesser":
        """Who asks from that address. `place`: the repository, where the process serves many."""
        network = _network(address)
        return FREE if network is None else Guesser(self, network, place)

    # many: who asks, for what, and when
    def check(self, network: str, login: int, now: float) -> None:
        """Raise Guessing where no more logins may fail."""
        pair = network, login
        with self._lock:
            is_proved = now - self._proved.get(pair, -math.inf) < PROVED_S
            is_guessed = self._logins.count(login, now) > MANY
            wait_s = self._pairs.wait_s(pair, FEW if is_guessed and not is_proved else OF_LOGIN, now)
            if not is_proved:
                wait_s = max(wait_s, self._networks.wait_s(network, OF_NETWORK, now))
        if wait_s > 0:
            raise Guessing(math.ceil(wait_s))

    def failed(self, network: str, login: int, now: float) -> None:
        """Count a login that did not hold."""
        with self._lock:
            self._networks.add(network, now)
            self._logins.add(login, now)
            self._pairs.add((network, login), now)

    def held(self, network: str, login: int, now: float) -> None:
        """Note that a login has held."""
        pair = network, login
        with self._lock:
            self._pairs.forget(pair)
            self._proved[pair] = now
            self._proved.move_to_end(pair)
            if len(self._proved) > MOST:
                self._proved.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Guesser:
    """Whoever sends a request and may be guessing; `now` is in monotonic seconds. Without a brake it is not slowed."""

    _brake: Brake | None = None
    _network: str = ""
    _place: str = ""

    def check(self, login: str, now: float) -> None:
        """Raise Guessing where no login of that name is looked at now."""
        if self._brake is not None:
            self._brake.check(self._network, self._key(login), now)

    def failed(self, login: str, now: float) -> None:
        """Count a login that did not hold, whether or not there is such an account."""
        if self._brake is not None:
            self._brake.failed(self._network, self._key(login), now)

    def held(self, login: str, now: float) -> None:
        """Note that the login has held."""
        if self._brake is not None:
            self._brake.held(self._network, self._key(login), now)

    def _key(self, login: str) -> int:
        """As small as any other, however long the login; nobody else can tell which logins have the same."""
        return hash((self._place, login))


FREE: Final = Guesser()


def _network(address: str) -> str | None:
    try:
        host = ipaddress.ip_address(address)
    except ValueError:
        return None
    host = (host.version == 6 and host.ipv4_mapped) or host
    return str(host) if host.version == 4 else str(ipaddress.ip_network((host, PREFIX), strict=False))
