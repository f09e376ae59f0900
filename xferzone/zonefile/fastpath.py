r"""The rdata of common lines straight to wire form: what zones are made of, in the spelling of canonical text.

    A AAAA NS CNAME DNAME PTR MX SRV SOA TXT SPF CAA      one function a type
    RRSIG NSEC DNSKEY DS TLSA SVCB ...                    their layout, where no word needs the scanner
    any type as \# length hex

Each function takes the rest of a line and gives the same octets as layouts.parsed would, or raises ValueError: then the
line is read the long way, which gives the octets or the reason. So nothing here needs to explain itself, and
whatever looks unusual is simply refused.
"""

import binascii
import re
import struct
from collections.abc import Callable, Mapping

from xferzone.zonefile import rdtypes
from xferzone.zonefile.rdata import layouts, values
from xferzone.zonefile.rdata.names import NameReader
from xferzone.zonefile.scanner import Token

#: From the text of some rdata to its canonical wire form; raises ValueError for all that it does not know.
RdataParser = Callable[[bytes], bytes]

_OCTETS = {b"%d" % value: bytes((value,)) for value in range(256)}
_IPV6 = re.compile(rb"(?:[0-9a-fA-F]{1,4})?(?::(?:[0-9a-fA-F]{1,4})?){2,8}")
_EIGHT = struct.Struct(">8H")
_FIVE = struct.Struct(">5I")
_PLAIN_WORDS = re.compile(rb"[!#-'*-:<-\[\]-~]+(?: [!#-'*-:<-\[\]-~]+)*")
_CAA = re.compile(rb'([0-9]{1,3}) ([0-9A-Za-z]{1,255}) "([^"\\]*)"')
_QUOTED_STRING = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL)
_QUOTED_STRINGS = re.compile(b"%b(?: %b)*" % (_QUOTED_STRING.pattern, _QUOTED_STRING.pattern), re.DOTALL)
_GENERIC = re.compile(rb"\\# ([0-9]{1,5})(?: ([0-9a-fA-F]+))?")

# NAPTR, HINFO and URI are left out: in canonical text they have quotes inside.
_BY_WORDS = b"""
    AFSDB RP KX LP LOC CERT KEY DNSKEY CDNSKEY DS CDS TLSA SMIMEA SSHFP ZONEMD OPENPGPKEY DHCID IPSECKEY EUI48 EUI64
    NID L64 L32 CSYNC NSEC NSEC3 NSEC3PARAM RRSIG SVCB HTTPS
""".split()


# long: one closure for each way to read names in rdata
def parsers(name: NameReader) -> Mapping[bytes, tuple[int, RdataParser]]:
    """Type mnemonic -> its number and parser; names in rdata are completed with the origin of `name`."""

    def lowered_name(text: bytes) -> bytes:
        return name(text).lower()

    def mx(text: bytes) -> bytes:
        preference, _, exchange = text.partition(b" ")
        return _u16(preference) + name(exchange).lower()

    def srv(text: bytes) -> bytes:
        priority, weight, port, target = text.split(b" ")
        return _u16(priority) + _u16(weight) + _u16(port) + name(target).lower()

    def soa(text: bytes) -> bytes:
        mname, rname, *numbers = text.split(b" ")
        serial, refresh, retry, expire, minimum = map(_number, numbers)
        return (name(mname) + name(rname)).lower() + _FIVE.pack(serial, refresh, retry, expire, minimum)

    def by_layout(rdtype: int) -> RdataParser:
        def words(text: bytes) -> bytes:
            if not _PLAIN_WORDS.fullmatch(text):
                raise ValueError
            return layouts.parsed(rdtype, [Token(word) for word in text.split(b" ")], name)

        return words

    own: dict[bytes, RdataParser] = {
        b"A": _ipv4,
        b"AAAA": _ipv6,
        b"MX": mx,
        b"SRV": srv,
        b"SOA": soa,
        b"TXT": _strings,
        b"SPF": _strings,
    }
    own |= dict.fromkeys([b"NS", b"CNAME", b"DNAME", b"PTR"], lowered_name)
    own[b"CAA"] = _caa
    own |= {mnemonic: by_layout(rdtypes.MNEMONICS[mnemonic]) for mnemonic in _BY_WORDS}
    return {mnemonic: (rdtypes.MNEMONICS[mnemonic], parser) for mnemonic, parser in own.items()}


def generic(rdtype: int, text: bytes) -> bytes:
    r"""The wire form of `\# length hex`."""
    match = _GENERIC.fullmatch(text)
    if match is None:
        raise ValueError
    wire = binascii.unhexlify(match[2] or b"")
    if len(wire) != int(match[1]):
        raise ValueError
    return layouts.canonical(rdtype, wire)


def _number(text: bytes) -> int:
    # int() alone would take signs, blanks and underscores.
    if not text.isdigit() or len(text) > 10 or (value := int(text)) > 0xFFFF_FFFF:
        raise ValueError
    return value


def _u16(text: bytes) -> bytes:
    value = _number(text)
    if value > 0xFFFF:
        raise ValueError
    return value.to_bytes(2, "big")


def _ipv4(text: bytes) -> bytes:
    try:
        a, b, c, d = text.split(b".")
        return _OCTETS[a] + _OCTETS[b] + _OCTETS[c] + _OCTETS[d]
    except KeyError:
        raise ValueError from None


def _ipv6(text: bytes) -> bytes:
    if not _IPV6.fullmatch(text):
        raise ValueError
    head, gap, tail = text.partition(b"::")
    front = [int(group, 16) for group in head.split(b":")] if head else []
    back = [int(group, 16) for group in tail.split(b":")] if tail else []
    missing = 8 - len(front) - len(back)
    if missing < 1 if gap else missing:
        raise ValueError
    return _EIGHT.pack(*front, *[0] * missing, *back)


def _strings(text: bytes) -> bytes:
    if b"\\" in text:
        if not _QUOTED_STRINGS.fullmatch(text):
            raise ValueError
        parts = [values.unescaped(part) for part in _QUOTED_STRING.findall(text)]
    else:
        if len(text) < 2 or text[0] != 0x22 or text[-1] != 0x22:
            raise ValueError
        inner = text[1:-1]
        if b'"' not in inner and len(inner) < 256:
            return bytes((len(inner),)) + inner
        parts = inner.split(b'" "')
        if any(b'"' in part for part in parts):
            raise ValueError
    # bytes() refuses the length of a string of more than 255 octets.
    return b"".join([bytes((len(part),)) + part for part in parts])


def _caa(text: bytes) -> bytes:
    match = _CAA.fullmatch(text)
    if match is None or (flags := int(match[1])) > 255:
        raise ValueError
    return bytes((flags, len(match[2]))) + match[2] + match[3]
