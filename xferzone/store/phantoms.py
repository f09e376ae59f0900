"""Phantoms: artifacts that are named here and have not come. Each is a row with a hash and no content.

named        ->  a phantom; at most MAX_NEW_PHANTOMS in one transaction
content came ->  the phantom gives way to a new row (writer.py)
named again  ->  to another phantom, which is asked for as if it were new (asked.py)
"""

import sqlite3
from collections.abc import Collection, Iterator, Sequence
from itertools import count
from typing import Final

from xferzone.errors import PeerError
from xferzone.hashing import ArtifactId
from xferzone.store.cache import ContentCache
from xferzone.store.reader import Part, Reader
from xferzone.store.sql import selected

MAX_NEW_PHANTOMS: Final = 100_000  # in one transaction; ours: a hundred times what a round brings


class Expecting(Reader):
    """A write transaction in which artifacts that are not here can be named. `Writer` stores their contents, too.

    Fields:
        new_phantoms: how many were named in it for the first time.
        rechains_later: more of what arrives is to come: its chains of deltas are left to `rechaining.rechain_noted`.
        named: the first and the last row of those, and of what was named again; None: nothing was.
    """

    def __init__(self, db: sqlite3.Connection, cache: ContentCache, part: Part | None = None) -> None:
        super().__init__(db, cache, part)
        self.new_phantoms = 0
        self.rechains_later = False
        self.named: tuple[int, int] | None = None

    def expect(self, artifact: ArtifactId) -> int:
        """The row of an artifact, made a phantom if it is not known.

        Raises:
            PeerError: over MAX_NEW_PHANTOMS of them in this transaction.
        """
        return self.expect_all([artifact])[artifact]

    def expect_all(self, artifacts: Collection[ArtifactId]) -> dict[ArtifactId, int]:
        """`expect`, for many at once."""
        raws = {artifact: bytes.fromhex(artifact) for artifact in artifacts}
        rids = dict(selected(self.db, "SELECT hash, rid FROM blob WHERE hash IN (?)", list(raws.values())))
        new = [raw for raw in dict.fromkeys(raws.values()) if raw not in rids]
        self.new_phantoms += len(new)
        if self.new_phantoms > MAX_NEW_PHANTOMS:
            raise PeerError(
                f"over {MAX_NEW_PHANTOMS} artifacts are named that are not here: send fewer at a time"
            )
        made = self._named(new)
        # Unclustered from the start, as in stock: a cluster that comes before its member takes the member out.
        self.db.executemany("INSERT INTO unclustered VALUES (?)", [(rid,) for rid in made.values()])
        rids |= made
        return {artifact: rids[raw] for artifact, raw in raws.items()}

    def name_again(self, phantoms: Collection[int]) -> None:
        """Let these phantoms, by row, be as if they were named now for the first time."""
        rows = selected(self.db, "SELECT rid, hash FROM blob WHERE content IS NULL AND rid IN (?)", phantoms)
        gone = [(rid,) for rid, _ in rows]
        self.db.executemany("DELETE FROM blob WHERE rid = ?", gone)
        made = self._named([raw for _, raw in rows])
        ways = [(made[raw], rid) for rid, raw in rows]
        self._repoint(ways)
        self.db.executemany("UPDATE awaited SET wanted = ? WHERE wanted = ?", ways)

    def _named(self, raws: Sequence[bytes]) -> dict[bytes, int]:
        """New phantoms of these names, and their rows."""
        made = dict(zip(raws, self.next_rids(), strict=False))
        self.db.executemany(
            "INSERT INTO blob (rid, hash, size) VALUES (?, ?, -1)", [(rid, raw) for raw, rid in made.items()]
        )
        if made:
            first, last = min(made.values()), max(made.values())
            self.named = (first if self.named is None else self.named[0], last)
        return made

    def _repoint(self, ways: Sequence[tuple[int, int]]) -> None:
        """What points at phantoms shall point at other rows: new and old each."""
        self.db.executemany("UPDATE parent SET parent = ? WHERE parent = ?", ways)
        self.db.executemany("UPDATE tag SET target = ? WHERE target = ?", ways)
        self.db.executemany("UPDATE unclustered SET rid = ? WHERE rid = ?", ways)
        self.db.executemany("UPDATE aside SET source = ? WHERE source = ?", ways)

    def next_rids(self) -> Iterator[int]:
        """Row numbers that were never used, in order; for store/ only."""
        return count(self.last_row() + 1)
