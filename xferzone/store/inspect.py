"""Looking a repository over: every artifact read back, the links between rows, counts and sizes."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from xferzone.errors import CorruptArtifact
from xferzone.store import chains
from xferzone.store.chains import id_of
from xferzone.store.reader import Reader

_DANGLING = (
    ("ref", "checkin", "a ref points to"),
    ("parent", "parent", "a parent link leads to"),
    ("checkin", "rid", "a check-in row stands for"),
    ("tag", "target", "a tag stands on"),
)


@dataclass(frozen=True, slots=True)
class Stats:
    """Counts, and bytes: `content` expanded, `stored` as kept, `indexes` compiled for the responder."""

    artifacts: int
    checkins: int
    phantoms: int
    unclustered: int
    deltas: int
    content: int
    stored: int
    indexes: int


def faults(reader: Reader) -> Iterator[str]:
    """Everything that is wrong, a line each; nothing: the repository is sound."""
    try:
        for (line,) in reader.db.execute("PRAGMA integrity_check"):
            if line != "ok":
                yield f"database: {line}"
        for (rid,) in reader.db.execute(
            "SELECT rid FROM blob WHERE content IS NOT NULL ORDER BY rid"
        ).fetchall():
            try:
                chains.content(reader.db, reader.cache, rid)
            except CorruptArtifact as exc:
                yield str(exc)
        for table, column, what in _DANGLING:
            query = f"SELECT {column} FROM {table} WHERE {column} NOT IN (SELECT rid FROM blob)"  # noqa: S608 our own names
            for (rid,) in reader.db.execute(query):
                yield f"{what} row {rid}, which is not there: run `xferzone rebuild`"
        query = "SELECT branch, hash FROM ref JOIN blob ON rid = checkin WHERE content IS NULL"
        for branch, raw in reader.db.execute(query):
            yield f"ref {branch} points to {id_of(raw)}, whose content is missing"
    except sqlite3.DatabaseError as exc:
        yield f"database: {exc}"


def stats(reader: Reader) -> Stats:
    """Counts and sizes of the snapshot."""

    def one(query: str) -> int:
        (value,) = reader.db.execute(query).fetchone()
        return int(value or 0)

    return Stats(
        artifacts=one("SELECT count(*) FROM blob WHERE content IS NOT NULL"),
        checkins=one("SELECT count(*) FROM checkin"),
        phantoms=one("SELECT count(*) FROM blob WHERE content IS NULL"),
        unclustered=one("SELECT count(*) FROM unclustered"),
        deltas=one("SELECT count(*) FROM blob WHERE source IS NOT NULL"),
        content=one("SELECT sum(size) FROM blob WHERE content IS NOT NULL"),
        stored=one("SELECT sum(length(content)) FROM blob") + one("SELECT sum(length(content)) FROM large"),
        indexes=one("SELECT sum(length(content)) FROM zone_index"),
    )
