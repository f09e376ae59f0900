"""Phantoms: artifacts that are named here and have not come. Each is a row with a hash and no content.

named        ->  a phantom; at most MAX_NEW_PHANTOMS in one transaction
content came ->  the phantom gives way to a new row (writer.py)
"""

import sqlite3
from collections.abc import Collection, Iterator
from itertools import count
from typing import Final

from xferzone.errors import PeerError
from xferzone.hashing import ArtifactId
from xferzone.store.cache import ContentCache
from xferzone.store.reader import Reader
from xferzone.store.sql import selected

MAX_NEW_PHANTOMS: Final = 100_000  # in one transaction; ours: a hundred times what a round brings


class Expecting(Reader):
    """A write transaction in which artifacts that are not here can be named. `Writer` stores their contents, too.

    Fields:
        new_phantoms: how many were named in it for the first time.
        rechains_later: more of what arrives is to come: its chains of deltas are left to `rechaining.rechain_noted`.
    """

    def __init__(self, db: sqlite3.Connection, cache: ContentCache) -> None:
        super().__init__(db, cache)
        self.new_phantoms = 0
        self.rechains_later = False

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
        made = dict(zip(new, self.next_rids(), strict=False))
        self.db.executemany(
            "INSERT INTO blob (rid, hash, size) VALUES (?, ?, -1)", [(rid, raw) for raw, rid in made.items()]
        )
        # Unclustered from the start, as in stock: a cluster that comes before its member takes the member out.
        self.db.executemany("INSERT INTO unclustered VALUES (?)", [(rid,) for rid in made.values()])
        rids |= made
        return {artifact: rids[raw] for artifact, raw in raws.items()}

    def next_rids(self) -> Iterator[int]:
        """Row numbers that were never used, in order; for store/ only."""
        row = self.db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'blob'").fetchone()
        return count(1 if row is None else row[0] + 1)
