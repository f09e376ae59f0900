"""Refs in the repository itself, moved inside the transaction that stored what they name.

ref            branch ("example.com/main") -> check-in, serial, served indexes, number of its last move
publication    every move, numbered from 1 without gaps within a repository
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from xferzone.errors import RefConflict
from xferzone.hashing import ArtifactId
from xferzone.refs import indexes
from xferzone.refs.served import pack, unpack
from xferzone.store.chains import id_of
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer


@dataclass(frozen=True, slots=True)
class Ref:
    """Where a branch stands; `serial` None and no `numbers`: the zone has been removed.

    `numbers` are its indexes in owner order, or DEFERRED.
    """

    branch: str
    checkin: ArtifactId
    serial: int | None
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Move:
    """A wish: `branch` from `expected` (None: it has no ref yet) to `ref`, at `time_ms` since 1970."""

    expected: ArtifactId | None
    to: Ref
    time_ms: int


@dataclass(frozen=True, slots=True)
class Publication:
    """A move that was made."""

    number: int
    branch: str
    checkin: ArtifactId
    serial: int | None
    time_ms: int


class LocalRefs:
    """Reads with a Reader; moves with a Writer, in its transaction."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def get(self, branch: str) -> Ref | None:
        """Where `branch` stands; None: it has no ref."""
        query = "SELECT branch, hash, serial, indexes FROM ref JOIN blob ON rid = checkin WHERE branch = ?"
        row = self._reader.db.execute(query, (branch,)).fetchone()
        return None if row is None else Ref(row[0], id_of(row[1]), row[2], unpack(row[3]))

    def list(self) -> Sequence[Ref]:
        """All refs, by branch."""
        query = "SELECT branch, hash, serial, indexes FROM ref JOIN blob ON rid = checkin ORDER BY branch"
        return [Ref(row[0], id_of(row[1]), row[2], unpack(row[3])) for row in self._reader.db.execute(query)]

    def of_zone(self, zone: str) -> Sequence[Ref]:
        """The refs of all of a zone's branches, by branch."""
        query = """SELECT branch, hash, serial, indexes FROM ref JOIN blob ON rid = checkin
                   WHERE branch >= ? AND branch < ? ORDER BY branch"""
        rows = self._reader.db.execute(query, (f"{zone}/", f"{zone}0")).fetchall()
        return [Ref(row[0], id_of(row[1]), row[2], unpack(row[3])) for row in rows]

    def publications(self, branch: str) -> Iterable[Publication]:
        """The moves of `branch`, newest first."""
        query = """SELECT number, branch, hash, serial, time_ms FROM publication JOIN blob ON rid = checkin
                   WHERE branch = ? ORDER BY number DESC"""
        for number, name, raw, serial, time_ms in self._reader.db.execute(query, (branch,)):
            yield Publication(number, name, id_of(raw), serial, time_ms)

    def epoch(self) -> str:
        """Names this life of the repository: numbers of another one mean nothing here."""
        return self._reader.setting("epoch") or ""

    def since(self, number: int) -> Sequence[Publication]:
        """The last move of each ref that moved after publication `number` (0: of every ref), in order."""
        query = """SELECT number, publication.branch, hash, publication.serial, time_ms
                   FROM publication JOIN ref ON ref.publication = number JOIN blob ON rid = publication.checkin
                   WHERE number > ? ORDER BY number"""
        rows = self._reader.db.execute(query, (number,)).fetchall()
        return [Publication(row[0], row[1], id_of(row[2]), row[3], row[4]) for row in rows]

    def compare_and_set(self, moves: Iterable[Move]) -> None:
        """Make all the moves, or none.

        Raises:
            RefConflict: one of them expected its ref elsewhere. Nothing was changed.
        """
        wanted = list(moves)
        for move in wanted:
            stands = self.get(move.to.branch)
            actual = None if stands is None else stands.checkin
            if actual != move.expected:
                raise RefConflict(move.to.branch, move.expected, actual)
        for move in wanted:
            self._move(move)
        # Last, for what one move drops another may have been compiled for.
        for zone in {move.to.branch.partition("/")[0] for move in wanted}:
            self._sweep(zone)

    def _move(self, move: Move) -> None:
        writer = self._reader
        assert isinstance(writer, Writer)
        ref, rid = move.to, writer.rid(move.to.checkin)
        number = writer.db.execute(
            "INSERT INTO publication (branch, checkin, serial, time_ms) VALUES (?, ?, ?, ?)",
            (ref.branch, rid, ref.serial, move.time_ms),
        ).lastrowid
        before = self.get(ref.branch)
        previous = pack(() if before is None else before.numbers)
        writer.db.execute(
            "INSERT OR REPLACE INTO ref VALUES (?, ?, ?, ?, ?, ?)",
            (ref.branch, rid, ref.serial, number, pack(ref.numbers), previous),
        )

    def _sweep(self, zone: str) -> None:
        """Drop the indexes that none of the zone's refs stands on, or stood on before its last move."""
        writer = self._reader
        assert isinstance(writer, Writer)
        query = "SELECT indexes, previous FROM ref WHERE branch >= ? AND branch < ?"
        used = writer.db.execute(query, (f"{zone}/", f"{zone}0")).fetchall()
        indexes.sweep(writer, zone, {number for row in used for packed in row for number in unpack(packed)})

    def repack(self, branch: str, numbers: tuple[int, ...], previous: tuple[int, ...]) -> None:
        """Let a ref name indexes that were compiled again, without a move."""
        writer = self._reader
        assert isinstance(writer, Writer)
        row = (pack(numbers), pack(previous), branch)
        writer.db.execute("UPDATE ref SET indexes = ?, previous = ? WHERE branch = ?", row)
