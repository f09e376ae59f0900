"""Who may transfer a zone, and the log's lines about those who may not.

    pinned by `at`, a clone    nobody: what is served may go back (law 5, law 7)
    the zone's rules           the first that the client's address and key satisfy lets it in
    none does                  REFUSED; signed by a key that does not hold: NOTAUTH, before anything is looked at

A refusal is one line that names client, key, zone and rule; the same again after AGAIN seconds, and of others at most
MOST between.
"""

import ipaddress
import logging
import time
from typing import Final

import dns.name

from xferzone.dnsd.terms import Allowed, Terms
from xferzone.store import schema

AGAIN: Final = 60.0  # seconds
MOST: Final = 100  # lines in that time; ours

_log = logging.getLogger(__name__)


def refusal(terms: Terms, zone: str, role: str, client: bytes, key: bytes) -> str:
    """The rule by which that client must not transfer the zone of that id; empty: it may.

    `client`: its address, 4 or 16 octets; `key`: the name of the key that signed, in wire form; empty: none did.
    """
    if is_pinned(terms, zone):
        return "at: a pinned zone is not transferred"
    if role == schema.CLONE:
        return "a clone is not transferred from, its refs may go back: transfer from its origin"
    rules = terms.of(zone).transfer
    if not rules:
        return "none: no transfer is allowed"
    if any(_lets_in(each, client, key) for each in rules):
        return ""
    return "; ".join(dict.fromkeys(each.rule for each in rules))


def is_pinned(terms: Terms, zone: str) -> bool:
    """Whether the zone of that id is served as it was once."""
    return zone in terms.pins or terms.of(zone).at is not None


def _lets_in(allowed: Allowed, client: bytes, key: bytes) -> bool:
    if allowed.keys and key not in allowed.keys:
        return False
    return not allowed.networks or (
        bool(client) and any(ipaddress.ip_address(client) in each for each in allowed.networks)
    )


class Refusals:
    """What the log is told."""

    def __init__(self) -> None:
        self._told: dict[tuple[object, ...], int] = {}  # how often since
        self._since = time.monotonic()

    def tell(self, what: str, client: bytes, key: bytes, zone: str, rule: str) -> None:
        """That `what` was refused."""
        now = time.monotonic()
        if now - self._since >= AGAIN:
            if more := sum(self._told.values()) - len(self._told):
                _log.info("dns outcome=refused more=%d seconds=%.0f", more, now - self._since)
            self._told, self._since = {}, now
        about = (what, client[:8], key, zone, rule)
        if about in self._told:
            self._told[about] += 1
        elif len(self._told) < MOST:
            self._told[about] = 1
            _log.warning(
                "dns outcome=refused what=%s client=%s key=%s zone=%s rule='%s'",
                what,
                shown_client(client),
                shown_name(key) if key else "none",
                zone,
                rule,
            )


def shown_client(client: bytes) -> str:
    """An address for the log."""
    return str(ipaddress.ip_address(client)) if client else "gone"


def shown_name(name: bytes) -> str:
    """A name in wire form for the log."""
    return dns.name.from_wire(name, 0)[0].to_text(omit_final_dot=True)
