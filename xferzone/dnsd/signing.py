"""Questions as they are meant, and their answers as they are sent: with or without a signature.

unsigned        as it came
signed          verified by the keys that the terms have; then the message without its signature
badly signed    NOTAUTH, with the reason beside it
"""

import struct
import time
from collections.abc import Mapping
from typing import Final, NamedTuple

from xferzone.nameserver import tsig
from xferzone.nameserver import wire as dns
from xferzone.nameserver.tsig import BadSignature, Key, Signer
from xferzone.nameserver.wire import Query
from xferzone.zone.compression import name_end

_TC: Final = dns.TC >> 8  # in the third byte of a message


class Asked(NamedTuple):
    """A question. `message`: it without a signature; `signer`: signs the answer, None: that goes unsigned.

    `refused`: what its signature lacks, and the answer that says so.
    """

    message: bytes
    query: Query | None
    signer: Signer | None = None
    refused: tuple[BadSignature, bytes] | None = None

    @property
    def key(self) -> bytes:
        """The name of the key that signed it; empty: none did."""
        return b"" if self.signer is None else self.signer.key.name


def asked(wire: bytes, keys: Mapping[bytes, Key]) -> Asked:
    """What a message asks; without `query`: it deserves no answer."""
    query = dns.parse(wire)
    if query is None or query.fault != dns.NOTAUTH:
        return Asked(wire, query)
    try:
        found = tsig.signature(wire)
    except (ValueError, IndexError, struct.error):  # which wire.parse would have seen
        found = None
    if found is None:
        return Asked(wire, query)
    now = int(time.time())
    made = tsig.verified(found, keys, now)
    if isinstance(made, BadSignature):
        says = dns.error(query._replace(tsig=b""), dns.NOTAUTH)
        return Asked(wire, query, refused=(made, tsig.answered(made, says, now)))
    return Asked(found.message, dns.parse(found.message), made)


def signed(message: bytes, signer: Signer | None, limit: int = dns.LARGEST_SIZE) -> bytes:
    """The answer as it is sent, in at most `limit` bytes: with TC and no records if its signature would not fit."""
    if signer is None:
        return message
    if len(message) + signer.room > limit:
        end = name_end(message, 12) + 4
        message = bytes((*message[:2], message[2] | _TC, message[3])) + b"\0\1\0\0\0\0\0\0" + message[12:end]
    return signer.sign(message, int(time.time()))
