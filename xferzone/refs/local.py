"""Refs in the repository itself, moved inside the transaction that stored what they name.

ref            branch ("example.com/main") -> check-in, serial, served indexes, number of its last move
publication    every move, numbered from 1 without gaps within a repository
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from xferzone.errors import RefConflict
from xferzone.hashing import ArtifactId
from xferzone.refs import indexes
from xferzone.refs.branch import DEFAULT_BRANCH, BranchName
from xferzone.refs.occasion import Door, Occasion
from xferzone.refs.served import State, pack, pack_numbers, unpack, unpack_numbers
from xferzone.store.chains import id_of
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer

_REFS: Final = "SELECT branch, hash, serial, indexes FROM ref JOIN blob ON rid = checkin"
#: The last moves of the refs that DNS answers from: the default branch of each zone, unless it was removed.
_ANSWERED: Final = """FROM (SELECT publication AS last FROM ref
        WHERE branch = substr(branch, 1, instr(branch, '/')) || ? AND length(indexes) > 0)
    JOIN publication ON number = last JOIN blob ON rid = checkin"""


@dataclass(frozen=True, slots=True)
class Ref:
    """Where a branch stands. `serial` None: no version of it has one.

    `numbers` are its indexes in owner order; empty unless the state is SERVED.
    """

    branch: BranchName
    checkin: ArtifactId
    serial: int | None
    state: State
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Move:
    """A wish: the branch of `to` from `expected` (None: it has no ref yet) to where `to` is."""

    expected: ArtifactId | None
    to: Ref
    occasion: Occasion


@dataclass(frozen=True, slots=True)
class Publication:
    """A move that was made."""

    number: int
    branch: BranchName
    checkin: ArtifactId
    serial: int | None
    occasion: Occasion


class LocalRefs:
    """Reads with a Reader; moves with a Writer, in its transaction."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def get(self, branch: BranchName | None) -> Ref | None:
        """Where `branch` stands (None: not a zone's branch). None: it has no ref."""
        if branch is None:
            return None
        row = self._reader.db.execute(f"{_REFS} WHERE branch = ?", (str(branch),)).fetchone()
        return None if row is None else _ref(row)

    def list(self) -> Sequence[Ref]:
        """All refs, by branch."""
        return [_ref(row) for row in self._reader.db.execute(f"{_REFS} ORDER BY branch")]

    def of_zone(self, zone: str) -> Sequence[Ref]:
        """The refs of all of a zone's branches, by branch."""
        query = f"{_REFS} WHERE branch >= ? AND branch < ? ORDER BY branch"
        return [_ref(row) for row in self._reader.db.execute(query, (f"{zone}/", f"{zone}0")).fetchall()]

    def publications(self, branch: BranchName) -> Iterable[Publication]:
        """The moves of `branch`, newest first."""
        query = """SELECT number, branch, hash, serial, time_ms, login, door
                   FROM publication JOIN blob ON rid = checkin WHERE branch = ? ORDER BY number DESC"""
        for row in self._reader.db.execute(query, (str(branch),)):
            yield _publication(*row)

    def last_before(self, branch: BranchName, time_ms: int) -> Publication | None:
        """The last move of `branch` at that time or before. None: it had not moved."""
        query = """SELECT number, branch, hash, serial, time_ms, login, door FROM publication
                   JOIN blob ON rid = checkin WHERE branch = ? AND time_ms <= ? ORDER BY number DESC LIMIT 1"""
        row = self._reader.db.execute(query, (str(branch), time_ms)).fetchone()
        return None if row is None else _publication(*row)

    def begins(self) -> int | None:
        """When the log begins, in milliseconds since 1970. None: it is empty."""
        row = self._reader.db.execute("SELECT time_ms FROM publication ORDER BY number LIMIT 1").fetchone()
        return None if row is None else int(row[0])

    def counts(self) -> tuple[int, int]:
        """How many refs there are, and how many of them are branches that DNS answers from."""
        (refs,) = self._reader.db.execute("SELECT count(*) FROM ref").fetchone()
        (zones,) = self._reader.db.execute(f"SELECT count(*) {_ANSWERED}", (DEFAULT_BRANCH,)).fetchone()
        return refs, zones

    def standing(self, limit: int) -> Iterable[Publication]:
        """The last move of each of the first `limit` refs, by name, that DNS answers from."""
        query = (
            f"SELECT number, branch, hash, serial, time_ms, login, door {_ANSWERED} ORDER BY branch LIMIT ?"
        )
        for row in self._reader.db.execute(query, (DEFAULT_BRANCH, limit)):
            yield _publication(*row)

    def newest(self) -> int:
        """The number of the last move; 0: there was none."""
        (number,) = self._reader.db.execute("SELECT coalesce(max(number), 0) FROM publication").fetchone()
        return int(number)

    def after(self, number: int, limit: int) -> Sequence[Publication]:
        """The first `limit` moves after publication `number`, in order."""
        query = """SELECT number, branch, hash, serial, time_ms, login, door
                   FROM publication JOIN blob ON rid = checkin WHERE number > ? ORDER BY number LIMIT ?"""
        return [_publication(*row) for row in self._reader.db.execute(query, (number, limit)).fetchall()]

    def epoch(self) -> str:
        """The name of this life of the repository, within which moves are numbered."""
        return self._reader.setting("epoch") or ""

    def since(self, number: int) -> Sequence[Publication]:
        """The last move of each ref that moved after publication `number` (0: of every ref), in order."""
        query = """SELECT number, publication.branch, hash, publication.serial, time_ms, login, door
                   FROM publication JOIN ref ON ref.publication = number JOIN blob ON rid = publication.checkin
                   WHERE number > ? ORDER BY number"""
        rows = self._reader.db.execute(query, (number,)).fetchall()
        return [_publication(*row) for row in rows]

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
                raise RefConflict(str(move.to.branch), move.expected, actual)
        for move in wanted:
            self._reader.fault("refs.before-move", 0.05)
            self._move(move)
            self._reader.fault("refs.moved", 0.05)
        # Last, because what one move drops may have been compiled for another one. A branch that begins drops nothing.
        for zone in {move.to.branch.zone for move in wanted if move.expected is not None}:
            self._sweep(zone)

    def _move(self, move: Move) -> None:
        writer = self._reader
        assert isinstance(writer, Writer)
        ref, rid = move.to, writer.rid(move.to.checkin)
        number = writer.db.execute(
            "INSERT INTO publication (branch, checkin, serial, time_ms, login, door) VALUES (?, ?, ?, ?, ?, ?)",
            (str(ref.branch), rid, ref.serial, *_columns(move.occasion)),
        ).lastrowid
        writer.fault("refs.move-logged", 0.05)
        before = self.get(ref.branch)
        previous = b"" if before is None else pack(before.state, before.numbers)
        writer.db.execute(
            "INSERT OR REPLACE INTO ref VALUES (?, ?, ?, ?, ?, ?)",
            (str(ref.branch), rid, ref.serial, number, pack(ref.state, ref.numbers), previous),
        )

    def _sweep(self, zone: str) -> None:
        """Drop the indexes that none of the zone's refs stands on, or stood on before its last move."""
        writer = self._reader
        assert isinstance(writer, Writer)
        query = "SELECT indexes, previous FROM ref WHERE branch >= ? AND branch < ?"
        used = writer.db.execute(query, (f"{zone}/", f"{zone}0")).fetchall()
        indexes.sweep(
            writer, zone, {number for row in used for packed in row for number in unpack_numbers(packed)}
        )

    def repack(self, ref: Ref, previous: tuple[int, ...]) -> None:
        """Let the ref's branch have its state and indexes, which were compiled again, without a move."""
        writer = self._reader
        assert isinstance(writer, Writer)
        row = (pack(ref.state, ref.numbers), pack_numbers(previous), str(ref.branch))
        writer.db.execute("UPDATE ref SET indexes = ?, previous = ? WHERE branch = ?", row)


def _ref(row: tuple[str, bytes, int | None, bytes]) -> Ref:
    branch, raw, serial, packed = row
    return Ref(BranchName.of_row(branch), id_of(raw), serial, *unpack(packed))


def _publication(
    number: int, branch: str, raw: bytes, serial: int | None, *columns: *tuple[int, str, str]
) -> Publication:
    time_ms, login, door = columns
    occasion = Occasion(time_ms, login, Door(door))
    return Publication(number, BranchName.of_row(branch), id_of(raw), serial, occasion)


def _columns(occasion: Occasion) -> tuple[int, str, str]:
    """The occasion as the publication table keeps it; a login may hold octets that SQLite refuses."""
    login = occasion.login.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return occasion.now_ms, login, occasion.door.value
