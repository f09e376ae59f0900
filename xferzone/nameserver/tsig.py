"""Transaction signatures: who has signed a message, and signatures on what we send.

    TSIG          key, 00 FA, 00 FF, TTL 0, RDLENGTH 2, algorithm, time 6, fudge 2, MAC size 2, MAC, ID 2, error 2,
                  size 2, other; the last record of a message
    signed        the other side's MAC with its size (not in a question), the message without TSIG and with the
                  original id, then the variables: key, class, TTL, algorithm, time, fudge, error, size, other
    a second and  the last MAC with its size, the message, time and fudge: each message of a transfer is signed
    further one

    an id             whoever forwards a question may give it another: the answer's header has the one that came, and
                      its signature, and what is signed, the original one

    key unknown, or of another algorithm    BADKEY, unsigned
    MAC wrong, or under half as long        BADSIG, unsigned
    the beginning of a right MAC            BADTRUNC, signed
    time outside of the fudge               BADTIME, signed at the client's time, with ours as other data

Keys and times are handed in. A MAC shorter than its algorithm's is not taken: whoever wants one names an algorithm
that is truncated itself, as hmac-sha256-128.

Source: RFC 8945 4.2, 4.3, 4.3.2 (ids), 5.2, 5.3, 5.3.1, 6 (algorithms); RFC 4635 and RFC 2845 (older ones).
"""

import hmac
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from xferzone.nameserver.wire import expanded
from xferzone.zone.compression import name_end
from xferzone.zonefile.rdtypes import TSIG

FUDGE: Final = 300  # seconds that two clocks may differ; RFC 8945 10
SHORTEST: Final = (
    10  # octets of a MAC that says anything; and at least half of its algorithm's. RFC 8945 5.2.2.1
)
BADSIG: Final = 16
BADKEY: Final = 17
BADTIME: Final = 18
BADTRUNC: Final = 22
NAMES: Final = {BADSIG: "BADSIG", BADKEY: "BADKEY", BADTIME: "BADTIME", BADTRUNC: "BADTRUNC"}

_ANY: Final = 255
_COUNTS: Final = struct.Struct(">HHHH")
_RECORD: Final = struct.Struct(">HHLH")
_TIME: Final = struct.Struct(">HLH")  # high and low part of the seconds, the fudge
_END: Final = struct.Struct(">HHH")


def _wire(text: str) -> bytes:
    return b"".join(bytes((len(label),)) + label for label in text.encode().split(b".")) + b"\0"


#: By the name that people write: the name on the wire, the hash, and how many octets a MAC has.
_ALGORITHMS: Final = {
    "hmac-md5": (_wire("hmac-md5.sig-alg.reg.int"), "md5", 16),
    "hmac-sha1": (_wire("hmac-sha1"), "sha1", 20),
    "hmac-sha224": (_wire("hmac-sha224"), "sha224", 28),
    "hmac-sha256": (_wire("hmac-sha256"), "sha256", 32),
    "hmac-sha256-128": (_wire("hmac-sha256-128"), "sha256", 16),
    "hmac-sha384": (_wire("hmac-sha384"), "sha384", 48),
    "hmac-sha384-192": (_wire("hmac-sha384-192"), "sha384", 24),
    "hmac-sha512": (_wire("hmac-sha512"), "sha512", 64),
    "hmac-sha512-256": (_wire("hmac-sha512-256"), "sha512", 32),
}
#: The names on the wire, by those that people write.
WIRE_NAMES: Final = {name: row[0] for name, row in _ALGORITHMS.items()}
#: By name on the wire: the hash, and how many octets a MAC has.
ALGORITHMS: Final = {wire: (hash_, size) for wire, hash_, size in _ALGORITHMS.values()}


@dataclass(frozen=True, slots=True)
class Key:
    """A TSIG key; `name` and `algorithm` (one of ALGORITHMS) in wire form and lower case."""

    name: bytes
    algorithm: bytes
    secret: bytes


class Signature(NamedTuple):
    """A TSIG record, and the message that it stands in without it, with the id that it had when it was signed."""

    message: bytes
    name: bytes
    algorithm: bytes
    time: int  # seconds since 1970
    fudge: int
    mac: bytes
    error: int
    other: bytes


@dataclass(frozen=True, slots=True)
class BadSignature:
    """Why a signature is not taken (BADKEY, BADSIG, BADTIME, BADTRUNC), and the record that says so to its sender.

    `key`: the one that it named, in wire form.
    """

    error: int
    key: bytes
    signer: "Signer | None"  # signs that answer; None: it goes unsigned
    unsigned: bytes = b""  # the TSIG record without a MAC


def signature(wire: bytes) -> Signature | None:
    """The signature of a message that `wire.parse` could read; None: it is not signed.

    Raises:
        ValueError, IndexError, struct.error: it has none that can be read.
    """
    questions, *counts = _COUNTS.unpack_from(wire, 4)
    if not counts[2]:
        return None
    at = 12
    for _ in range(questions):
        at = name_end(wire, at) + 4
    for _ in range(sum(counts) - 1):
        at = name_end(wire, at)
        at += _RECORD.size + _RECORD.unpack_from(wire, at)[3]
    begin, at = at, name_end(wire, at)
    rdtype, _, _, size = _RECORD.unpack_from(wire, at)
    if rdtype != TSIG:
        return None
    rdata = wire[at + _RECORD.size : at + _RECORD.size + size]
    algorithm = expanded(rdata, 0).lower()
    at = name_end(rdata, 0)
    high, low, fudge = _TIME.unpack_from(rdata, at)
    at += _TIME.size + 2 + int.from_bytes(rdata[at + _TIME.size : at + _TIME.size + 2])
    original, error, _ = _END.unpack_from(rdata, at)
    mac = rdata[name_end(rdata, 0) + _TIME.size + 2 : at]
    counts[2] -= 1
    message = original.to_bytes(2) + wire[2:4] + _COUNTS.pack(questions, *counts) + wire[12:begin]
    name = expanded(wire, begin).lower()
    return Signature(message, name, algorithm, high << 32 | low, fudge, mac, error, rdata[at + _END.size :])


def verified(found: Signature, keys: Mapping[bytes, Key], now: int) -> "Signer | BadSignature":
    """Who signs the answer to a question with that signature; or why it is not taken. `now`: seconds since 1970."""
    key = keys.get(found.name)
    if key is None or key.algorithm != found.algorithm:
        return _unsigned(found, BADKEY)
    signer = Signer(key, found)
    expected = signer.mac(found.message + _variables(key, found.time, found.fudge, found.error, found.other))
    # What is signed in an answer begins with this MAC: it must be the key's, or anybody could have us sign his words.
    is_long = len(found.mac) >= max(SHORTEST, len(expected) // 2)
    if found.error or not is_long or not hmac.compare_digest(expected[: len(found.mac)], found.mac):
        return _unsigned(found, BADSIG)
    if len(found.mac) < len(expected):
        return BadSignature(BADTRUNC, found.name, Signer(key, found, BADTRUNC))
    if abs(now - found.time) > found.fudge:
        other = _time(now, 0)[:6]
        return BadSignature(BADTIME, found.name, Signer(key, found, BADTIME, other))
    return signer


class Signer:
    """Signs the messages of an answer, one after the other."""

    def __init__(self, key: Key, asked: Signature | None = None, error: int = 0, other: bytes = b"") -> None:
        """`asked`: the signature of the question; None: this signs one."""
        self.key = key
        self._last = b"" if asked is None else asked.mac
        self._id = None if asked is None else asked.message[:2]  # None: that of what is signed
        self._at = (
            asked.time if asked is not None and error == BADTIME else None
        )  # None: the time that is given
        self._error, self._other = error, other
        self._is_first = True
        self._hash, self._size = ALGORITHMS[key.algorithm]

    @property
    def room(self) -> int:
        """Bytes that a signature takes."""
        return (
            len(self.key.name) + len(self.key.algorithm) + 26 + self._size + len(self._other)
        )  # 10, 8, 2, 6

    def mac(self, signed: bytes) -> bytes:
        """The MAC of those octets."""
        return hmac.digest(self.key.secret, signed, self._hash)[: self._size]

    def sign(self, message: bytes, now: int) -> bytes:
        """The message, signed at `now` (seconds since 1970)."""
        when = now if self._at is None else self._at
        before = len(self._last).to_bytes(2) + self._last if self._last else b""
        after = _time(when, FUDGE)
        if self._is_first:
            after = _variables(self.key, when, FUDGE, self._error, self._other)
        own = self._id or message[:2]
        mac = self.mac(before + own + message[2:] + after)
        self._last, self._is_first = mac, False
        end = _END.pack(int.from_bytes(own), self._error, len(self._other)) + self._other
        rdata = self.key.algorithm + _time(when, FUDGE) + len(mac).to_bytes(2) + mac + end
        return _with_record(message, _record(self.key.name, rdata))

    def accepts(self, wire: bytes, now: int) -> bool:
        """Whether `wire` is an answer, signed, to what this has signed last."""
        try:
            found = signature(wire)
        except (ValueError, IndexError, struct.error):
            return False
        if found is None or (found.name, found.algorithm) != (self.key.name, self.key.algorithm):
            return False
        variables = _variables(self.key, found.time, found.fudge, found.error, found.other)
        expected = self.mac(len(self._last).to_bytes(2) + self._last + found.message + variables)
        return hmac.compare_digest(expected, found.mac) and abs(now - found.time) <= found.fudge


def answered(refusal: BadSignature, message: bytes, now: int) -> bytes:
    """The answer `message`, which says NOTAUTH, with the record that says why."""
    if refusal.signer is not None:
        return refusal.signer.sign(message, now)
    return _with_record(message, refusal.unsigned)


def _unsigned(found: Signature, error: int) -> BadSignature:
    rdata = found.algorithm + _time(found.time, found.fudge) + b"\0\0"
    rdata += _END.pack(int.from_bytes(found.message[:2]), error, 0)
    return BadSignature(error, found.name, None, _record(found.name, rdata))


def _variables(key: Key, time: int, fudge: int, error: int, other: bytes) -> bytes:
    head = key.name + _RECORD.pack(TSIG, _ANY, 0, 0)[2:8] + key.algorithm
    return head + _time(time, fudge) + error.to_bytes(2) + len(other).to_bytes(2) + other


def _time(seconds: int, fudge: int) -> bytes:
    return _TIME.pack(seconds >> 32, seconds & 0xFFFFFFFF, fudge)


def _record(name: bytes, rdata: bytes) -> bytes:
    return name + _RECORD.pack(TSIG, _ANY, 0, len(rdata)) + rdata


def _with_record(message: bytes, record: bytes) -> bytes:
    additional = int.from_bytes(message[10:12]) + 1
    return message[:10] + additional.to_bytes(2) + message[12:] + record
