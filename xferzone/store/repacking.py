"""Repacking: what is kept, kept in less room; its content, its rows and its positions stay.

    every check-in is noted    ─> older versions are made deltas of newer ones, as they came or not (rechaining.py)
    every frame is made again  ─> with the most that zstd can do, and with a dictionary of the repository's own if that
                                  is worth it (training.py); kept where it is smaller
    clusters                   ─> by the rows of their members (members.py)
    compiled forms, too        ─> without such a dictionary
    VACUUM                     ─> the file has no empty pages

Each step is cut into transactions, and a kill leaves a sound repository between two of them. What is damaged stays as
it is.
"""

import sqlite3
from functools import partial
from typing import Final, NamedTuple

from xferzone import artifacts
from xferzone.artifacts import Cluster
from xferzone.errors import CorruptArtifact
from xferzone.store import chains, frames, members
from xferzone.store.chains import Row
from xferzone.store.rechaining import rechain_noted
from xferzone.store.turns import LONG_S, clock
from xferzone.store.writer import Writer

MAX_COMPILED: Final = 1 << 30  # bytes of a compiled zone file; one that we made here
_LOOKED_AT: Final = 100  # rows at a time


class Repacked(NamedTuple):
    """How many frames have become smaller, and how many could not be read."""

    smaller: int
    damaged: int


def note_all(writer: Writer) -> None:
    """Let all chains be turned round again, of whatever check-ins."""
    writer.db.execute("INSERT OR IGNORE INTO unchained SELECT rid FROM checkin")


def rechain(writer: Writer) -> None:
    """Turn round what is noted; whoever is killed has noted the rest."""
    is_done = False
    while not is_done:
        is_done = rechain_noted(writer, partial(_is_over, clock() + LONG_S))
        writer.let_go()


def _is_over(end: float) -> bool:
    return clock() > end


def recompress(writer: Writer, dictionary: bytes | None = None) -> Repacked:
    """Make every frame again, and keep those that are smaller; `dictionary`: of the repository's own."""
    makers = [frames.compress_best, *([] if dictionary is None else [frames.best_with(dictionary)])]
    smaller = damaged = position = 0
    while rows := _rows(writer.db, position):
        better = []
        for row in rows:
            try:
                kept = _kept(writer, row)
            except CorruptArtifact:
                damaged += 1
                continue
            frame = _by_rows(writer.db, row, kept) or min((make(kept) for make in makers), key=len)
            if len(frame) < len(row.frame):
                better.append(row._replace(frame=frame))
        chains.rewrite(writer.db, better)
        smaller += len(better)
        position = rows[-1].rid
        writer.fault("store.repacked", 0.1)
        writer.give_way()
    return Repacked(smaller, damaged)


def _rows(db: sqlite3.Connection, behind: int) -> list[Row]:
    """The next rows behind this one."""
    query = """SELECT rid, hash, size, content, source, stack FROM blob WHERE rid > ? AND content IS NOT NULL
               ORDER BY rid LIMIT ?"""
    rows = map(Row._make, db.execute(query, (behind, _LOOKED_AT)).fetchall())
    return [row._replace(frame=row.frame or chains.large(db, row.rid)) for row in rows]


def _kept(writer: Writer, row: Row) -> bytes:
    """What the row keeps: content, or a delta. Raises CorruptArtifact."""
    if row.source is None:
        return chains.content(writer.db, writer.cache, row.rid)
    return chains.sound_delta(writer.db, writer.cache, row.rid, row.frame)


def _by_rows(db: sqlite3.Connection, row: Row, kept: bytes) -> bytes | None:
    """The frame of a cluster whose members are all here; None: it is something else."""
    cluster = artifacts.parse(kept) if row.source is None and kept.startswith(b"M ") else None
    return members.by_rows(db, chains.id_of(row.raw), cluster, {}) if isinstance(cluster, Cluster) else None


def recompress_compiled(writer: Writer) -> None:
    """The same for compiled zone files."""
    numbers = writer.db.execute("SELECT number FROM zone_index ORDER BY number").fetchall()
    for (number,) in numbers:
        query = "SELECT CAST(content AS BLOB) FROM zone_index WHERE number = ?"
        row = writer.db.execute(query, (number,)).fetchone()
        try:
            best = b"" if row is None else frames.compress_best(frames.expand(row[0], MAX_COMPILED))
        except ValueError:
            continue  # damaged: `check` says so
        if row is not None and len(best) < len(row[0]):
            writer.db.execute("UPDATE zone_index SET content = ? WHERE number = ?", (best, number))
        writer.give_way()
