r"""The small values that rdata is made of, between text and octets.

    character string   "a \"b\" \000"  a\032b      \DDD is one octet, \X is X
    IPv4 address       192.0.2.1                   four decimals, no leading zeros
    IPv6 address       2001:db8::1                 written as RFC 5952 says; ::ffff:192.0.2.1 if v4-mapped
    interval           3600  1h30m  1w2d           seconds, or runs of number and unit, in any case
    moment             20260131235959  1769903999  of RRSIG: UTC, or seconds since 1970; modulo 2^32 (RFC 4034 3.1.5)

Every parser raises ValueError with a reason that names what it was given. Source: RFC 1035 5.1, RFC 4034 3.2,
RFC 4291 2.2, RFC 5952; intervals as BIND 9 takes them.
"""

import re
import struct
from datetime import UTC, datetime

MAX_STRING = 255  # octets in one character-string; RFC 1035 3.3

_ESCAPE = re.compile(rb"\\([0-9]{3}|[^0-9])", re.DOTALL)
_QUOTED_PLAIN = re.compile(rb"[ !#-\[\]-~]*")
_QUOTED = [
    b"\\%c" % octet if octet in b'"\\' else bytes((octet,)) if 0x20 <= octet <= 0x7E else b"\\%03d" % octet
    for octet in range(256)
]
_DECIMALS = {b"%d" % value: value for value in range(256)}
_HEX_GROUP = re.compile(rb"[0-9A-Fa-f]{1,4}")
_ZERO_RUNS = [b":0" * count + b":" for count in range(8, 1, -1)]
_MAPPED = b"\0" * 10 + b"\xff\xff"
_INTERVAL = re.compile(rb"(?:[0-9]+[wdhmsWDHMS])+")
_INTERVAL_PART = re.compile(rb"([0-9]+)([wdhms])")
_SECONDS = {b"w": 604_800, b"d": 86_400, b"h": 3_600, b"m": 60, b"s": 1}
_MOMENT = re.compile(rb"([0-9]{4})" + rb"([0-9]{2})" * 5)
_LONGEST_NUMBER = 20  # digits; int() of a longer one would be slow and is out of every range


def shown(text: bytes) -> str:
    """The start of `text` as an error message may carry it."""
    cut = text if len(text) <= 40 else text[:40] + b"..."
    return cut.decode("ascii", "backslashreplace")


def without_escapes(raw: bytes) -> bytes:
    """The text without its escapes; a backslash that remains escapes nothing."""
    return _ESCAPE.sub(b"", raw)


def unescaped(raw: bytes) -> bytes:
    """The octets of a word or of what stands between two quotes."""
    if b"\\" not in raw:
        return raw
    if b"\\" in without_escapes(raw):
        raise ValueError(f"a backslash in {shown(raw)} is not followed by three digits or another character")
    return _ESCAPE.sub(_octet, raw)


def quoted(octets: bytes) -> bytes:
    """Octets in quotes: printable ASCII and blanks as they are, quote and backslash escaped, else \\DDD."""
    if _QUOTED_PLAIN.fullmatch(octets):
        return b'"%b"' % octets
    return b'"%b"' % b"".join([_QUOTED[octet] for octet in octets])


def parse_number(text: bytes, size: int) -> bytes:
    """The `size` octets, big-endian, of a decimal number; digits only."""
    if text.isdigit() and len(text) <= _LONGEST_NUMBER and (number := int(text)) < 1 << 8 * size:
        return number.to_bytes(size, "big")
    raise ValueError(f"{shown(text)} is not a number from 0 to {(1 << 8 * size) - 1}")


def parse_interval(text: bytes) -> int:
    """Seconds of an interval; any size."""
    if text.isdigit() and len(text) <= _LONGEST_NUMBER:
        return int(text)
    if len(text) > 2 * _LONGEST_NUMBER or not _INTERVAL.fullmatch(text):
        raise ValueError(f"{shown(text)} is not a number of seconds or an interval such as 1h30m")
    return sum(int(count) * _SECONDS[unit] for count, unit in _INTERVAL_PART.findall(text.lower()))


def parse_ipv4(text: bytes) -> bytes:
    """The 4 octets of a dotted quad."""
    try:
        a, b, c, d = text.split(b".")
        return bytes((_DECIMALS[a], _DECIMALS[b], _DECIMALS[c], _DECIMALS[d]))
    except (ValueError, KeyError):
        raise ValueError(f"{shown(text)} is not an IPv4 address") from None


def ipv4_text(octets: bytes) -> bytes:
    """The dotted quad of 4 octets."""
    return b"%d.%d.%d.%d" % tuple(octets)


def parse_ipv6(text: bytes) -> bytes:
    """The 16 octets of an address in any form of RFC 4291 2.2, without zone index."""
    head, gap, tail = text.partition(b"::")
    try:
        front, back = _groups(head, not gap), _groups(tail, True)
    except ValueError:
        raise ValueError(f"{shown(text)} is not an IPv6 address") from None
    missing = 16 - len(front) - len(back)
    if missing < 2 if gap else missing:
        raise ValueError(f"{shown(text)} is not an IPv6 address")
    return front + bytes(missing) + back


def ipv6_text(octets: bytes) -> bytes:
    """The address of 16 octets as RFC 5952 writes it."""
    if octets.startswith(_MAPPED):
        return b"::ffff:" + ipv4_text(octets[12:])
    padded = b":%x:%x:%x:%x:%x:%x:%x:%x:" % struct.unpack(">8H", octets)
    for run in _ZERO_RUNS:
        # The first of the longest runs, as RFC 5952 4.2.3 asks.
        if (at := padded.find(run)) >= 0:
            return padded[1:at] + b"::" + padded[at + len(run) : -1]
    return padded[1:-1]


def parse_moment(text: bytes) -> bytes:
    """The 4 octets of a moment."""
    if text.isdigit() and len(text) <= 10 and int(text) < 1 << 32:
        return int(text).to_bytes(4, "big")
    if match := _MOMENT.fullmatch(text):
        year, month, day, hour, minute, second = map(int, match.groups())
        try:
            moment = datetime(year, month, day, hour, minute, tzinfo=UTC)
        except ValueError as exc:
            raise ValueError(f"{shown(text)} is not a moment: {exc}") from exc
        if second <= 60:  # a leap second
            return ((int(moment.timestamp()) + second) % (1 << 32)).to_bytes(4, "big")
    raise ValueError(f"{shown(text)} is not a moment YYYYMMDDHHmmSS, or a number of seconds below 2^32")


def moment_text(octets: bytes) -> bytes:
    """YYYYMMDDHHmmSS, in UTC, of 4 octets."""
    moment = datetime.fromtimestamp(int.from_bytes(octets, "big"), UTC)
    return moment.strftime("%Y%m%d%H%M%S").encode("ascii")


def _octet(escape: re.Match[bytes]) -> bytes:
    digits = escape[1]
    if len(digits) == 1:
        return digits
    if int(digits) > 255:
        raise ValueError(f"\\{digits.decode('ascii')} is not an octet")
    return bytes((int(digits),))


def _groups(text: bytes, may_end_in_ipv4: bool) -> bytes:
    """The octets of colon-separated groups, the last of which may be a dotted quad; none for no text."""
    if not text:
        return b""
    made = []
    *groups, last = text.split(b":")
    for group in groups:
        made.append(_group(group))
    made.append(parse_ipv4(last) if may_end_in_ipv4 and b"." in last else _group(last))
    return b"".join(made)


def _group(text: bytes) -> bytes:
    if not _HEX_GROUP.fullmatch(text):
        raise ValueError(text)
    return int(text, 16).to_bytes(2, "big")
