"""The files of a zone: the cut rule (docs/architecture.md, Data model), for a whole zone and for an edit of one.

    owners in canonical order    o(0) = apex, o(1), ...
    w(i)                         bytes of all canonical lines of o(i), line feeds and its comment lines included; of
                                 the apex also its first line, $TTL
    h(i)                         first 16 bytes of SHA-256 of the owner field as written

    a file begins at owner s; the next one begins at
        none                     if the bytes from s to the end are < MOST
        the i > s                with LEAST <= w(s) + ... + w(i-1) < MOST whose h(i) is smallest, the first of equals
        the first i              where that sum is >= MOST, if none qualifies

    name of the first file       <zone id>.zone
    name of one that begins at e <zone id>.zone.d/<hex h(e)>.zone

Equal zones have equal files whatever their past, since a cut depends on nothing before it; and an edit changes one
file in nearly all cases, since a cut depends on h, not on sizes, as long as its owner stays in the window.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import accumulate
from typing import TypeVar

from xferzone.errors import Fault, ZoneInvalid
from xferzone.zonefile import names, text
from xferzone.zonefile.record import Record
from xferzone.zonefile.whole import DefaultTTL

MAX_OWNER = 1_000_000  # bytes of text of one owner; ours
MAX_FILES = 4_096  # of one zone; ours, the rule makes some 1,000 of a million records
MAX_ZONE = 128 * 1024 * 1024  # bytes of all files of one zone; ours, three times what a million records have

#: An owner and the canonical text of its records.
Block = tuple[bytes, bytes]

#: Whatever a check-in keeps of a file.
_File = TypeVar("_File")

#: Sort key of an owner, the owner, and its new text, empty if it goes.
_Edit = tuple[bytes, bytes, bytes]

_RECORD = re.compile(rb"(?:\$TTL [^\n]*\n)?(?:;[^\n]*\n)*([^ \n]+) [^\n]*\n")


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes that a file has at least, if it is not the last, and fewer than which it has, if an owner allows."""

    least: int = 32_768
    most: int = 131_072


#: Frozen: other limits would cut every large zone anew.
LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Piece:
    """A canonical file that exists: its name, its size in bytes, what gives its content.

    first: the sort key of its first owner; None: it is looked up in the content when it is needed.
    """

    name: str
    size: int
    load: Callable[[], bytes]
    first: bytes | None = None


def first_name(zone_id: str) -> str:
    """The name of the zone's first file, which every zone has."""
    return f"{zone_id}.zone"


def name_of(zone_id: str, owner: bytes) -> str:
    """The name of a file, not the first, that begins at `owner`."""
    return f"{zone_id}.zone.d/{_rank(owner).hex()}.zone"


def is_zone_file(zone_id: str, name: str) -> bool:
    """Whether a file of this name belongs to the zone: the first, or any .zone file beside the rest, since a person
    may have put records into one of another name."""
    folder, slash, inside = name.rpartition("/")
    return name == first_name(zone_id) or (
        folder == f"{zone_id}.zone.d" and bool(slash) and inside.endswith(".zone") and inside != ".zone"
    )


def zone_files(zone_id: str, held: Mapping[str, _File]) -> dict[str, _File]:
    """Those of the files that a check-in holds, by name, that belong to the zone."""
    return {name: file for name, file in held.items() if is_zone_file(zone_id, name)}


def cut(zone_id: str, records: Iterable[Record], default: DefaultTTL | None) -> list[tuple[str, bytes]]:
    """Name and content of each file of a zone, in owner order; always at least the first.

    `default` None: the zone's default TTL is that of its SOA.

    Raises:
        ZoneInvalid: an owner has more than MAX_OWNER bytes of text.
    """
    return cut_blocks(zone_id, _checked(text.blocks(records, names.zone_name(zone_id), default)))


def cut_blocks(zone_id: str, blocks: Sequence[Block], limits: Limits = LIMITS) -> list[tuple[str, bytes]]:
    """cut() for owners with their text, in canonical order."""
    made: list[tuple[str, bytes]] = []
    ahead = _Ahead([list(blocks)], limits)
    while block := ahead.first():
        name = name_of(zone_id, block[0]) if made else first_name(zone_id)
        made.append((name, ahead.next_file()))
    return made or [(first_name(zone_id), b"")]


def recut(
    zone_id: str,
    pieces: Sequence[Piece],
    edits: Mapping[bytes, Sequence[Record]],
    default: DefaultTTL | None,
    limits: Limits = LIMITS,
) -> tuple[list[str], list[tuple[str, bytes]]]:
    """What an edit changes in a zone whose files `pieces`, in owner order, are as cut() makes them.

    `edits` has the new records of each changed owner; none removes it. `default` counts if the apex is among them.
    Returns the names of removed files, and the names and contents of new and changed ones; all others stay. Together
    they are what cut() makes of the whole. Loads the files whose decisions the edits reach, and no others.

    Raises:
        ZoneInvalid: an owner has more than MAX_OWNER bytes of text.
    """
    origin = names.zone_name(zone_id)
    edited = dict.fromkeys(edits, b"")
    records = [record for records in edits.values() for record in records]
    edited |= dict(_checked(text.blocks(records, origin, default)))
    return _Recut(zone_id, pieces, edited, limits).run()


def split(content: bytes) -> list[Block]:
    """The owners of a canonical file with their text, in order."""
    made: list[Block] = []
    owner, start = b"", 0
    for record in _RECORD.finditer(content):
        if record[1] != owner:
            if owner:
                made.append((owner, content[start : record.start()]))
            owner, start = record[1], record.start()
    return [*made, (owner, content[start:])] if owner else made


class _Ahead:
    """Blocks to come, of which as many are held as the next decision needs."""

    def __init__(self, chunks: Iterable[list[Block]], limits: Limits) -> None:
        self._chunks, self._limits = iter(chunks), limits
        self._held: list[Block] = []

    def first(self) -> Block | None:
        """The block at which the next file begins; None: everything is cut."""
        return self._held[0] if self._held or self._more() else None

    def next_file(self) -> bytes:
        """The content of the next file."""
        count = self._count()
        content = b"".join([written for _, written in self._held[:count]])
        del self._held[:count]
        return content

    def _count(self) -> int:
        """How many of the blocks make the next file: the rule."""
        least, most, held = self._limits.least, self._limits.most, self._held
        size, index = 0, 0
        best, lowest = 0, b""
        while size < most and (index < len(held) or self._more()):
            owner, written = held[index]
            if size >= least and (not best or _rank(owner) < lowest):
                best, lowest = index, _rank(owner)
            size += len(written)
            index += 1
        return best if best and size >= most else index

    def _more(self) -> bool:
        """Hold at least one block more; False: no more."""
        before = len(self._held)
        for chunk in self._chunks:
            self._held += chunk
            if len(self._held) > before:
                return True
        return False


class _Recut:
    """One call of recut(). Positions are indexes of pieces; an edit's position is the piece that it falls into."""

    def __init__(
        self, zone_id: str, pieces: Sequence[Piece], edited: Mapping[bytes, bytes], limits: Limits
    ) -> None:
        self._zone_id, self._limits = zone_id, limits
        # name -> content, as far as it is known
        self._old: dict[str, bytes | None] = {piece.name: None if piece.size else b"" for piece in pieces}
        self._pieces = [piece for piece in pieces if piece.size]
        self._edits: list[_Edit] = sorted(
            (names.owner_key(owner), owner, new) for owner, new in edited.items()
        )
        self._keys = [key for key, _, _ in self._edits]
        self._next = 0  # the first edit that is not made yet
        self._starts = [0, *accumulate(piece.size for piece in self._pieces)]
        self._loaded: dict[int, list[Block]] = {}
        self._by_key: dict[bytes, int] = {}
        self._kept: set[str] = set()
        self._made: dict[str, bytes] = {}

    def run(self) -> tuple[list[str], list[tuple[str, bytes]]]:
        at: int | None = 0
        while at is not None and at < len(self._pieces):
            if self._is_reached(at):
                at = self._cut_from(at)
            else:
                self._kept.add(self._pieces[at].name)
                at += 1
        if not self._pieces:
            self._cut_from(0)
        gone = [name for name in self._old if name not in self._kept and name not in self._made]
        come = [(name, content) for name, content in self._made.items() if self._old.get(name) != content]
        return gone, come

    def _cut_from(self, at: int) -> int | None:
        """Make files from the begin of piece `at` on; the piece whose old begin is met again, None: none is."""
        begins = {self._blocks(at)[0][0]: at} if self._pieces else {}
        ahead = _Ahead(self._merged(at, begins), self._limits)
        while block := ahead.first():
            met = begins.get(block[0])
            if (
                met is not None and met > at and (at or self._made)
            ):  # else it becomes the first, under its name
                self._next = bisect_left(self._keys, self._first(met))
                return met
            name = name_of(self._zone_id, block[0]) if at or self._made else first_name(self._zone_id)
            self._made[name] = ahead.next_file()
        if not self._made and not at:
            self._made[first_name(self._zone_id)] = b""
        return None

    def _merged(self, at: int, begins: dict[bytes, int]) -> Iterator[list[Block]]:
        """The blocks of each piece from `at` on, with the edits; notes at which owners old pieces begin."""
        done = self._next
        for index in range(at, len(self._pieces)):
            blocks = self._blocks(index)
            begins[blocks[0][0]] = index
            is_last = index + 1 == len(self._pieces)
            end = len(self._keys) if is_last else bisect_left(self._keys, self._first(index + 1), done)
            yield _with_edits(blocks, self._edits[done:end]) if end > done else blocks
            done = end
        if not self._pieces:
            yield _with_edits([], self._edits)

    def _is_reached(self, at: int) -> bool:
        """Whether an edit may change where the file that begins with piece `at` ends, or what is in it."""
        if self._next == len(self._keys):
            return False
        key = self._keys[self._next]
        piece = self._piece_with(key)
        if piece <= at or (piece == at + 1 and key == self._first(piece)):
            return True
        distance = self._starts[piece] - self._starts[at]
        if distance >= self._limits.most:
            return False
        blocks = self._blocks(piece)
        before = sum(len(written) for _, written in blocks[: _index_of(blocks, key)])
        return distance + before < self._limits.most

    def _piece_with(self, key: bytes) -> int:
        """The piece that an owner of this key falls into: the last that does not begin behind it."""
        piece = self._by_key.get(key)
        if piece is None:
            piece = max(0, bisect_right(range(len(self._pieces)), key, lo=1, key=self._first) - 1)
            self._by_key[key] = piece
        return piece

    def _first(self, index: int) -> bytes:
        """The key of the first owner of a piece."""
        known = self._pieces[index].first
        return names.owner_key(self._blocks(index)[0][0]) if known is None else known

    def _blocks(self, index: int) -> list[Block]:
        if index not in self._loaded:
            content = self._old[self._pieces[index].name] = self._pieces[index].load()
            self._loaded[index] = split(content)
        return self._loaded[index]


def _index_of(blocks: Sequence[Block], key: bytes) -> int:
    """Where in `blocks` the owner with this sort key is, or would be."""
    return bisect_left(blocks, key, key=lambda block: names.owner_key(block[0]))


def _with_edits(blocks: Sequence[Block], edits: Iterable[_Edit]) -> list[Block]:
    made = list(blocks)
    for key, owner, new in edits:
        index = _index_of(made, key)
        is_held = index < len(made) and made[index][0] == owner
        made[index : index + is_held] = [(owner, new)] if new else []
    return made


def _rank(owner: bytes) -> bytes:
    """h of an owner."""
    return sha256(owner).digest()[:16]


def _checked(blocks: list[Block]) -> list[Block]:
    faults = [
        Fault("", 0, f"{owner.decode('ascii')} has {len(written)} bytes of text, {MAX_OWNER} are allowed")
        for owner, written in blocks
        if len(written) > MAX_OWNER
    ]
    if faults:
        raise ZoneInvalid(faults)
    return blocks
