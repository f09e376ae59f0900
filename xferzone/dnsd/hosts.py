"""The addresses of the hosts that a zone's NS records name.

in the zone       what it says of them, glue too
in another one    what the system's resolver says, believed for RESOLVED_S
"""

import asyncio
import logging
import socket
import time
from typing import Final

import dns.name

from xferzone.nameserver.view import Kind, View
from xferzone.zone import index
from xferzone.zone.compression import relative
from xferzone.zonefile.rdtypes import AAAA, A

RESOLVED_S: Final = 300.0  # seconds that the addresses of another zone's host are believed
LOOKUPS: Final = 2  # at a time; Python has six threads for such work where there are two processors
MAX_HOSTS: Final = 10_000  # whose addresses are kept

_log = logging.getLogger(__name__)


def addresses(host: bytes, view: View) -> list[str] | None:
    """A host's addresses that the zone has. None: the host is in another zone."""
    found = view.search(host)
    if found.kind is Kind.OUTSIDE:
        return None
    labels = relative(host, view.origin)
    node = None if labels is None else view.node(labels)  # glue below a cut, too
    made = []
    for rdtype, family in ((A, socket.AF_INET), (AAAA, socket.AF_INET6)):
        rrset = None if node is None else index.rrset(node, rdtype)
        made += [socket.inet_ntop(family, rdata) for rdata in (() if rrset is None else rrset.rdatas())]
    return made


class Hosts:
    """Hosts of other zones."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}  # until when, and the addresses
        self._asked: dict[str, asyncio.Task[tuple[str, ...]]] = {}
        self._free = asyncio.Semaphore(LOOKUPS)

    async def addresses(self, host: bytes, zone: str) -> tuple[str, ...]:
        """A host's addresses; `zone`: for the log, whose host it is."""
        name = dns.name.from_wire(host, 0)[0].to_text(omit_final_dot=True)
        until, found = self._known.get(name, (0.0, ()))
        if time.monotonic() < until:
            return found
        asked = self._asked.get(name)
        if asked is None:
            asked = self._asked[name] = asyncio.create_task(self._looked_up(name, zone, found))
            asked.add_done_callback(lambda _: self._asked.pop(name))
        return await asyncio.shield(asked)

    async def _looked_up(self, name: str, zone: str, before: tuple[str, ...]) -> tuple[str, ...]:
        """The addresses that the resolver has; if it has none now, those from before."""
        async with self._free:
            try:
                told = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_DGRAM)
                before = tuple(dict.fromkeys(str(each[4][0]) for each in told))
            except (OSError, UnicodeError) as exc:
                _log.warning("dns notify outcome=unresolved zone=%s host=%s why='%s'", zone, name, exc)
        if len(self._known) >= MAX_HOSTS:
            self._known.clear()
        self._known[name] = time.monotonic() + RESOLVED_S, before
        return before
