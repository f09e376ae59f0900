"""Zone text to records: directives, owners, TTLs, and what is wrong with the text.

    entry of the scanner                 what becomes of it
    blank line, comment                  the comment waits for the next record
    $ORIGIN name.                        completes the relative names that follow; may lie outside the zone
    $TTL interval                        of the records that follow and have none; one gives the zone's default
    $GENERATE range owner ... rdata      as many records
    $INCLUDE, other directives           refused
    [owner] [TTL] [IN] type rdata        a record; TTL and class in either order

An owner left out is the one before. A TTL left out is the $TTL above; else the record is bare, and takes the last one
given, else the minimum of the SOA above or of the record itself, if the zone's other files do not say otherwise
(whole.py). Common lines take a fast path (fastpath.py).

Comments in a record's parentheses stand behind it. The comment of the $TTL that gives the zone's default TTL stays
with it; comments of other directives stand above the next record.

Source: RFC 1035 5.1, RFC 2308 4, RFC 3597 5; the order of TTLs is dnspython's.
"""

import re
from collections.abc import Mapping, Sequence

from xferzone.errors import Fault
from xferzone.zonefile import fastpath, foreign, generate, names, rdtypes, scanner, whole
from xferzone.zonefile.fastpath import RdataParser
from xferzone.zonefile.rdata import layouts, values
from xferzone.zonefile.rdata.fields import MAX_NAME
from xferzone.zonefile.rdata.names import NameReader, wire_name
from xferzone.zonefile.rdata.values import shown
from xferzone.zonefile.record import Record
from xferzone.zonefile.scanner import MAX_ENTRY, Entry, Token
from xferzone.zonefile.whole import (
    LAST_GIVEN,
    MAX_FAULTS,
    MAX_TTL,
    MINIMUM,
    NOTHING,
    UNKNOWN,
    Directive,
    FileText,
    Generated,
)

MAX_GENERATED = generate.MAX_RECORDS  # records that the texts of one zone may make with $GENERATE

_COMMON = re.compile(
    rb"([A-Za-z0-9_*./@\\-]*)[ \t]+(?:([0-9]{1,10})[ \t]+)?(?:[Ii][Nn][ \t]+(?:([0-9]{1,10})[ \t]+)?)?"
    rb"([A-Za-z][A-Za-z0-9]*)[ \t]+([^ \t\r\n](?:[^\n]*[^ \t\r\n])?)[ \t\r]*\n"
)
_BLANK_LINES = re.compile(rb"[ \t\r\n]*\n")
_COMMENT_LINE = re.compile(rb"[ \t]*(;[^\n]*)\n")
_PLAIN_OWNER = re.compile(rb"[a-z0-9_*/-]{1,63}(?:\.[a-z0-9_*/-]{1,63})*")
#: TTL, class and type of the line that `dig -y` ends a transfer with: no record.
_SIGNED = [b"0", b"ANY", b"TSIG"]
_CLASS = re.compile(rb"CH|CS|HS|NONE|CLASS[0-9]+")


class Reading:
    """One text being read into `file`."""

    def __init__(self, origin: Sequence[bytes], generated: Generated = NOTHING) -> None:
        """`generated`: what other texts of the zone have made with $GENERATE, or wanted to make."""
        self.file = FileText(generated=generated)
        self._zone = tuple(origin)
        self._zone_end = b"." + names.labels_text(self._zone) + b"." if self._zone else b"."
        self._zone_size = len(wire_name(self._zone)) + 1  # and the length octet of an owner's first label
        self._enter(self._zone)
        # b"": none yet; None: refused, so records without an owner are skipped
        self._owner: bytes | None = b""
        self._default: int | None = None  # $TTL
        self._last: int | None = None  # the TTL given last
        self._minimum: int | None = None  # of an SOA read before any $TTL
        self._comments: list[bytes] = []  # above the next record
        self._comment_size = 0

    def read(self, content: bytes, line: int = 1, step: int = 1) -> None:
        """Read `content`, whose first line is `line`; `step` 0: all of it was generated in that line."""
        at = 0
        while at < len(content) and len(self.file.faults) < MAX_FAULTS and self._comment_size <= MAX_ENTRY:
            at, line = self._common_lines(content, at, line, step)
            if comment := _COMMENT_LINE.match(content, at):
                self._wait([scanner.comment_of(comment[1])], line)
                at, line = comment.end(), line + step
            elif blank := _BLANK_LINES.match(content, at):
                line += step * content.count(b"\n", at, blank.end())
                at = blank.end()
            elif at < len(content):
                entry = scanner.entry(content, at, line)
                self._entry(entry, is_generated=not step)
                at, line = entry.end, entry.next_line if step else line

    def finish(self) -> None:
        """The text has ended: comments that no record follows go above its last record."""
        file = self.file
        if file.soa is None:
            self._give_up()
        if self._comments and file.records:
            last = file.records[-1]
            file.records[-1] = last._replace(above=last.above + tuple(self._comments))
        if len(file.faults) >= MAX_FAULTS:
            file.faults.append(whole.unread())

    # -- common lines

    def _common_lines(self, content: bytes, at: int, line: int, step: int) -> tuple[int, int]:
        """Read common lines for as long as there are any; where it stopped. All that is unusual, or wrong, is left
        to _entry: this loop is what reading a large zone costs."""
        match, append, owners, parsers = _COMMON.match, self.file.records.append, self._owners, self._parsers
        make = tuple.__new__  # what Record() calls in the end, at a third of the time
        while common := match(content, at):
            owner_text, before, after, mnemonic, text = common.groups()
            if before and after:
                break
            end, comment = common.end(), b""
            if b";" in text and b'"' not in text and b"\\" not in text:
                text, _, comment = text.partition(b";")
                text, comment = text.rstrip(b" \t"), scanner.comment_of(b";" + comment)
            owner = owners.get(owner_text) if owner_text else self._owner
            known = parsers.get(mnemonic)
            ttl_text = before or after
            try:
                if not owner:
                    owner = self._owner_of(owner_text)
                if known is None or text[:1] == b"\\":
                    rdtype = _stored_type(mnemonic)
                    wire = fastpath.generic(rdtype, text)
                else:
                    rdtype, parser = known
                    wire = parser(text)
                if ttl_text and rdtype != rdtypes.SOA and (ttl := int(ttl_text)) <= MAX_TTL:
                    self._last = ttl
                else:
                    ttl = self._ttl(ttl_text, rdtype, wire)
            except ValueError:
                break
            if end - at > MAX_ENTRY:
                break
            above = self._above() if self._comments else ()
            append(make(Record, (owner, ttl, rdtype, wire, above, comment, line)))
            self._owner = owner
            at = end
            line += step
        return at, line

    # -- entries

    def _entry(self, entry: Entry, is_generated: bool) -> None:
        tokens = entry.tokens
        try:
            if entry.fault:
                self._owner = None
                raise ValueError(entry.fault)
            if not tokens:
                self._wait(entry.comments, entry.line)
            elif tokens[0].raw.startswith(b"$") and not entry.indented and not is_generated:
                self._directive(entry)
            else:
                self._record(entry)
        except ValueError as exc:
            reason = foreign.comment([token.raw for token in tokens]) or str(exc)
            self.file.faults.append(Fault("", entry.line, reason))

    def _record(self, entry: Entry) -> None:
        tokens: Sequence[Token] = entry.tokens
        if [token.raw.upper() for token in tokens[1:4]] == _SIGNED:
            return
        if not entry.indented:
            self._owner = None
            self._owner = self._owner_of(_word(tokens[0]))
            tokens = tokens[1:]
        elif tokens[0].raw.startswith(b"$"):
            raise ValueError(f"{shown(tokens[0].raw)} must stand at the begin of its line")
        if self._owner is None:
            return
        if not self._owner:
            raise ValueError("it has no owner, and no record above gives it one")
        ttl_text, mnemonic, tokens = _head(tokens)
        rdtype = _stored_type(mnemonic)
        try:
            wire = layouts.parsed(rdtype, tokens, self._names)
        except ValueError as exc:
            raise ValueError(f"{shown(mnemonic)}: {exc}") from exc
        ttl = self._ttl(ttl_text, rdtype, wire)
        behind = b" ".join(entry.comments)
        self.file.records.append(Record(self._owner, ttl, rdtype, wire, self._above(), behind, entry.line))

    def _ttl(self, text: bytes | None, rdtype: int, wire: bytes) -> int:
        """The TTL of the next record, which is `text` if that is given; UNKNOWN: nothing above gives one."""
        if rdtype == rdtypes.SOA and self.file.soa is None:
            self.file.soa = len(self.file.records)
        if rdtype == rdtypes.SOA and self._default is None:
            self._minimum = int.from_bytes(wire[-4:], "big")
        if text:
            ttl = self._last = _ttl_of(text)
            return ttl
        if self._default is not None:
            return self._default
        implied, source = (self._minimum, MINIMUM) if self._last is None else (self._last, LAST_GIVEN)
        if implied is not None and implied > MAX_TTL:
            raise ValueError(f"its TTL would be {implied}, the SOA's minimum; {MAX_TTL} is allowed")
        self.file.bare[len(self.file.records)] = source
        return UNKNOWN if implied is None else implied

    def _owner_of(self, text: bytes) -> bytes:
        """The canonical owner field for a name in the zone; raises ValueError for any other."""
        owner = text.lower()
        if owner.endswith(self._zone_end):
            owner = owner[: -len(self._zone_end)]
        elif owner.endswith(b".") or self._is_elsewhere:
            owner = b""
        if not _PLAIN_OWNER.fullmatch(owner) or len(owner) + self._zone_size > MAX_NAME:
            owner = self._unusual_owner(text)
        self._owners[text] = owner
        return owner

    def _unusual_owner(self, text: bytes) -> bytes:
        labels = self._names.labels(text)
        wire_name(labels)
        own = len(labels) - len(self._zone)
        if own < 0 or tuple(label.lower() for label in labels[own:]) != self._zone:
            name, zone = names.labels_text(labels), names.labels_text(self._zone)
            raise ValueError(f"{shown(name)}. is not in the zone {shown(zone)}.")
        return names.owner_text(labels[:own])

    # -- directives

    def _directive(self, entry: Entry) -> None:
        directive = entry.tokens[0].raw.upper()
        arguments = entry.tokens[1:]
        if directive != b"$TTL":
            self._wait(entry.comments, entry.line)
        if directive == b"$INCLUDE":
            raise ValueError("$INCLUDE is not allowed: a zone's text stands in its own files")
        if directive == b"$GENERATE":
            self._generate(arguments, entry.line)
            return
        if directive not in (b"$ORIGIN", b"$TTL"):
            raise ValueError(
                f"{shown(entry.tokens[0].raw)} is not a directive; $ORIGIN, $TTL and $GENERATE are"
            )
        if len(arguments) != 1:
            raise ValueError(f"{shown(directive)} has {len(arguments)} arguments, not one")
        word = _word(arguments[0])
        if directive == b"$TTL":
            self._default = _ttl_of(word)
            self._say_default(self._default, entry)
        else:
            self._origin(word)

    def _origin(self, word: bytes) -> None:
        labels = self._names.labels(word)
        if word != b"@" and not names.parsed_name(word)[1]:
            # Knot and NSD refuse it; most who leave the dot out mean a name that has the zone's already.
            own = labels[: len(labels) - len(self._names.origin)]
            ends_whole = tuple(label.lower() for label in own[-len(self._zone) :]) == self._zone
            meant = own if ends_whole else labels
            reason = "$ORIGIN needs an absolute name, with a final dot"
            raise ValueError(f"{reason}: write $ORIGIN {names.labels_text(meant).decode('ascii')}.")
        self._enter(labels)

    def _say_default(self, ttl: int, entry: Entry) -> None:
        """Take a $TTL for the one that gives the zone's default TTL, as long as that can be."""
        file = self.file
        file.has_ttl = True
        if file.soa is not None and file.said is not None:
            self._wait(entry.comments, entry.line)
            return
        self._give_up()
        file.said = Directive(ttl, entry.comments, entry.line, len(file.records), len(self._comments))

    def _give_up(self) -> None:
        """The $TTL that could have given the zone's default TTL does not: its comments go above what follows it."""
        said, self.file.said = self.file.said, None
        if said is None:
            return
        records = self.file.records
        if said.record < len(records):
            records[said.record] = said.above_it(records[said.record])
        else:
            self._wait(said.comments, said.line, said.above)

    def _enter(self, origin: Sequence[bytes]) -> None:
        """Complete relative names with `origin` from here on."""
        self._names = NameReader(origin)
        self._is_elsewhere = tuple(label.lower() for label in origin) != self._zone
        self._owners: dict[bytes, bytes] = {}  # text of an owner -> canonical owner
        self._parsers: Mapping[bytes, tuple[int, RdataParser]] = fastpath.parsers(self._names)

    def _generate(self, arguments: Sequence[Token], line: int) -> None:
        if len(arguments) < 4:
            raise ValueError("$GENERATE needs a range, an owner, a type and rdata")
        counted = generate.numbers(_word(arguments[0]))
        records, size = self.file.generated
        self.file.generated = Generated(records + len(counted), size)
        if records + len(counted) > MAX_GENERATED:
            raise ValueError(f"the zone makes more than {MAX_GENERATED} records with $GENERATE")
        ttl_text, mnemonic, tokens = _head(arguments[2:])
        if not tokens:
            raise ValueError("$GENERATE needs rdata")
        rdtype = _stored_type(mnemonic)
        if rdtype == rdtypes.SOA:
            raise ValueError("$GENERATE cannot make an SOA")
        middle = b"%d %b" % (self._ttl(ttl_text, rdtype, b""), mnemonic) if ttl_text else mnemonic
        made = generate.lines(counted, _word(arguments[1]), middle, tokens, generate.MAX_OUTPUT - size)
        self.file.generated = Generated(records + len(counted), size + len(made))
        self.read(made, line, 0)

    # -- comments

    def _wait(self, comments: Sequence[bytes], line: int, behind: int | None = None) -> None:
        """Keep comments for the next record, behind the first `behind` of those that wait (None: behind all).

        With more than a record may have, reading ends.
        """
        is_over = self._comment_size > MAX_ENTRY
        at = len(self._comments) if behind is None else behind
        self._comments[at:at] = comments
        self._comment_size += sum(map(len, comments)) + len(comments)
        if self._comment_size > MAX_ENTRY and not is_over:
            self.file.faults.append(
                Fault("", line, f"comments of more than {MAX_ENTRY} bytes before a record")
            )

    def _above(self) -> tuple[bytes, ...]:
        """The comments that waited, which wait no longer."""
        above = tuple(self._comments)
        self._comments, self._comment_size = [], 0
        return above


def _head(tokens: Sequence[Token]) -> tuple[bytes | None, bytes, Sequence[Token]]:
    """TTL (None: left out), mnemonic of the type, and rdata of what follows an owner."""
    ttl = None
    has_class = False
    for index, token in enumerate(tokens):
        word = _word(token)
        upper = word.upper()
        if word[:1].isdigit() and ttl is None:
            ttl = word
        elif upper in (b"IN", b"CLASS1") and not has_class:
            has_class = True
        elif _CLASS.fullmatch(upper):
            raise ValueError(f"class {shown(word)}; a zone here has class IN only")
        else:
            return ttl, word, tokens[index + 1 :]
    raise ValueError("it has no record type")


def _stored_type(mnemonic: bytes) -> int:
    rdtype = rdtypes.parse_type(mnemonic)
    if not rdtypes.is_stored(rdtype):
        raise ValueError(f"{shown(mnemonic)} is not a type that a record in a zone can have")
    return rdtype


def _ttl_of(text: bytes) -> int:
    ttl = values.parse_interval(text)
    if ttl > MAX_TTL:
        raise ValueError(f"TTL {shown(text)} is more than {MAX_TTL} seconds")
    return ttl


def _word(token: Token) -> bytes:
    if token.quoted:
        raise ValueError(f'"{shown(token.raw)}" must not stand in quotes')
    return token.raw
