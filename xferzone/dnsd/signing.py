"""Questions as they are meant, and their answers as they are sent: with or without a signature.

    unsigned        as it came
    signed          verified by the keys that the terms have; then the message without its signature
    badly signed    NOTAUTH, with the reason beside it

    an answer that its signature makes too long    the question, OPT and TSIG, with TC and NOERROR

Source: RFC 8945 5.2, 5.3; RFC 6891 7 (what is truncated has OPT, too).
"""

import struct
import time
from collections.abc import Mapping
from typing import NamedTuple

from xferzone.nameserver import tsig
from xferzone.nameserver import wire as dns
from xferzone.nameserver.tsig import BadSignature, Key, Signer
from xferzone.nameserver.wire import Query


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

    @property
    def is_signed(self) -> bool:
        """Whether it came with a signature, good or not."""
        return self.signer is not None or self.refused is not None


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
    message = wire[:2] + found.message[2:]  # which answers have the id of
    return Asked(message, dns.parse(message), made)


def signed(message: bytes, asked: Asked, limit: int = dns.LARGEST_SIZE) -> bytes:
    """The answer as it is sent, in at most `limit` bytes: with TC and no records if its signature would not fit."""
    if asked.signer is None:
        return message
    if len(message) + asked.signer.room > limit:
        assert asked.query is not None
        message = dns.truncated(asked.query, dns.NOERROR, int.from_bytes(message[2:4]) & dns.AA)
    return asked.signer.sign(message, int(time.time()))
