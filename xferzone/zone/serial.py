r"""The serial of a check-in: what its text asks for, and what it gets (law 3).

    p  serial of the first parent          none: the line has no file of the zone yet
    f  serial in the text, the floor       none: no SOA at the apex, or several that differ
    serial = p           if f is none
             f           if p is none
             f           if 0 < (f - p) mod 2^32 < 2^31
             p + 1       else, mod 2^32 and never 0

Every replica, of whatever release, must find the same f in the same bytes. So this scanner is frozen: it stands
alone, is not shared with the reader of zone text, and its answers are pinned by tests for damaged text as well.
It never fails. In text that the reader takes it finds each SOA of the apex that is not made by $GENERATE (which
the reader refuses), in one line or several, as SOA or TYPE6, in presentation form or as \#.

Source: RFC 1035 5.1, RFC 1982 3 (serial arithmetic), RFC 3597 5.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import dns.name

_MODULUS = 1 << 32
_HALF = 1 << 31

_PIECE = re.compile(
    rb"[ \t\r]+"
    rb"|(?P<end>\n)"
    rb"|;[^\n]*"
    rb'|"(?P<quoted>[^"\\\n]*(?:\\.[^"\\\n]*)*)"'
    rb'|(?P<word>(?:[^ \t\r\n;"()\\]+|\\[^\n])+)'
    rb"|(?P<parenthesis>[()])",
    re.DOTALL,
)
_LONG_STRING = re.compile(rb'"(?P<quoted>[^"\\\r]*(?:\\.[^"\\\r]*)*)"', re.DOTALL)  # in parentheses
_PLAIN_LINE = re.compile(rb'[^\n;"()\\]*\n')  # read in one step: no piece of it needs a closer look
_LABEL = re.compile(rb"((?:[^\\.]|\\[0-9]{3}|\\[^0-9])+)(\.|\Z)", re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-9]{3}|[^0-9])", re.DOTALL)
_SOA = re.compile(rb"SOA|TYPE0{0,4}6")
_MAX_DIGITS = 20

_MAX_LABELS = 127  # a name of more is longer than 255 octets
_MAX_TEXT = 4 * 255  # bytes of a name that is not

#: Whether a blank stands before an entry, and its tokens.
Entry = tuple[bool, list[bytes]]

_Labels = tuple[bytes, ...]
_NO_NAME: _Labels = (b"",)


def is_ahead(serial: int, other: int) -> bool:
    """Whether a serial is ahead of another one (RFC 1982 3.2)."""
    return 0 < (serial - other) % _MODULUS < _HALF


def following(previous: int | None, floor: int | None) -> int | None:
    """The serial of a check-in, from that of its first parent and the floor in its text; None: it has none."""
    if floor is None:
        return previous
    if previous is None or is_ahead(floor, previous):
        return floor
    return (previous + 1) % _MODULUS or 1


def scan(content: bytes, origin: dns.name.Name) -> int | None:
    """The serial of the one SOA at the apex that `content`, read with `origin`, holds; None: none or several
    with different serials."""
    found = serials(content, origin)
    return found.pop() if len(found) == 1 else None


def serials(content: bytes, origin: dns.name.Name) -> set[int]:
    """The serials of all SOA records at the apex; for a zone in several files, those of each belong together."""
    return serials_in(entries(content), origin)


def with_serial(content: bytes, origin: dns.name.Name, serial: int) -> bytes | None:
    """The content with another serial in the SOA at the apex, and nothing else changed.

    None: there is not one that `scan` finds, or its rdata is written as \\#.
    """
    before, last = scan(content, origin), _last_candidate(content.lower())
    made, copied, at = [], 0, 0
    while before is not None and at <= last:
        start, at = at, _end_of_entry(content, at)
        if content[start : start + 1] == b"$":
            continue
        words = [
            piece for piece in _PIECE.finditer(content, start, at) if piece.lastgroup in ("word", "quoted")
        ]
        tokens = [piece["word"] or b"" for piece in words]
        skipped = 0 if content[start : start + 1] in (b" ", b"\t") else 1
        if tokens and _serial(tokens[skipped:]) == before:
            place = words[
                next(i for i, token in enumerate(tokens) if i >= skipped and _SOA.fullmatch(token.upper()))
                + 3
            ]
            made += [content[copied : place.start()], b"%d" % serial]
            copied = place.end()
    changed = b"".join([*made, content[copied:]])
    return changed if before is not None and scan(changed, origin) == serial else None


def _end_of_entry(content: bytes, at: int) -> int:
    plain = _PLAIN_LINE.match(content, at)
    return plain.end() if plain else _long_entry(content, at)[1]


def entries(content: bytes) -> list[Entry]:
    """What `serials_in` looks at: the entries up to the last that may be an SOA. No origin is needed for it."""
    last = _last_candidate(content.lower())
    return list(_entries(content, last)) if last >= 0 else []


def few_entries(content: bytes, most: int) -> list[Entry] | None:
    """`entries`, if they have at most `most` tokens together; None: they have more, and the rest is not read."""
    found: list[Entry] = []
    left = most
    for entry in _entries(content, _last_candidate(content.lower())):
        left -= len(entry[1])
        if left < 0:
            return None
        found.append(entry)
    return found


def serials_in(read: Iterable[Entry], origin: dns.name.Name) -> set[int]:
    """`serials` of the content that has these entries."""
    zone = tuple(label.lower() for label in origin.labels[:-1])
    current, owner = zone, _NO_NAME
    found: set[int] = set()
    for is_indented, tokens in read:
        first = tokens[0]
        if first[:1] == b"$" and not is_indented:
            if first.upper() == b"$ORIGIN" and len(tokens) > 1:
                current = _absolute(tokens[1], current)
            elif first.upper() == b"$GENERATE" and len(tokens) > 2:
                owner = _absolute(tokens[2], current)
            continue
        if not is_indented:
            owner = _absolute(first, current)
            tokens = tokens[1:]
        serial = _serial(tokens) if owner == zone else None
        if serial is not None:
            found.add(serial)
    return found


def _last_candidate(lowered: bytes) -> int:
    """Where the last word begins that may be the type of an SOA; -1: no such word."""
    last = lowered.rfind(b"soa")
    if lowered.find(b"type", last + 1) >= 0:  # seldom; each search reads all of the text
        return max(last, lowered.rfind(b"type6"), lowered.rfind(b"type0"))
    return last


def _entries(content: bytes, last: int) -> Iterator[Entry]:
    """Each entry that begins at or before `last`."""
    at = 0
    while at <= last:
        is_indented = content[at : at + 1] in (b" ", b"\t")
        if plain := _PLAIN_LINE.match(content, at):
            tokens, at = plain[0].split(), plain.end()
        else:
            tokens, at = _long_entry(content, at)
        if tokens:
            yield is_indented, tokens


def _long_entry(content: bytes, at: int) -> tuple[list[bytes], int]:
    """The tokens of the entry that begins at `at`, and where the next one begins."""
    depth = 0
    tokens: list[bytes] = []
    while at < len(content):
        piece = _PIECE.match(content, at)
        if piece is None and depth:
            piece = _LONG_STRING.match(content, at)
        if piece is None:
            at += 1
            continue
        at = piece.end()
        kind = piece.lastgroup
        if kind in ("word", "quoted"):
            # A quoted string is replaced by the empty one, which is not a name, number, class or type.
            tokens.append(piece[kind] if kind == "word" else b"")
        elif kind == "parenthesis":
            depth = max(0, depth + (1 if piece["parenthesis"] == b"(" else -1))
        elif kind == "end" and depth == 0:
            break
    return tokens, at


def _absolute(text: bytes, origin: _Labels) -> _Labels:
    """The labels that a name means, in lower case; if it is not a name, labels that no zone has."""
    return _NO_NAME if len(text) > _MAX_TEXT else _read_name(text, origin)


@lru_cache(maxsize=4096)  # the versions of a zone begin with the same names
def _read_name(text: bytes, origin: _Labels) -> _Labels:
    if text == b"@":
        return origin
    if text == b".":
        return ()
    labels: list[bytes] = []
    at = 0
    is_absolute = False
    while at < len(text) or not labels:
        label = _LABEL.match(text, at)
        if label is None:
            return _NO_NAME
        labels.append(_ESCAPE.sub(_octet, label[1]).lower())
        at = label.end()
        is_absolute = bool(label[2])
    made = tuple(labels) + (() if is_absolute else origin)
    return made if labels and len(made) <= _MAX_LABELS else _NO_NAME


def _octet(escape: re.Match[bytes]) -> bytes:
    return escape[1] if len(escape[1]) == 1 else bytes((int(escape[1]) & 0xFF,))


def _serial(tokens: Sequence[bytes]) -> int | None:
    """The serial, if the tokens behind an owner are an SOA's."""
    at = 0
    while at < len(tokens) and (tokens[at][:1].isdigit() or tokens[at].upper() in (b"IN", b"CLASS1")):
        at += 1
    if at == len(tokens) or not _SOA.fullmatch(tokens[at].upper()):
        return None
    rdata = tokens[at + 1 :]
    if rdata[:1] == [rb"\#"]:
        try:
            wire = bytes.fromhex(b"".join(rdata[2:]).decode("ascii"))
        except ValueError:
            return None
        return int.from_bytes(wire[-20:-16], "big") if len(wire) >= 22 else None
    if len(rdata) < 3 or not rdata[2].isdigit() or len(rdata[2]) > _MAX_DIGITS:
        return None
    return int(rdata[2]) if int(rdata[2]) < _MODULUS else None
