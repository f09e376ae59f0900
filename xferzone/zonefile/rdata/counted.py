"""The fields of rdata whose length is counted, or that take all octets that are left.

    kind          text                               wire
    String        "text"  word                       length octet, octets
    Strings       "text" "text" ...                  at least one String, to the end
    Tag           issue                              length octet, 1 to 255 letters and digits
    Salt          -  c0ffee                          length octet, octets
    Hash          base32hex, 8 digits for 5 octets   length octet, octets
    Text          "text"                             the octets, to the end
    Hex, Base64   c0ffee  wP/u                       the octets, to the end; in text maybe several words
    Digest        c0ffee                             Hex, of the length that the octet before it asks for
    Types         A MX TYPE65280                     windows of RFC 4034 4.1.2, to the end
    Opaque        (none)                             so many octets, to the end

Source: RFC 1035 3.3, RFC 4034, 4509, 5155, 6605, 8659.
"""

import base64
import binascii
import re
from collections.abc import Mapping

from xferzone.zonefile.rdata import values
from xferzone.zonefile.rdata.fields import Field, Form, Words, parse_type_word, type_word
from xferzone.zonefile.rdata.values import shown
from xferzone.zonefile.scanner import Token

_ALPHANUMERIC = re.compile(rb"[0-9A-Za-z]{1,255}")


class String(Field):
    def parse(self, words: Words) -> bytes:
        return _string(words.token())

    def end(self, wire: bytes, at: int) -> int:
        if at >= len(wire):
            raise ValueError("it is too short")
        return at + 1 + wire[at]

    def present(self, part: bytes, form: Form) -> bytes:
        return values.quoted(part[1:])


class Tag(String):
    def parse(self, words: Words) -> bytes:
        word = words.token().raw
        if not _ALPHANUMERIC.fullmatch(word):
            raise ValueError(f"{shown(word)} is not 1 to 255 letters and digits")
        return bytes((len(word),)) + word

    def present(self, part: bytes, form: Form) -> bytes:
        if not _ALPHANUMERIC.fullmatch(part[1:]):
            raise ValueError("its tag is not letters and digits")
        return part[1:]


class Strings(Field):
    """Character-strings to the end, at least one, at most `most`."""

    def __init__(self, most: int = 0xFFFF) -> None:
        self._most = most

    def parse(self, words: Words) -> bytes:
        tokens = [words.token(), *words.rest()]
        if len(tokens) > self._most:
            raise ValueError(f"{len(tokens)} character-strings, {self._most} are allowed")
        return b"".join(map(_string, tokens))

    def end(self, wire: bytes, at: int) -> int:
        if at >= len(wire):
            raise ValueError("it has no character-string")
        while at < len(wire):
            at += 1 + wire[at]
        return at

    def present(self, part: bytes, form: Form) -> bytes:
        texts = []
        at = 0
        while at < len(part):
            texts.append(values.quoted(part[at + 1 : at + 1 + part[at]]))
            at += 1 + part[at]
        return b" ".join(texts)


class Rest(Field):
    """A field that takes all octets that are left; at least `least`."""

    def __init__(self, least: int = 0) -> None:
        self._least = least

    def end(self, wire: bytes, at: int) -> int:
        if len(wire) - at < self._least:
            raise ValueError("it is too short")
        return len(wire)


class Text(Rest):
    def parse(self, words: Words) -> bytes:
        return values.unescaped(words.token().raw)

    def present(self, part: bytes, form: Form) -> bytes:
        return values.quoted(part)


class SomeText(Text):
    """Text that is written if there is any: BIND 9.20 refuses the empty target of a URI, and takes its octets."""

    def present(self, part: bytes, form: Form) -> bytes:
        return super().present(part, form) if part else _some(part)


class Hex(Rest):
    def parse(self, words: Words) -> bytes:
        return hex_octets(words.joined())

    def present(self, part: bytes, form: Form) -> bytes:
        return _some(part.hex().encode("ascii"))


class Base64(Rest):
    def parse(self, words: Words) -> bytes:
        return base64_octets(words.joined())

    def present(self, part: bytes, form: Form) -> bytes:
        return _some(binascii.b2a_base64(part, newline=False))


class Digest(Hex):
    """A digest, behind the octet that says which: `sizes` of those that have one."""

    def __init__(self, sizes: Mapping[int, int]) -> None:
        super().__init__()
        self._sizes = sizes

    def end(self, wire: bytes, at: int) -> int:
        size = self._sizes.get(wire[at - 1])
        if size not in (None, len(wire) - at):
            raise ValueError(
                f"its digest has {len(wire) - at} octets, not {size} as type {wire[at - 1]} asks"
            )
        return super().end(wire, at)


class Salt(String):
    def parse(self, words: Words) -> bytes:
        word = words.word()
        return _counted(b"" if word == b"-" else hex_octets(word))

    def present(self, part: bytes, form: Form) -> bytes:
        return part[1:].hex().encode("ascii") or b"-"


class Hash(String):
    def parse(self, words: Words) -> bytes:
        word = words.word()
        try:
            if b"=" not in word:
                return _counted(base64.b32hexdecode(word, casefold=True))
        except binascii.Error:
            pass
        raise ValueError(f"{shown(word)} is not base32hex: groups of 8 digits, without padding")

    def present(self, part: bytes, form: Form) -> bytes:
        text = base64.b32hexencode(part[1:]).lower()
        if text.endswith(b"="):
            raise ValueError("its hash is not groups of 5 octets, which BIND and Knot want")
        return _some(text)


class Types(Field):
    def parse(self, words: Words) -> bytes:
        windows: dict[int, bytearray] = {}
        for word in words.words():
            number = parse_type_word(word)
            window = windows.setdefault(number >> 8, bytearray())
            octet = (number & 0xFF) >> 3
            window.extend(bytes(max(0, octet + 1 - len(window))))
            window[octet] |= 0x80 >> (number & 7)
        return b"".join(bytes((high, len(windows[high]))) + windows[high] for high in sorted(windows))

    def end(self, wire: bytes, at: int) -> int:
        while at < len(wire):
            length = wire[at + 1] if at + 1 < len(wire) else 0
            if not 1 <= length <= 32:
                raise ValueError("a window of its type bitmap is not 1 to 32 octets")
            at += 2 + length
        return at

    def present(self, part: bytes, form: Form) -> bytes:
        texts = []
        at, before = 0, -1
        while at < len(part):
            high, length = part[at], part[at + 1]
            window = part[at + 2 : at + 2 + length]
            if high <= before or window[-1] == 0:
                raise ValueError("the windows of its type bitmap are out of order or padded")
            bits = int.from_bytes(window, "big")
            texts += [
                type_word(high << 8 | low, form)
                for low in range(8 * length)
                if bits >> (8 * length - 1 - low) & 1
            ]
            at, before = at + 2 + length, high
        return b" ".join(texts)


class Opaque(Rest):
    """Octets that are checked for their number only; text for them is read elsewhere or not at all."""

    def __init__(self, least: int = 0, most: int = 0xFFFF) -> None:
        super().__init__(least)
        self._most = most

    def parse(self, words: Words) -> bytes:
        raise ValueError(r"write it as \# length hex")

    def end(self, wire: bytes, at: int) -> int:
        if len(wire) - at > self._most:
            raise ValueError("it is too long")
        return super().end(wire, at)

    def present(self, part: bytes, form: Form) -> bytes:
        raise ValueError("it is written in generic form")


def hex_octets(digits: bytes) -> bytes:
    """The octets of an even number of hex digits, at least two; raises ValueError."""
    try:
        return binascii.unhexlify(digits)
    except binascii.Error as exc:
        raise ValueError(f"{shown(digits)} is not an even number of hex digits") from exc


def base64_octets(text: bytes) -> bytes:
    """The octets of padded base64; raises ValueError."""
    try:
        octets = binascii.a2b_base64(text, strict_mode=True)
    except binascii.Error as exc:
        raise ValueError(f"{shown(text)} is not base64: {exc}") from exc
    # a2b_base64 lets padding be too long, and bits that go nowhere be set.
    if binascii.b2a_base64(octets, newline=False) != text:
        raise ValueError(f"{shown(text)} is not base64: its end stands for no whole octets")
    return octets


def _string(token: Token) -> bytes:
    text = values.unescaped(token.raw)
    if len(text) > values.MAX_STRING:
        raise ValueError(f"a character-string of {len(text)} octets, 255 are allowed: divide it into several")
    return _counted(text)


def _counted(part: bytes) -> bytes:
    if len(part) > 255:
        raise ValueError(f"{len(part)} octets, 255 are allowed")
    return bytes((len(part),)) + part


def _some(text: bytes) -> bytes:
    if not text:
        raise ValueError("it has an empty field that no text stands for")
    return text
