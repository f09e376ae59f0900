"""DNS cookies: a client that shows what we gave it before is not somebody else who forges its address.

    option      client cookie 8 octets, then nothing or a server cookie of 8 to 32
    ours        version 1, zeros 3 (taken as they come), time 4 (seconds since 1970), hash 8
    hash        SipHash-2-4(client cookie, all before the hash, address; secret)

    a server cookie of ours           is
    up to ECHOED old                  valid, and goes back as it is if the first secret made it
    up to VALID old, or AHEAD ahead   valid, and a new one goes back
    else, or none                     not valid; a new one goes back

Servers that share a secret take each other's cookies, BIND, Knot and NSD too. Cookies are made with the first secret;
those of all secrets are valid, so that one can replace another.

A hash costs some 8 microseconds. What was found valid is remembered, MEMORY bytes of it, with what goes back.

Source: RFC 7873 4 and 5.2, RFC 9018 4 (server cookie), 5 (secrets).
"""

import hmac
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from xferzone.nameserver.edns import option
from xferzone.nameserver.generations import Generations
from xferzone.nameserver.siphash import siphash

COOKIE: Final = 10  # the option code
CLIENT_SIZE: Final = 8  # octets of a client cookie
ECHOED: Final = 1_800  # seconds; RFC 9018 4.3
VALID: Final = 3_600  # seconds; the same
AHEAD: Final = 300  # seconds; the same
MEMORY: Final = 4 * 1024 * 1024  # bytes; some 10,000 clients

_SERVER_SIZE: Final = 16  # octets
_SIZES: Final = frozenset((CLIENT_SIZE, *range(CLIENT_SIZE + 8, CLIENT_SIZE + 33)))
_VERSION: Final = 1
_HEAD: Final = struct.Struct(">LL")
_HASHED: Final = _HEAD.size  # octets before the hash
_OVERHEAD: Final = 350  # bytes that CPython spends on what is remembered, beside the key


class Judged(NamedTuple):
    """A cookie: the option that goes back, and whether it proves that the client has its address."""

    option: bytes
    is_valid: bool


class Cookies:
    """Cookies made with the first of `secrets`, of 16 octets each; those of all are valid."""

    __slots__ = ("_remembered", "_secrets")

    def __init__(self, secrets: Sequence[bytes], memory: int = MEMORY) -> None:
        self._secrets = tuple(secrets)
        # By address and option: what goes back, and the last second for which that holds.
        self._remembered: Generations[tuple[Judged, int]] = Generations(memory)

    def judged(self, value: bytes, client: bytes, now: int) -> Judged | None:
        """The cookie option `value` of the client of that address; None: it is malformed."""
        # Addresses have 4 or 16 octets, so the size of the value tells which of the two a key begins with.
        key = bytes((len(value),)) + client + value
        remembered = self._remembered
        found = remembered.young.get(key) or remembered.old.get(key)
        if found is not None and now <= found[1]:
            if key not in remembered.young:
                self._remember(key, *found)
            return found[0]
        if len(value) not in _SIZES:
            return None
        asker, ours = value[:CLIENT_SIZE], value[CLIENT_SIZE:]
        maker, age = self._origin(asker, ours, client, now)
        is_valid = maker >= 0 and -AHEAD <= age <= VALID
        if is_valid and maker == 0 and age <= ECHOED:
            judged, until = Judged(option(COOKIE, value), True), now + ECHOED - max(0, age)
        else:
            made = _made(self._secrets[0], asker, _HEAD.pack(_VERSION << 24, now & 0xFFFFFFFF), client)
            judged, until = Judged(option(COOKIE, asker + made), is_valid), now + min(AHEAD, VALID - age)
        if is_valid:
            self._remember(key, judged, until)
        return judged

    def free(self) -> None:
        """Let go of a little of what was forgotten; to be called between batches."""
        self._remembered.free()

    def _remember(self, key: bytes, judged: Judged, until: int) -> None:
        self._remembered.put(key, (judged, until), len(key) + _OVERHEAD)

    def _origin(self, asker: bytes, ours: bytes, client: bytes, now: int) -> tuple[int, int]:
        """Which secret made a server cookie, -1: none; and how many seconds ago that was."""
        if len(ours) != _SERVER_SIZE or ours[0] != _VERSION:
            return -1, 0
        at = _HEAD.unpack_from(ours)[1]
        age = (now - at + (1 << 31)) % (1 << 32) - (1 << 31)  # RFC 1982, for the time has 32 bits
        for number, secret in enumerate(self._secrets):
            if hmac.compare_digest(_made(secret, asker, ours[:_HASHED], client), ours):
                return number, age
        return -1, age


def _made(secret: bytes, asker: bytes, head: bytes, client: bytes) -> bytes:
    return head + siphash(secret, asker + head + client)
