"""Turning chains of deltas round: which rows will be whole and which deltas of what, before anything is written.

    v1 -> v2 -> v3        as stock pushes them: v2 is a delta of v1, v3 of v2; v1 is whole
    v1 <- v2 <- v3        as they are kept (chains.py): v1 is a delta of v2, v2 of v3; v3 is whole

Of a chain that is turned round only the tip is made whole, once. A delta is turned round by what it copies, without a
search. What is stored at present is read until `write`, so both states are whole at any time.
"""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from xferzone import delta
from xferzone.errors import CorruptArtifact, MalformedDelta, NotFound
from xferzone.hashing import ArtifactId, is_named
from xferzone.store import chains, frames
from xferzone.store.chains import MAX_ARTIFACT, WORTH, id_of
from xferzone.store.phantoms import Expecting
from xferzone.store.sql import selected

_LARGEST: Final = (
    16 * 1024 * 1024
)  # bytes; a larger artifact stays as it is: making a delta holds both in memory
SMALLEST: Final = 600  # bytes; below this, zstd with the dictionary does as well as a delta
_HELD: Final = 32 * 1024 * 1024  # bytes of contents and frames that wait to be written
_CLEARLY: Final = 16  # times smaller than the content: so much smaller a delta has the smaller frame, too
#: Times its size that a delta may have once it is turned round; else a search finds a better one.
ASTRAY: Final = 4


@dataclass(slots=True)
class _Row:
    """A row of the blob table as it will be. `source`: of the delta that it keeps; None: it is whole."""

    rid: int
    artifact: ArtifactId
    size: int
    source: int | None
    stack: int


class Turning:
    """The chains of one transaction. Call `write` at the end, and before others read the rows."""

    def __init__(self, writer: Expecting) -> None:
        self._db = writer.db
        self._cache = writer.cache
        self._rows: dict[int, _Row] = {}
        self._known: dict[ArtifactId, _Row | None] = {}  # None: it is not here, or has not the size for it
        self._hanging: dict[int, set[int]] = {}  # by source, the deltas that have been made against it
        self._wholes: dict[int, bytes] = {}  # contents of rows that have become whole
        self._frames: dict[int, bytes] = {}
        self._restacked: set[int] = set()
        self._held = 0

    def chain(self, older: ArtifactId, newer: ArtifactId) -> bool:
        """Make `older`, if it is whole, a delta of `newer`, where that saves space and the bounds allow it.

        Returns whether `newer` was a delta of `older`: then it is whole now, and may become a delta itself. What cannot
        be read stays as it is.
        """
        self.look_up([older, newer])
        old, new = self._known[older], self._known[newer]
        if old is None or new is None or old.source is not None:
            return False
        with suppress(CorruptArtifact, NotFound, MalformedDelta, ValueError):
            back = None
            is_turned = new.source == old.rid
            if is_turned:
                back = self._make_whole(new, old)
            self._hang(old, new, back)
            if self._held > _HELD:
                self.write()
            return is_turned
        return False

    def write(self) -> None:
        """Write down what has changed."""
        for rid, content in self._wholes.items():
            self._frames[rid] = frames.compress(content)
        kept = [self._rows[rid] for rid in self._frames]
        chains.rewrite(
            self._db,
            [
                chains.Row(row.rid, bytes.fromhex(row.artifact), row.size, frame, row.source, row.stack)
                for row, frame in zip(kept, self._frames.values(), strict=True)
            ],
        )
        stacks = [(self._rows[rid].stack, rid) for rid in self._restacked - self._frames.keys()]
        self._db.executemany("UPDATE blob SET stack = ? WHERE rid = ?", stacks)
        self._wholes, self._frames, self._restacked, self._hanging, self._held = {}, {}, set(), {}, 0

    def look_up(self, artifacts: Collection[ArtifactId]) -> None:
        """Look up the rows of these together, which `chain` would do one by one."""
        new = list(dict.fromkeys(artifact for artifact in artifacts if artifact not in self._known))
        if not new:
            return
        self._known |= dict.fromkeys(new)
        query = f"""SELECT rid, hash, size, source, stack FROM blob
                    WHERE content IS NOT NULL AND size BETWEEN {SMALLEST} AND {_LARGEST} AND hash IN (?)"""  # noqa: S608 our own numbers
        for rid, raw, *rest in selected(self._db, query, [bytes.fromhex(artifact) for artifact in new]):
            row = self._rows.setdefault(rid, _Row(rid, id_of(raw), *rest))
            self._known[row.artifact] = row

    # -- contents

    def _content(self, row: _Row) -> bytes:
        own = self._wholes.get(row.rid)
        return chains.content(self._db, self._cache, row.rid) if own is None else own

    def _make_whole(self, new: _Row, old: _Row) -> bytes | None:
        """Make whole what was a delta of `old`; returns that delta turned round, if it is worth keeping."""
        way = frames.expand(chains.stored(self._db, new.rid), MAX_ARTIFACT, self._db)
        before = self._content(old)
        content = delta.apply(before, way, limit=new.size)
        if not is_named(new.artifact, content):
            raise CorruptArtifact(new.artifact, "its content does not hash to its name")
        self._cache.put(new.artifact, content)
        self._wholes[new.rid] = content
        self._held += len(content)
        new.source = None
        self._restack(old)
        return delta.reverse(before, way, most=min(ASTRAY * len(way), old.size // WORTH))

    def _hang(self, old: _Row, new: _Row, back: bytes | None) -> None:
        """Make `old` a delta of `new`, by `back` if that is known; not if it saves nothing or the chain is too long."""
        above = self._above(new)
        height = old.stack + 1
        # No loop can arise: `old` is whole, so only a chain that ends at it could contain it.
        if not above or height + len(above) - 1 > chains.MAX_STACK or old in above:
            return
        if back is None:
            most = old.size // WORTH
            back = delta.create(self._content(new), self._content(old), most=most)
        if back is None:
            return
        frame = frames.compress(back)
        if len(back) * _CLEARLY > old.size and len(frame) >= len(self._whole_frame(old)):
            return
        own = self._wholes.pop(old.rid, b"")
        self._frames[old.rid] = frame
        self._held += len(frame) - len(own)
        old.source = new.rid
        self._hanging.setdefault(new.rid, set()).add(old.rid)
        for higher, row in enumerate(above):
            if row.stack < height + higher:
                row.stack = height + higher
                self._restacked.add(row.rid)

    def _whole_frame(self, row: _Row) -> bytes:
        own = self._wholes.get(row.rid)
        return chains.stored(self._db, row.rid) if own is None else frames.compress(own)

    # -- how many deltas lie on what

    def _above(self, row: _Row) -> list[_Row]:
        """The rows from this one up to the whole one that ends its chain; empty if one is not here."""
        found = [row]
        while (source := found[-1].source) is not None:
            above = self._row(source)
            if above is None or above in found or len(found) > chains.MAX_STACK:
                return []
            found.append(above)
        return found

    def _row(self, rid: int) -> _Row | None:
        if rid not in self._rows:
            query = "SELECT hash, size, source, stack FROM blob WHERE content IS NOT NULL AND rid = ?"
            found = self._db.execute(query, (rid,)).fetchone()
            if found is None:
                return None
            self._rows[rid] = _Row(rid, id_of(found[0]), *found[1:])
        return self._rows[rid]

    def _restack(self, row: _Row) -> None:
        """Count again how many deltas lie on a row that has lost one."""
        query = "SELECT rid, stack FROM blob WHERE source = ?"
        stacks: dict[int, int] = dict(self._db.execute(query, (row.rid,)))
        stacks |= dict.fromkeys(self._hanging.get(row.rid, ()), 0)
        hanging = [(self._rows.get(rid), stack) for rid, stack in stacks.items()]
        row.stack = max(
            (
                stack + 1 if each is None else each.stack + 1
                for each, stack in hanging
                if each is None or each.source == row.rid
            ),
            default=0,
        )
        self._restacked.add(row.rid)
