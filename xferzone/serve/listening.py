"""The listening TCP sockets of a server: bound by the supervisor, inherited by the processes that accept on them.

    supervisor: bind ──> fork arbiter 1 ──> ... HUP: bind the new ones, fork arbiter 2, retire arbiter 1, close the old

As the supervisor keeps a socket open for as long as it is wanted, a connection that comes while processes change
waits in its queue. UDP is different: each answerer binds sockets of its own (dnsd/listen.py), so that the kernel
gives the questions of one that died to the others.

What systemd has bound (activation.py) is not bound again, and never closed here.
"""

import itertools
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xferzone.config import Address
from xferzone.dnsd.listen import BACKLOG, probe_udp, tcp_socket
from xferzone.errors import CannotServe
from xferzone.serve.activation import Activated

HTTP_BACKLOG: Final = 2048  # connections that may wait to be accepted; gunicorn's default


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """An address to listen on; `what`: "http", "replicate" (HTTP too, for the walk alone) or "dns"."""

    what: str
    address: Address

    def __str__(self) -> str:
        return f"{self.what} on {self.address}"

    def overlaps(self, other: "Endpoint") -> bool:
        """Whether one port of one address would belong to both: TCP is on all of them."""
        one, two = self.address, other.address
        return (
            one.port == two.port
            and one.family == two.family
            and (one == two or one.is_wildcard or two.is_wildcard)
        )


class CannotListen(CannotServe):
    """`endpoint` cannot be bound."""

    def __init__(self, endpoint: Endpoint, cause: CannotServe) -> None:
        super().__init__(str(cause))
        self.endpoint = endpoint
        self.errno = cause.__cause__.errno if isinstance(cause.__cause__, OSError) else None


def overlapping(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, Endpoint] | None:
    """The first two of them that cannot be bound together."""
    pairs = itertools.combinations(endpoints, 2)
    return next(((first, second) for first, second in pairs if first.overlaps(second)), None)


class Listening:
    """The sockets, by endpoint."""

    def __init__(self) -> None:
        self._bound: dict[Endpoint, socket.socket] = {}
        self.activated = Activated()  # what systemd has bound

    def change(self, endpoints: Sequence[Endpoint]) -> None:
        """Listen on `endpoints`, and no longer on others; those that stay keep their sockets.

        Raises:
            CannotListen: one of them cannot be bound; nothing has changed.
        """
        bound = {endpoint: old for endpoint, old in self._bound.items() if endpoint in endpoints}
        fresh: dict[Endpoint, socket.socket] = {}
        for endpoint in endpoints:
            if endpoint not in bound:
                try:
                    fresh[endpoint] = self._listening(endpoint)
                except CannotServe as exc:
                    self._close(fresh)
                    raise CannotListen(endpoint, exc) from exc
        self._close({endpoint: old for endpoint, old in self._bound.items() if endpoint not in bound})
        self._bound = bound | fresh

    def take(self, *what: str) -> list[socket.socket]:
        """Called in a new process: the sockets for one of `what`; the others are closed there."""
        for endpoint, each in self._bound.items():
            if endpoint.what not in what:
                each.close()
        self.activated.close_udp()
        return [each for endpoint, each in self._bound.items() if endpoint.what in what]

    def strangers(self, endpoints: Sequence[Endpoint]) -> list[str]:
        """The sockets of systemd for addresses that are not among `endpoints`."""
        udp = [each.address for each in endpoints if each.what == "dns"]
        return list(self.activated.strangers([each.address for each in endpoints], udp))

    def close(self) -> None:
        """Listen on nothing."""
        self.change([])

    def take_udp(self, number: int, answerers: int) -> dict[Address, list[socket.socket]]:
        """Called in a new process, answerer `number` from 0 of so many: the UDP sockets of systemd that it reads."""
        share = self.activated.share(number, answerers)
        for each in self._bound.values():
            each.close()
        return share

    def _listening(self, endpoint: Endpoint) -> socket.socket:
        if endpoint.what == "dns" and endpoint.address not in self.activated.udp:
            probe_udp(endpoint.address)
        if (given := self.activated.tcp.get(endpoint.address)) is not None:
            given.setblocking(False)
            return given
        return tcp_socket(endpoint.address, BACKLOG if endpoint.what == "dns" else HTTP_BACKLOG)

    def _close(self, sockets: Mapping[Endpoint, socket.socket]) -> None:
        for endpoint, each in sockets.items():
            if each is not self.activated.tcp.get(endpoint.address):
                each.close()
