"""The fields of types that hardly anyone uses. Canonical text has a form for LOC and IPSECKEY alone.

    Location      42 21 54 N 71 6 18 W -24m 30m           LOC, 16 octets
    Prefixes      1:192.0.2.0/24 !2:2001:db8::/32         APL: (family 2, prefix 1, !N and length 1, address) ...
    Nsap          0x47.0005.80                            NSAP: the octets
    HostIdentity  2 200100107B1A AwEAAbdx                 HIP: length 1, algorithm 1, length 2, tag, key
    Names         rvs1 rvs2                               names to the end
    Gateway       1 2 192.0.2.1                           IPSECKEY: type of the gateway 1, algorithm 1, gateway
    Relay         1 2 2001:db8::1                         AMTRELAY: flag and type of the relay 1, relay
    Services      25 80                                   WKS: a bit for each port, to the end
    A6Suffix      (none)                                  A6: prefix length, rest of an address
    OldTypes      A MX TYPE127                            NXT: a bit for each type below 128, to the end

Source: RFC 1035 3.4.2, RFC 1706, 1876, 2535 5.2, 2874, 3123, 4025, 8005, 8777.
"""

import binascii
import re

from xferzone.zonefile.rdata import values
from xferzone.zonefile.rdata.counted import Base64, Opaque, Rest, base64_octets, hex_octets
from xferzone.zonefile.rdata.fields import (
    Address4,
    Address6,
    Field,
    Fixed,
    Form,
    Name,
    Number,
    Words,
    parse_type_word,
    type_word,
)
from xferzone.zonefile.rdata.values import shown

_MAX_BITMAP = 8192  # octets of a WKS: one bit for each of 65,536 ports
_METRES = re.compile(rb"(-?)([0-9]{1,8})(?:\.([0-9]{1,2}))?m?")
_SECONDS = re.compile(rb"([0-9]{1,2})(?:\.([0-9]{1,3}))?")
_EQUATOR = 1 << 31
_BELOW_ZERO = 10_000_000  # cm; where altitudes begin
_MAX_SIZE = 9_000_000_000  # cm; 90,000 km
_DEFAULT_SIZES = (100, 1_000_000, 1_000)  # cm: size, horizontal and vertical precision
_PREFIX = re.compile(rb"(!?)([12]):([0-9A-Fa-f.:]+)/([0-9]{1,3})")


class Location(Fixed):
    """A location, RFC 1876 2 and 3."""

    def parse(self, words: Words) -> bytes:
        left = list(words.words())
        latitude = _angle(left, b"NS", 90)
        longitude = _angle(left, b"EW", 180)
        if not 1 <= len(left) <= 4:
            raise ValueError("it must have an altitude, then at most three sizes")
        altitude = _centimetres(left[0].removeprefix(b"+")) + _BELOW_ZERO
        if not 0 <= altitude < 1 << 32:
            raise ValueError(f"the altitude {shown(left[0])} is not from -100000.00 to 42849672.95")
        sizes = [*map(_size, left[1:]), *_DEFAULT_SIZES[len(left) - 1 :]]
        coordinates = b"".join(value.to_bytes(4, "big") for value in (latitude, longitude, altitude))
        return bytes((0, *map(_mantissa, sizes))) + coordinates

    def present(self, part: bytes, form: Form) -> bytes:
        if part[0]:
            raise ValueError(f"it is a location of version {part[0]}")
        latitude, longitude, altitude = (int.from_bytes(part[at : at + 4], "big") for at in (4, 8, 12))
        return b"%b %b %bm %bm %bm %bm" % (
            _angle_text(latitude - _EQUATOR, b"NS", 90),
            _angle_text(longitude - _EQUATOR, b"EW", 180),
            _metres_text(altitude - _BELOW_ZERO),
            *(_metres_text(_centimetres_of(octet)) for octet in part[1:4]),
        )


class Prefixes(Field):
    """Address prefixes, maybe none, RFC 3123 4."""

    def parse(self, words: Words) -> bytes:
        return b"".join(map(_prefix, words.words()))

    def end(self, wire: bytes, at: int) -> int:
        while at < len(wire):
            at += 4 + (wire[at + 3] & 0x7F if at + 3 < len(wire) else 0)
        return at

    def present(self, part: bytes, form: Form) -> bytes:
        texts = []
        at = 0
        while at < len(part):
            family, flag, size = (
                int.from_bytes(part[at : at + 2], "big"),
                part[at + 3] >> 7,
                part[at + 3] & 0x7F,
            )
            address = part[at + 4 : at + 4 + size].ljust({1: 4, 2: 16}.get(family, 0), b"\0")
            written = {4: values.ipv4_text, 16: values.ipv6_text}.get(len(address))
            if written is None:
                raise ValueError("it has a prefix that is not of an IPv4 or IPv6 address")
            texts.append(b"%b%d:%b/%d" % (b"!" * flag, family, written(address), part[at + 2]))
            at += 4 + size
        return b" ".join(texts)


class Nsap(Rest):
    def parse(self, words: Words) -> bytes:
        word = words.word()
        if word[:2].lower() != b"0x":
            raise ValueError(f"{shown(word)} does not begin with 0x")
        return hex_octets(word[2:].replace(b".", b""))

    def present(self, part: bytes, form: Form) -> bytes:
        return b"0x" + part.hex().encode("ascii")


class HostIdentity(Field):
    """Tag and key of a host, with their lengths and the algorithm, RFC 8005 5."""

    def parse(self, words: Words) -> bytes:
        algorithm = values.parse_number(words.word(), 1)
        tag = hex_octets(words.word())
        key = base64_octets(words.word())
        if len(tag) > 255:
            raise ValueError(f"the tag has {len(tag)} octets, 255 are allowed")
        return bytes((len(tag),)) + algorithm + len(key).to_bytes(2, "big") + tag + key

    def end(self, wire: bytes, at: int) -> int:
        if len(wire) < at + 4:
            raise ValueError("it is too short")
        return at + 4 + wire[at] + int.from_bytes(wire[at + 2 : at + 4], "big")

    def present(self, part: bytes, form: Form) -> bytes:
        tag, key = part[4 : 4 + part[0]], part[4 + part[0] :]
        return b"%d %b %b" % (part[1], tag.hex().encode("ascii"), binascii.b2a_base64(key, newline=False))


class Names(Field):
    """Names, maybe none, to the end."""

    def parse(self, words: Words) -> bytes:
        return b"".join(map(words.name, words.words()))

    def end(self, wire: bytes, at: int) -> int:
        while at < len(wire):
            at = Name().end(wire, at)
        return at

    def present(self, part: bytes, form: Form) -> bytes:
        texts = []
        at = 0
        while at < len(part):
            end = Name().end(part, at)
            texts.append(form.name(part[at:end]))
            at = end
        return b" ".join(texts)


class Nothing(Fixed):
    """No octets, for which a dot stands."""

    def parse(self, words: Words) -> bytes:
        word = words.word()
        if word != b".":
            raise ValueError(f"{shown(word)} stands where a dot means that there is none")
        return b""

    def present(self, part: bytes, form: Form) -> bytes:
        return b"."


#: What a gateway or relay is, by its type.
_GATEWAYS = (Nothing(0), Address4(4), Address6(16), Name())


class Gateway(Field):
    """The type of the gateway, the algorithm of the key, and the gateway, RFC 4025 2."""

    def parse(self, words: Words) -> bytes:
        kind = Number(1).parse(words)
        return kind + Number(1).parse(words) + _gateway(kind[0]).parse(words)

    def end(self, wire: bytes, at: int) -> int:
        return _gateway(wire[at]).end(wire, at + 2) if at < len(wire) else at + 1

    def present(self, part: bytes, form: Form) -> bytes:
        return b"%d %d %b" % (part[0], part[1], _gateway(part[0]).present(part[2:], form))


class Relay(Field):
    """Whether discovery is optional, 0 or 1, the type of the relay, and the relay, RFC 8777 4.2."""

    def parse(self, words: Words) -> bytes:
        flag, kind = words.word(), values.parse_number(words.word(), 1)[0]
        if flag not in (b"0", b"1") or kind > 0x7F:
            raise ValueError("it must have 0 or 1, then a type of relay from 0 to 127")
        return bytes((int(flag) << 7 | kind,)) + _gateway(kind).parse(words)

    def end(self, wire: bytes, at: int) -> int:
        return _gateway(wire[at] & 0x7F).end(wire, at + 1) if at < len(wire) else at + 1

    def present(self, part: bytes, form: Form) -> bytes:
        kind = part[0] & 0x7F
        return b"%d %d %b" % (part[0] >> 7, kind, _gateway(kind).present(part[1:], form))


class MaybeBase64(Base64):
    """Octets in base64, maybe none, to the end."""

    def parse(self, words: Words) -> bytes:
        joined = b"".join(words.words())
        return base64_octets(joined) if joined else b""

    def present(self, part: bytes, form: Form) -> bytes:
        return binascii.b2a_base64(part, newline=False)


class Services(Rest):
    """The ports of a WKS, by number: what a name means would depend on the host's /etc/services."""

    def parse(self, words: Words) -> bytes:
        ports = [int.from_bytes(values.parse_number(word, 2), "big") for word in words.words()]
        bitmap = bytearray(max(ports, default=-1) // 8 + 1)
        for port in ports:
            bitmap[port // 8] |= 0x80 >> port % 8
        return bytes(bitmap)

    def end(self, wire: bytes, at: int) -> int:
        if len(wire) - at > _MAX_BITMAP:
            raise ValueError("it is too long")
        return len(wire)

    def present(self, part: bytes, form: Form) -> bytes:
        return b" ".join(b"%d" % port for port in range(8 * len(part)) if part[port // 8] & 0x80 >> port % 8)


class OldTypes(Opaque):
    """The bitmap of NXT, whose first bit stands for a form that nobody has defined; RFC 2535 5.2."""

    def parse(self, words: Words) -> bytes:
        numbers = [parse_type_word(word) for word in [words.word(), *words.words()]]
        if max(numbers) > 127:
            raise ValueError("a type over 127 in it")
        bitmap = bytearray(max(numbers) // 8 + 1)
        for number in numbers:
            bitmap[number // 8] |= 0x80 >> number % 8
        return bytes(bitmap)

    def present(self, part: bytes, form: Form) -> bytes:
        if not part or part[0] & 0x80 or not part[-1] or len(part) > 16:
            raise ValueError("it has a bitmap of another form")
        bits = int.from_bytes(part, "big")
        return b" ".join(
            type_word(number, form)
            for number in range(8 * len(part))
            if bits >> (8 * len(part) - 1 - number) & 1
        )


class LastName(Name):
    """A name that may be missing at the end of the wire form."""

    def end(self, wire: bytes, at: int) -> int:
        return super().end(wire, at) if at < len(wire) else at


class A6Suffix(Field):
    """The prefix length of A6 and the octets of the address that it leaves; RFC 2874 3.1. No text."""

    def parse(self, words: Words) -> bytes:
        raise ValueError(r"write it as \# length hex")

    def end(self, wire: bytes, at: int) -> int:
        if not wire or wire[at] > 128:
            raise ValueError("its prefix length is over 128")
        return at + 1 + (128 - wire[at] + 7) // 8

    def present(self, part: bytes, form: Form) -> bytes:
        raise ValueError("no text of A6 is read")


def _gateway(kind: int) -> Field:
    if kind >= len(_GATEWAYS):
        raise ValueError(f"it has a gateway of kind {kind}; 0 to 3 are known")
    return _GATEWAYS[kind]


def _angle(words: list[bytes], hemispheres: bytes, most: int) -> int:
    """The thousandths of seconds, from 2^31 on, of the degrees, minutes, seconds and hemisphere that `words` begin
    with, which are taken away."""
    end = next((index for index, word in enumerate(words[:4]) if len(word) == 1 and word in hemispheres), 0)
    parts = words[:end]
    if not parts or not all(map(_SECONDS.fullmatch, parts[2:])) or not all(map(_is_number, parts[:2])):
        both = "/".join(chr(letter) for letter in hemispheres)
        raise ValueError(f"it must have degrees, maybe minutes and seconds, then {both}")
    degrees, minutes = int(parts[0]), int(parts[1]) if end > 1 else 0
    seconds, _, fraction = (parts[2] if end > 2 else b"0").partition(b".")
    thousandths = ((degrees * 60 + minutes) * 60 + int(seconds)) * 1000 + int(fraction.ljust(3, b"0"))
    if minutes > 59 or int(seconds) > 59 or thousandths > most * 3_600_000:
        raise ValueError(f"{shown(b' '.join(parts))} is not an angle from 0 to {most} degrees")
    is_negative = words[end] == hemispheres[1:]
    del words[: end + 1]
    return _EQUATOR - thousandths if is_negative else _EQUATOR + thousandths


def _angle_text(thousandths: int, hemispheres: bytes, most: int) -> bytes:
    """Degrees, minutes, seconds and hemisphere of thousandths of seconds, north or east counted up."""
    seconds, fraction = divmod(abs(thousandths), 1000)
    if abs(thousandths) > most * 3_600_000:
        raise ValueError(f"it has an angle of more than {most} degrees")
    degrees, minutes = seconds // 3600, seconds // 60 % 60
    return b"%d %d %d.%03d %c" % (degrees, minutes, seconds % 60, fraction, hemispheres[thousandths < 0])


def _metres_text(centimetres: int) -> bytes:
    """Metres with two decimals."""
    return b"%b%d.%02d" % (b"-" * (centimetres < 0), *divmod(abs(centimetres), 100))


def _centimetres_of(octet: int) -> int:
    """The centimetres of a digit and a power of ten."""
    digit, power = octet >> 4, octet & 0x0F
    if digit > 9 or power > 9 or (power and not digit):
        raise ValueError(f"it has a size of {digit}e{power} centimetres")
    return int(digit * 10**power)


def _is_number(word: bytes) -> bool:
    return word.isdigit() and len(word) <= 3


def _centimetres(word: bytes) -> int:
    match = _METRES.fullmatch(word)
    if match is None:
        raise ValueError(f"{shown(word)} is not a number of metres")
    centimetres = int(match[2]) * 100 + int((match[3] or b"").ljust(2, b"0"))
    return -centimetres if match[1] else centimetres


def _size(word: bytes) -> int:
    centimetres = _centimetres(word)
    if not 0 <= centimetres <= _MAX_SIZE:
        raise ValueError(f"the size {shown(word)} is not from 0 to 90000000.00")
    return centimetres


def _mantissa(centimetres: int) -> int:
    """One digit and a power of ten in one octet, what is below cut off, as BIND does."""
    digits = str(centimetres)
    return int(digits[0]) << 4 | len(digits) - 1


def _prefix(word: bytes) -> bytes:
    match = _PREFIX.fullmatch(word)
    if match is None:
        raise ValueError(f"{shown(word)} is not an address prefix such as 1:192.0.2.0/24 or !2:2001:db8::/32")
    family, length = int(match[2]), int(match[4])
    address = values.parse_ipv4(match[3]) if family == 1 else values.parse_ipv6(match[3])
    if length > 8 * len(address):
        raise ValueError(f"{shown(word)} has a prefix of {length} bits")
    part = address.rstrip(b"\0")
    return bytes((0, family, length, (0x80 if match[1] else 0) | len(part))) + part
