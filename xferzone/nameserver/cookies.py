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

Source: RFC 7873 4 and 5.2, RFC 9018 4 (server cookie), 5 (secrets).
"""

import hmac
import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

from xferzone.nameserver.edns import option
from xferzone.nameserver.siphash import siphash

COOKIE: Final = 10  # the option code
CLIENT_SIZE: Final = 8  # octets of a client cookie
ECHOED: Final = 1_800  # seconds; RFC 9018 4.3
VALID: Final = 3_600  # seconds; the same
AHEAD: Final = 300  # seconds; the same

_SERVER_SIZE: Final = 16  # octets
_SIZES: Final = frozenset((CLIENT_SIZE, *range(CLIENT_SIZE + 8, CLIENT_SIZE + 33)))
_VERSION: Final = 1
_HEAD: Final = struct.Struct(">LL")
_HASHED: Final = _HEAD.size  # octets before the hash


class Judged(NamedTuple):
    """A cookie.

    Fields:
        option: what goes back.
        is_valid: it proves that the client has its address.
        until: the last second in which the same may be said of it again.
    """

    option: bytes
    is_valid: bool
    until: int


class Cookies:
    """Cookies made with the first of `secrets`, of 16 octets each; those of all are valid."""

    __slots__ = ("_secrets",)

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._secrets = tuple(secrets)

    def judged(self, value: bytes, client: bytes, now: int) -> Judged | None:
        """The cookie option `value` of the client of that address; None: it is malformed."""
        if len(value) not in _SIZES:
            return None
        asker, ours = value[:CLIENT_SIZE], value[CLIENT_SIZE:]
        maker, age = self._origin(asker, ours, client, now)
        is_valid = maker >= 0 and -AHEAD <= age <= VALID
        if is_valid and maker == 0 and age <= ECHOED:
            return Judged(option(COOKIE, value), True, now + ECHOED - max(0, age))
        made = _made(self._secrets[0], asker, _HEAD.pack(_VERSION << 24, now & 0xFFFFFFFF), client)
        return Judged(option(COOKIE, asker + made), is_valid, now + min(AHEAD, VALID - age))

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
