"""The fields of fixed size that rdata is made of, and names: text to octets and back.

    kind              text                               wire
    Number            65535                              1, 2 or 4 octets
    Interval          86400  1d                          4 octets
    Moment            20260131235959                     4 octets
    TypeField         MX  TYPE65280                      2 octets
    Mnemonic          13  ECDSAP256SHA256                1 or 2 octets
    Address4, 6       192.0.2.1  2001:db8::1             4, 16 octets
    Groups            00-00-5e-00-53-2a                  so many octets of hex with a separator
    Name              mail  mail.example.net.  @         labels
    Mailbox           hostmaster.example.net.            labels: those of the domain behind one for its user

A field raises ValueError, with a reason, for text or octets that are none of its kind; `present` raises it for
octets that its text could not give back. Fields of open length are in counted.py, fields of types that hardly
anyone uses in rare.py.

Source: RFC 1035 3.3 and 5.1, RFC 4034, 4398, 6742, 7043.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from xferzone.zonefile import rdtypes
from xferzone.zonefile.rdata import values
from xferzone.zonefile.rdata.values import shown
from xferzone.zonefile.scanner import Token

MAX_NAME = 255  # octets of a name in wire form; RFC 1035 3.1

#: A name's wire form from its text, or its text from its wire form.
NameCodec = Callable[[bytes], bytes]


class Form(NamedTuple):
    """How rdata is written: with names as `name` gives them; `is_frozen`: as canonical text has it, for ever, else as
    people are shown it, with every mnemonic that is known."""

    name: NameCodec
    is_frozen: bool = True


def _table(text: bytes) -> Mapping[bytes, int]:
    parts = text.split()
    return dict(zip(parts[::2], map(int, parts[1::2]), strict=True))


#: Of DNSSEC, as RFC 4034 A.1 and its successors name them, and as BIND and dnspython do.
ALGORITHMS = _table(b"""
    RSAMD5 1 DH 2 DSA 3 ECC 4 RSASHA1 5 DSANSEC3SHA1 6 DSA-NSEC3-SHA1 6 RSASHA1NSEC3SHA1 7 RSASHA1-NSEC3-SHA1 7
    RSASHA256 8 RSASHA512 10 ECCGOST 12 ECC-GOST 12 ECDSAP256SHA256 13 ECDSAP384SHA384 14 ED25519 15 ED448 16
    INDIRECT 252 PRIVATEDNS 253 PRIVATEOID 254
""")
#: Of CERT, RFC 4398 2.1.
CERTIFICATES = _table(b"PKIX 1 SPKI 2 PGP 3 IPKIX 4 ISPKI 5 IPGP 6 ACPKIX 7 IACPKIX 8 URI 253 OID 254")
#: Of WKS; other names would depend on the host's /etc/protocols.
PROTOCOLS = _table(b"TCP 6 UDP 17")
_QUESTIONS = frozenset((b"TKEY", b"TSIG", b"IXFR", b"AXFR", b"MAILB", b"MAILA", b"ANY"))
#: Of DSYNC, RFC 9859 2.1.
SCHEMES = _table(b"NOTIFY 1")


class Words:
    """The tokens of one record's rdata, taken from left to right."""

    def __init__(self, tokens: Sequence[Token], name: NameCodec) -> None:
        self.name = name
        self._tokens = tokens
        self._taken = 0

    def token(self) -> Token:
        if self._taken == len(self._tokens):
            raise ValueError("something is missing at its end")
        self._taken += 1
        return self._tokens[self._taken - 1]

    def word(self) -> bytes:
        """The next token, which must be a word."""
        token = self.token()
        if token.quoted:
            raise ValueError(f'"{shown(token.raw)}" must not stand in quotes')
        return token.raw

    def rest(self) -> list[Token]:
        """All that are left; maybe none."""
        left = list(self._tokens[self._taken :])
        self._taken = len(self._tokens)
        return left

    def words(self) -> Iterator[bytes]:
        """All that are left, which must be words; maybe none."""
        while self._taken < len(self._tokens):
            yield self.word()

    def joined(self) -> bytes:
        """The words that are left, as one; at least one."""
        return b"".join([self.word(), *self.words()])

    def end(self) -> None:
        if self._taken < len(self._tokens):
            raise ValueError(f"{shown(self._tokens[self._taken].raw)} is too much at its end")


class Field(ABC):
    """One field; instances are shared and hold no state."""

    @abstractmethod
    def parse(self, words: Words) -> bytes:
        """The wire form of the next words."""

    @abstractmethod
    def end(self, wire: bytes, at: int) -> int:
        """The offset behind the field that begins at `at`; it may lie behind the end of `wire`."""

    @abstractmethod
    def present(self, part: bytes, form: Form) -> bytes:
        """The text of the field's octets, which `end` has bounded."""


class Fixed(Field):
    """A field of `size` octets that one word stands for."""

    def __init__(self, size: int) -> None:
        self.size = size

    def end(self, wire: bytes, at: int) -> int:
        return at + self.size


class Number(Fixed):
    def parse(self, words: Words) -> bytes:
        return values.parse_number(words.word(), self.size)

    def present(self, part: bytes, form: Form) -> bytes:
        return b"%d" % int.from_bytes(part, "big")


class Interval(Number):
    def parse(self, words: Words) -> bytes:
        word = words.word()
        if (seconds := values.parse_interval(word)) >= 1 << 32:
            raise ValueError(f"{shown(word)} is more than 2^32 - 1 seconds")
        return seconds.to_bytes(4, "big")


class Moment(Fixed):
    def parse(self, words: Words) -> bytes:
        return values.parse_moment(words.word())

    def present(self, part: bytes, form: Form) -> bytes:
        return values.moment_text(part)


class TypeField(Fixed):
    def parse(self, words: Words) -> bytes:
        return parse_type_word(words.word()).to_bytes(2, "big")

    def present(self, part: bytes, form: Form) -> bytes:
        return type_word(int.from_bytes(part, "big"), form)


class Mnemonic(Number):
    """A number for which names may stand, in any case; it is written as a number."""

    def __init__(self, size: int, names: Mapping[bytes, int]) -> None:
        super().__init__(size)
        self._names = names

    def parse(self, words: Words) -> bytes:
        word = words.word()
        number = self._names.get(word.upper())
        return values.parse_number(word, self.size) if number is None else number.to_bytes(self.size, "big")


class Address4(Fixed):
    def parse(self, words: Words) -> bytes:
        return values.parse_ipv4(words.word())

    def present(self, part: bytes, form: Form) -> bytes:
        return values.ipv4_text(part)


class Address6(Fixed):
    def parse(self, words: Words) -> bytes:
        return values.parse_ipv6(words.word())

    def present(self, part: bytes, form: Form) -> bytes:
        return values.ipv6_text(part)


class Groups(Fixed):
    """Octets in lower-case hex, `together` of them a group, groups parted by `separator`; zeros that begin a group
    may be left out, and are written."""

    def __init__(self, size: int, together: int, separator: bytes) -> None:
        super().__init__(size)
        self._digits = 2 * together
        group = b"[0-9A-Fa-f]{1,%d}" % self._digits
        self._shape = re.compile(group + b"(?:%b%b)" % (separator, group) + b"{%d}" % (size // together - 1))
        self._separator = separator

    def parse(self, words: Words) -> bytes:
        word = words.word()
        if not self._shape.fullmatch(word):
            raise ValueError(
                f"{shown(word)} is not {self.size} octets in hex, parted by {self._separator.decode()}"
            )
        groups = word.split(self._separator)
        return bytes.fromhex(b"".join(group.rjust(self._digits, b"0") for group in groups).decode("ascii"))

    def present(self, part: bytes, form: Form) -> bytes:
        return part.hex(self._separator, self._digits // 2).encode("ascii")


class Name(Field):
    def parse(self, words: Words) -> bytes:
        return words.name(words.word())

    def end(self, wire: bytes, at: int) -> int:
        start = at
        while at < len(wire) and (length := wire[at]):
            if length > 63:
                raise ValueError("a name in it is compressed or damaged")
            at += length + 1
        if at + 1 - start > MAX_NAME:
            raise ValueError("a name in it is longer than 255 octets")
        return at + 1

    def present(self, part: bytes, form: Form) -> bytes:
        return form.name(part)


class Mailbox(Name):
    def parse(self, words: Words) -> bytes:
        word = words.word()
        user, at, domain = word.partition(b"@")
        if at and user and not user.endswith(b"\\"):
            meant = user.replace(b".", b"\\.") + b"." + domain.removesuffix(b".")
            raise ValueError(f"a mailbox has a dot in place of the @: write {shown(meant)}.")
        return words.name(word)


def parse_type_word(word: bytes) -> int:
    """The type that a word inside rdata means; types that only questions have by their number alone."""
    if word.upper() in _QUESTIONS:
        raise ValueError(f"{shown(word)} is a type that no record has")
    return rdtypes.parse_type(word)


def type_word(number: int, form: Form) -> bytes:
    """How a type inside rdata is written; one that only questions have by its number, as parse_type_word asks."""
    if form.is_frozen or not rdtypes.is_stored(number):
        return rdtypes.type_text(number)
    return rdtypes.type_name(number).encode("ascii")
