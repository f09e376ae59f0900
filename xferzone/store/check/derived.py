"""The derived tables, computed again from the artifacts, and where they differ.

    every artifact that can be read ─> its rows, in tables in memory ─> branches handed down there ─> compared

The rows of an artifact that cannot be read are taken as they are: they cannot be computed any more. Places, serials and
compiled zones belong to publishing and are checked elsewhere (store/check/faults.py, repository/check.py).
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Final

from xferzone import artifacts
from xferzone.artifacts import CheckIn, Cluster, Control, Tag
from xferzone.errors import CorruptArtifact, NotFound
from xferzone.hashing import ArtifactId
from xferzone.store import branches, zoned
from xferzone.store.database import newest_schema
from xferzone.store.link import as_text, await_baselines
from xferzone.store.reader import Reader

MAX_TOLD: Final = 1_000  # rows of one table that are listed

#: By table: its columns, of which the first names an artifact, and what a row says of that.
_COMPARED: Final = {
    "checkin": ("rid, date_ms, branch, zones", "date, branch or zones of check-in"),
    "parent": ("child, position, parent", "parents of check-in"),
    "tag": ("target, name, source, prefix, value, date_ms", "a tag on"),
    "awaited": ("checkin, wanted", "what is awaited by check-in"),
    "unclustered": ("rid", "whether a cluster names"),
}


class Derived:
    """The tables in memory; `add` each artifact, then ask for `differences`."""

    def __init__(self, reader: Reader, rids: Mapping[bytes, int], here: set[ArtifactId]) -> None:
        """`rids` has every row of the repository by raw hash, `here` the ids of those with content."""
        self._reader = reader
        self._rids = rids
        self._here = here
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        newest_schema(self._db)
        self._db.execute("PRAGMA foreign_keys=OFF")
        self._checkins: dict[int, branches.New] = {}
        self._baselines: dict[int, int] = {}
        self._in_clusters: set[int] = set()
        self._unread: set[int] = set()

    def close(self) -> None:
        self._db.close()

    def skip(self, rid: int) -> None:
        """Take the rows of the artifact in row `rid` as they are: it cannot be read."""
        self._unread.add(rid)

    def add(self, rid: int, content: bytes) -> None:
        """Compute the rows of the artifact in row `rid`."""
        parsed = artifacts.parse(content)
        if isinstance(parsed, CheckIn):
            self._add_checkin(rid, parsed)
        elif isinstance(parsed, Cluster):
            self._in_clusters.update(self._known(parsed.members))
        if isinstance(parsed, CheckIn | Control):
            self._add_tags(rid, parsed.tags, parsed.date_ms)

    def differences(self) -> Iterator[str]:
        """A line for each artifact whose rows are wrong; at most MAX_TOLD for a table, then how many more."""
        self._take_as_they_stand()
        await_baselines(self._db, self._baselines)
        branches.hand_down(self._db, self._checkins, ())
        self._leave_unknown()
        loose = set(self._rids.values()) - self._in_clusters
        self._db.executemany("INSERT INTO unclustered VALUES (?)", [(rid,) for rid in loose])
        names = {rid: raw.hex() for raw, rid in self._rids.items()}
        for table, (columns, about) in _COMPARED.items():
            query = f"SELECT {columns} FROM {table}"  # noqa: S608 our own names
            expected = set(self._db.execute(query))
            found = set(self._reader.db.execute(query))
            if table == "unclustered" and self._unread:
                expected &= found  # one of the unread may be a cluster
            wrong = dict.fromkeys(row[0] for row in sorted(expected ^ found, key=repr))
            for told, rid in enumerate(wrong):
                if told == MAX_TOLD:
                    yield f"table {table}: {len(wrong) - told} more: run `xferzone rebuild`"
                    break
                yield f"table {table}: {about} {names.get(rid, f'row {rid}')} is wrong: run `xferzone rebuild`"

    def _known(self, ids: Iterable[ArtifactId]) -> Iterator[int]:
        """The rows of `ids`. An id without a row shows as a surplus row of another table."""
        for artifact in ids:
            rid = self._rids.get(bytes.fromhex(artifact))
            if rid is not None:
                yield rid

    def _add_checkin(self, rid: int, checkin: CheckIn) -> None:
        parents = enumerate(dict.fromkeys(checkin.parents))
        rows = [(rid, position, parent) for position, each in parents for parent in self._known([each])]
        self._db.executemany("INSERT INTO parent VALUES (?, ?, ?)", rows)
        zones = zoned.bits([card.name for card in checkin.files if card.id is not None])
        if checkin.baseline is not None:
            zones |= self._zones_behind(checkin, checkin.baseline)
            if checkin.baseline in self._here:
                self._baselines[rid] = self._rids[bytes.fromhex(checkin.baseline)]
        self._checkins[rid] = branches.New(checkin.date_ms, zones)
        missing = [each for each in self._needed(checkin) if each not in self._here]
        awaited = [(wanted, rid) for wanted in dict.fromkeys(self._known(missing))]
        self._db.executemany("INSERT INTO awaited VALUES (?, ?)", awaited)

    def _zones_behind(self, checkin: CheckIn, baseline: ArtifactId) -> int:
        with suppress(NotFound, CorruptArtifact):
            held = zoned.Held(card.name for card in self._reader.checkin(baseline).files)
            return held.without(card.name for card in checkin.files if card.id is None)
        return zoned.UNKNOWN

    @staticmethod
    def _needed(checkin: CheckIn) -> Iterator[ArtifactId]:
        yield from checkin.parents
        if checkin.baseline is not None:
            yield checkin.baseline
        yield from (card.id for card in checkin.files if card.id is not None)

    def _leave_unknown(self) -> None:
        """Which zones a check-in may hold is not known where an older release linked it, and that is no fault."""
        query = "SELECT rid FROM checkin WHERE zones = ?"
        unknown = [(zoned.UNKNOWN, rid) for (rid,) in self._reader.db.execute(query, (zoned.UNKNOWN,))]
        self._db.executemany("UPDATE checkin SET zones = ? WHERE rid = ?", unknown)

    def _add_tags(self, rid: int, tags: Iterable[Tag], date_ms: int) -> None:
        for tag in tags:
            for target in [rid] if tag.target is None else self._known([tag.target]):
                row = (target, as_text(tag.name), rid, tag.prefix, as_text(tag.value), date_ms)
                self._db.execute("INSERT OR IGNORE INTO tag VALUES (?, ?, ?, ?, ?, ?)", row)

    def _take_as_they_stand(self) -> None:
        for rid in self._unread:
            for table, column in (("parent", "child"), ("tag", "source"), ("awaited", "checkin")):
                rows = self._reader.db.execute(f"SELECT * FROM {table} WHERE {column} = ?", (rid,)).fetchall()  # noqa: S608 our own names
                if rows:
                    marks = ", ".join("?" * len(rows[0]))
                    self._db.executemany(f"INSERT OR IGNORE INTO {table} VALUES ({marks})", rows)  # noqa: S608 our own names
            row = self._reader.db.execute(
                "SELECT date_ms, zones FROM checkin WHERE rid = ?", (rid,)
            ).fetchone()
            if row is not None:
                self._checkins[rid] = branches.New(*row)
