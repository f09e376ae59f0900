r"""Names in every form that xferzone gives them, without I/O.

    presentation   RFC 1035 5.1: Example.com.  _a\.b  \000x          what people type, what zone text holds
    zone id        example.com  %2a.example  0%2f25.example  %root   branches, file names, keys, URLs
    wire labels    (b"www", b"a") relative to the zone, leftmost first; () is the apex
    owner          Record.owner: wire labels in lower-case presentation form: b"@", b"www.a", b"x\046y"
    sort key       what tables of owners are ordered and searched by

A zone id is the labels in lower case, joined by dots, no final dot. Each byte outside [a-z0-9_-] is
written %xx (two lower-case hex digits), and so are a "-" that begins the whole and the first letter of a
first label that Windows reserves (con, prn, aux, nul, com0-9, lpt0-9): file names begin with the zone id.

A sort key is, for each label from the one next to the apex down to the leftmost, its octets in lower case
(ASCII), 0x00 written 01 01 and 0x01 written 01 02, then one 0x00. Comparing keys as bytes is the DNSSEC
canonical order of names; a name is at or below another exactly if its key begins with the other's.

Source: RFC 1035 5.1 (escapes), RFC 4034 6.1 (order), RFC 4343 (case); the rest is ours.
"""

import re
from collections.abc import Sequence

import dns.exception
import dns.name

from xferzone.errors import UsageError
from xferzone.zonefile import foreign

MAX_ZONE_ID = 200  # bytes; so that "<zone id>.zone.d" stays below the 255 that file systems allow a name

_ROOT = "%root"
_RESERVED = re.compile(
    rb"con|prn|aux|nul|com[0-9]|lpt[0-9]"
)  # Microsoft, "Naming Files, Paths, and Namespaces"
_PLAIN_IN_ID = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789_-")
_ESCAPED_IN_ID = re.compile(r"%([0-9a-f]{2})")
_LOOKS_LIKE_ID = re.compile(r"(?<!\\)(?:\\\\)*%[0-9a-fA-F]{2}|\A%[rR][oO][oO][tT]\.?\Z")

# All others are written \DDD: Knot refuses 20 of the printable octets without escape, and NSD misreads "\\.".
_PLAIN = b"-/*_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PRESENTED = [bytes((octet,)) if octet in _PLAIN else b"\\%03d" % octet for octet in range(256)]
_NEEDS_ESCAPE = re.compile(rb"[^-./*0-9A-Z_a-z]")
_BARE = re.compile(rb"[^!#$%&\'*+,\-/0-9:<=>?A-Z\[\]^_`a-z{|}~]")  # nowhere in a name unless escaped
_NAME_TOKEN = re.compile(rb"((?:[^\\.]|\\(?:[0-9]{3}|[\t -/:-~]))*)(\.|\Z)", re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-9]{3}|[\t -/:-~])")
_KEY_ESCAPE = re.compile(rb"\x01([\x01\x02])")


def zone_id(name: dns.name.Name) -> str:
    """The zone id of an absolute name.

    Raises:
        ValueError: `name` is relative, or its id would be longer than MAX_ZONE_ID.
    """
    if not name.is_absolute():
        raise ValueError(f"{name} is not absolute")
    if name == dns.name.root:
        return _ROOT
    labels = [label.lower() for label in name.labels[:-1]]
    written = [[chr(o) if o in _PLAIN_IN_ID else f"%{o:02x}" for o in label] for label in labels]
    if labels[0].startswith(b"-") or _RESERVED.fullmatch(labels[0]):
        written[0][0] = f"%{labels[0][0]:02x}"
    made = ".".join(map("".join, written))
    if len(made) > MAX_ZONE_ID:
        raise ValueError(f"the zone id {made[:40]}... has {len(made)} bytes, {MAX_ZONE_ID} are allowed")
    return made


def zone_name(zone_id_: str) -> dns.name.Name:
    """The absolute name, in lower case, of which `zone_id_` is the zone id.

    Raises:
        ValueError: it is not a zone id. Every name has exactly one id, so other spellings are refused.
    """
    if zone_id_ == _ROOT:
        return dns.name.root
    try:
        labels = [_unescaped_label(label) for label in zone_id_.split(".")]
        name = dns.name.Name([*labels, b""])
    except (UnicodeEncodeError, dns.exception.DNSException) as exc:
        raise ValueError(f"{zone_id_[:80]!r} is not a zone id") from exc
    if zone_id(name) != zone_id_:
        raise ValueError(f"{zone_id_[:80]!r} is not a zone id")
    return name


def wire_name(zone_id_: str) -> bytes:
    """The name of a zone on the wire, in lower case; `zone_id_` is the id of one that was published."""
    if "%" not in zone_id_:  # at once: ten thousand are read before a process answers
        return b"".join(bytes((len(label),)) + label for label in zone_id_.encode().split(b".")) + b"\0"
    name = zone_name(zone_id_).to_wire()
    assert name is not None
    return name


def parse_zone(text: str) -> str:
    r"""The zone id that a person means by `text`: a zone id or a name in presentation form.

    Case and a final dot do not matter. Where %xx stands it is a zone id; a label that holds "%xx" itself is
    typed \%xx.

    Raises:
        UsageError: neither; the message says what is wrong with it.
    """
    if _LOOKS_LIKE_ID.search(text):
        lowered = text.lower()
        try:
            zone_name(lowered.removesuffix("."))
        except ValueError as exc:
            raise UsageError(f"{text[:80]!r} is not a zone id (write a % of the name itself as \\%)") from exc
        return lowered.removesuffix(".")
    if not text.isascii():
        raise UsageError(not_ascii(text))
    try:
        if text == "@":
            raise ValueError("it means no zone by itself")
        labels, _absolute = parsed_name(text.encode("ascii"))
        return zone_id(dns.name.Name([*labels, b""]))
    except (ValueError, dns.exception.DNSException) as exc:
        raise UsageError(f"{text[:80]!r} is not a name: {exc}") from exc


def not_ascii(text: str) -> str:
    """What is wrong with a name that is not ASCII, and what to write."""
    named = foreign.letters(text.encode("utf-8", "surrogateescape"))
    return f"{text[:80]!r} is not ASCII{': ' if named else ''}{named}"


def parsed_name(text: bytes) -> tuple[tuple[bytes, ...], bool]:
    r"""Wire labels, case as given, of a name in presentation form, and whether a final dot makes it absolute.

    b"." gives ((), True); b"@" has no meaning here. The length of the whole is not checked.

    Raises:
        ValueError: an empty or overlong label, a bad escape, a blank, a bare special or a byte >= 0x80;
            the message, which begins with "it", says which.
    """
    if text == b".":
        return (), True
    labels: list[bytes] = []
    position = 0
    while position < len(text) or not labels:
        token = _NAME_TOKEN.match(text, position)
        if token is None:
            raise ValueError("it has a backslash that is not followed by three digits or another character")
        if not token[1]:
            raise ValueError("it has an empty label" if text else "it is empty")
        labels.append(_parsed_label(token[1]))
        position = token.end()
    return tuple(labels), bool(token and token[2])


def owner_text(labels: Sequence[bytes]) -> bytes:
    """The canonical owner field: relative to the zone, in lower case; b"@" for no labels."""
    return labels_text([label.lower() for label in labels]) if labels else b"@"


def labels_text(labels: Sequence[bytes]) -> bytes:
    """Labels joined by dots in canonical presentation form, case as given, no final dot."""
    joined = b".".join(labels)
    # Most names need no escapes; a dot inside a label shows in the count.
    if joined.count(b".") == len(labels) - 1 and not _NEEDS_ESCAPE.search(joined):
        return joined
    return b".".join(b"".join([_PRESENTED[octet] for octet in label]) for label in labels)


def owner_labels(owner: bytes) -> tuple[bytes, ...]:
    """The wire labels of a Record.owner; b"@" gives none."""
    if owner == b"@":
        return ()
    return tuple(owner.split(b".")) if b"\\" not in owner else parsed_name(owner)[0]


def owner_key(owner: bytes) -> bytes:
    """The sort key of a Record.owner; b"@" gives b""."""
    if b"\\" in owner:
        return labels_key(parsed_name(owner)[0])
    if owner == b"@":
        return b""
    if b"." not in owner:
        return owner.lower() + b"\0"
    labels = owner.lower().split(b".")
    labels.reverse()
    return b"\0".join(labels) + b"\0"


def labels_key(labels: Sequence[bytes]) -> bytes:
    """The sort key of wire labels relative to the zone, leftmost first, in any case."""
    if not labels:
        return b""
    joined = b"\0".join(reversed(labels)).lower()
    if b"\x01" in joined or joined.count(b"\0") != len(labels) - 1:
        escaped = [label.replace(b"\x01", b"\x01\x02").replace(b"\0", b"\x01\x01") for label in labels]
        joined = b"\0".join(reversed(escaped)).lower()
    return joined + b"\0"


def key_labels(key: bytes) -> tuple[bytes, ...]:
    """The wire labels, leftmost first and in lower case, of which `key` is the sort key."""
    labels = key.split(b"\0")[:-1]
    labels.reverse()
    if b"\x01" in key:
        labels = [_KEY_ESCAPE.sub(lambda pair: bytes((pair[1][0] - 1,)), label) for label in labels]
    return tuple(labels)


def _unescaped_label(label: str) -> bytes:
    return _ESCAPED_IN_ID.sub(lambda match: chr(int(match[1], 16)), label).encode("latin-1")


def _parsed_label(raw: bytes) -> bytes:
    escaped = b"\\" in raw
    if bare := _BARE.search(_ESCAPE.sub(b"", raw) if escaped else raw):
        if bare[0] == b"@":
            raise ValueError(
                "@ stands for the zone only by itself: leave it out, or write the character as \\@"
            )
        raise ValueError(f"it holds a character that must be escaped: write \\{bare[0][0]:03d}")
    label = _ESCAPE.sub(_octet, raw) if escaped else raw
    if len(label) > 63:
        raise ValueError(f"its label {raw[:20].decode('latin-1')}... has {len(label)} octets, 63 are allowed")
    return label


def _octet(escape: re.Match[bytes]) -> bytes:
    if len(escape[1]) == 1:
        return escape[1]
    value = int(escape[1])
    if value > 255:
        raise ValueError(f"it holds \\{value}, which is not an octet")
    return bytes((value,))
