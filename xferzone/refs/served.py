"""What a responder reads: which zones are served at which check-in, and their compiled indexes.

A process opens it once, outside of any transaction: each call is a statement of its own, so no snapshot is held and the
WAL can always be checkpointed. `version` is one PRAGMA (3.4 us); it changes with every commit of another connection.
Every LOOK_S it is seen whether the name still leads to the open file; if not, what is there now is opened in its place.
"""

import sqlite3
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple

from xferzone.errors import NotFound, NotReady, XferzoneError
from xferzone.hashing import ArtifactId
from xferzone.refs import claims
from xferzone.refs.branch import BranchName
from xferzone.store import frames
from xferzone.store.emptiness import emptiness
from xferzone.store.held import HeldFile
from xferzone.store.remedies import explained
from xferzone.store.schema import APPLICATION_ID, PRIMARY
from xferzone.store.soundness import Soundness
from xferzone.store.walnote import ForeignLog
from xferzone.zone.former import current

MAX_INDEX = 256 * 1024 * 1024  # bytes of one compiled zone file
SERVING: Final = "group-serving"  # the setting that serving.py keeps
LOOK_S: Final = 0.5  # seconds between two looks at whether the file was replaced
_READ: Final = ("blob", "publication", "ref", "setting", "zone_index")  # tables
_MAX_FIRSTS: Final = 20_000  # first keys of indexes that are remembered; some 3 MB
_BUSY_TIMEOUT = 0.05  # seconds; a responder prefers to answer from what it has
_TO_COMPILE: Final = struct.pack(">q", -1)  # in place of index numbers; no index has that number


class State(Enum):
    """What there is at a ref to answer from."""

    SERVED = "served"  # compiled indexes
    DEFERRED = "deferred"  # published, but still to be compiled (publish/deferred.py)
    REMOVED = "removed"  # nothing: its check-in has no files of the zone


@dataclass(frozen=True, slots=True)
class ServedZone:
    """A zone as the last move of its ref left it.

    `serial` is the serial of every SOA sent; `numbers` are its indexes in owner order; `moved` numbers the move.
    """

    branch: BranchName
    checkin: ArtifactId
    serial: int
    state: State
    numbers: tuple[int, ...]
    moved: int


class Version(NamedTuple):
    """Differs from an earlier one when something was committed; with another `file`, nothing seen before counts."""

    file: int  # counts the files that were opened
    commits: int  # SQLite's data_version


class Served:
    """One read-only connection of one process.

    Raises:
        NotFound: no repository there.
        XferzoneError: it cannot be opened.
    """

    def __init__(self, path: Path, patience: float = _BUSY_TIMEOUT) -> None:
        """`patience`: seconds that a lock is waited for."""
        self.path = path
        self._patience = patience
        self._opened = _Opened(path, patience)
        self._soundness = Soundness(path)
        self._firsts: dict[int, bytes] = {}  # by number; a number's never changes
        self._files = 1
        self._version: Version | None = None  # as of the last call
        self._due = time.monotonic() + LOOK_S

    @property
    def _db(self) -> sqlite3.Connection:
        return self._opened.db

    def version(self) -> Version:
        """What to compare with the last call's.

        Raises:
            XferzoneError: another file has taken the name, and it cannot be read, or is of another project, or not
                sound; or none has. The old one can be read until one is there that can. The next look is LOOK_S away.
        """
        clock = time.monotonic()
        refused: XferzoneError | None = None
        if clock >= self._due:
            self._due = clock + LOOK_S
            if not self._opened.file.is_current():
                self._due = 0.0  # until there is one, each call says so
                try:
                    self._reopen()
                    self._due = clock + LOOK_S
                except XferzoneError as exc:
                    refused = exc
        (commits,) = self._db.execute("PRAGMA data_version").fetchone()
        before, self._version = self._version, Version(self._files, int(commits))
        # What came to the old file before it lost its name is told first: other processes may have seen it.
        if refused is not None and self._version == before:
            raise refused
        return self._version

    def _reopen(self) -> None:
        old = self._opened
        stamp = self._soundness.stamp()
        try:
            fresh = _Opened(self.path, self._patience)
        except ForeignLog:
            # The log is that of the old file, and is in nobody's way when all have let go of that.
            old.step_aside()
            stamp = self._soundness.stamp()
            fresh = _Opened(self.path, self._patience)
        try:
            if old.project not in (None, fresh.project):  # None: an empty mirror does not know it yet
                raise XferzoneError(f"{self.path} was replaced by a repository of another project")
            self._soundness.check(fresh.db, _READ, stamp)
        except BaseException:
            fresh.close()
            raise
        old.let_go()
        self._opened, self._files = fresh, self._files + 1

    def changes(
        self, since: int, wanted: Callable[[BranchName], bool] = lambda branch: branch.is_main
    ) -> tuple[int, list[ServedZone]]:
        """The number of the newest move, and where each wanted ref that moved after `since` (0: all) stands now."""
        rows = self._db.execute(
            """SELECT branch, hash, serial, indexes, publication FROM ref JOIN blob ON rid = checkin
               WHERE publication > ? ORDER BY publication""",
            (since,),
        ).fetchall()
        newest = max([since, *(row[4] for row in rows)])
        zones = []
        for text, raw, serial, packed, moved in rows:
            branch = BranchName.of_row(text)
            if wanted(branch):
                zones.append(_zone(branch, raw, serial, packed, moved))
        return newest, zones

    def moved(self, since: int) -> tuple[int, list[BranchName]]:
        """The number of the newest move, and the branches that moved after `since` (0: all)."""
        rows = self._db.execute(
            "SELECT branch, publication FROM ref WHERE publication > ?", (since,)
        ).fetchall()
        return max([since, *(row[1] for row in rows)]), [BranchName.of_row(row[0]) for row in rows]

    def is_empty_mirror(self) -> bool:
        """Whether it is a mirror whose first pull has not ended."""
        return bool(emptiness(self._db))

    def indexes(self, zone: ServedZone) -> list[tuple[bytes, int]]:
        """First owner key and number of each of the zone's indexes, in owner order.

        Raises:
            NotFound: the zone has moved since (ask for changes).
            NotReady: it is not compiled.
        """
        found = []
        if len(self._firsts) > _MAX_FIRSTS:
            self._firsts.clear()
        for number in self._compiled(zone) if zone.state is State.DEFERRED else zone.numbers:
            first = self._firsts.get(number)
            if first is None:  # one of a large zone's, after a commit to it
                row = self._db.execute("SELECT first FROM zone_index WHERE number = ?", (number,)).fetchone()
                if row is None:
                    raise NotFound(f"index {number} of zone {zone.branch.zone} is gone: the zone has moved")
                first = self._firsts[number] = bytes(row[0])
            found.append((first, number))
        return found

    def _compiled(self, zone: ServedZone) -> tuple[int, ...]:
        """The indexes of a zone that was deferred when its ref moved: they come later, without a move."""
        query = "SELECT indexes FROM ref WHERE branch = ? AND publication = ?"
        row = self._db.execute(query, (str(zone.branch), zone.moved)).fetchone()
        state, numbers = (zone.state, ()) if row is None else unpack(row[0])
        if state is State.DEFERRED:
            raise NotReady(
                f"zone {zone.branch.zone} is not compiled: a mirror does so when it has pulled it, a server when it "
                "starts; if it stays so, repair what `xferzone check` finds, and start the server again"
            )
        return numbers

    def tip(self, branch: BranchName) -> ServedZone | None:
        """Where a ref stands now, and its indexes, also those that came without a move. None: there is no such ref."""
        row = self._db.execute(
            """SELECT hash, serial, indexes, publication FROM ref JOIN blob ON rid = checkin WHERE branch = ?""",
            (str(branch),),
        ).fetchone()
        return None if row is None else _zone(branch, *row)

    def begun(self, zone: str) -> int:
        """When a zone was published here first, in milliseconds since 1970 by this machine's clock; 0: never."""
        return claims.begun(self._db, zone)

    def role(self) -> str:
        """The repository's role (law 5)."""
        row = self._db.execute("SELECT value FROM setting WHERE name = 'role'").fetchone()
        return PRIMARY if row is None else str(row[0])

    def serving(self) -> str:
        """The setting of what the group serves (serving.py); empty: there is none."""
        row = self._db.execute("SELECT value FROM setting WHERE name = ?", (SERVING,)).fetchone()
        return "" if row is None else str(row[0])

    def index(self, number: int) -> bytes:
        """A compiled index; the same bytes for ever under the same number.

        Raises:
            NotFound: no zone uses it any more.
        """
        return expanded(self.frame(number))

    def frame(self, number: int) -> bytes:
        """A compiled index as it is kept. Raises as `index`."""
        row = self._db.execute("SELECT content FROM zone_index WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise NotFound(f"index {number} is gone: its zone has moved")
        return bytes(row[0])

    def close(self) -> None:
        self._opened.close()


class _Opened:
    """A file, and a connection to it. Raises as HeldFile; XferzoneError: it cannot be opened."""

    def __init__(self, path: Path, patience: float) -> None:
        self.file = HeldFile(path)
        try:
            with explained(path, "opened"):
                self.db = self.file.connect(writes=False, timeout=patience)
                try:
                    self.db.execute("PRAGMA query_only=ON")
                    (application_id,) = self.db.execute("PRAGMA application_id").fetchone()
                    if application_id != APPLICATION_ID:
                        raise XferzoneError(f"{path} is not an xferzone repository: name yours with -R")
                    self._project = self._read_project()
                except BaseException:
                    self.db.close()
                    raise
        except BaseException:
            self.file.release()
            raise

    @property
    def project(self) -> str | None:
        """The project code; None: an empty mirror did not know it when this file was let go of."""
        if self._project is None:
            with suppress(sqlite3.ProgrammingError):  # it was let go of
                self._project = self._read_project()
        return self._project

    def _read_project(self) -> str | None:
        row = self.db.execute("SELECT value FROM setting WHERE name = 'project-code'").fetchone()
        return None if row is None else str(row[0])

    def step_aside(self) -> None:
        """Go on reading a file that has lost its name, and be in nobody's way."""
        self.file.step_aside(self.db)

    def let_go(self) -> None:
        """`close`, of a file that has lost its name."""
        with suppress(sqlite3.ProgrammingError):  # it is closed already
            self.file.fold(self.db)
        self.close()

    def close(self) -> None:
        self.db.close()
        self.file.release()


def expanded(frame: bytes) -> bytes:
    """The compiled index that is kept as `frame`, in today's layout."""
    return current(frames.expand(frame, MAX_INDEX))


def _zone(branch: BranchName, raw: bytes, serial: int | None, packed: bytes, moved: int) -> ServedZone:
    return ServedZone(branch, ArtifactId(raw.hex()), serial or 0, *unpack(packed), moved)


def pack(state: State, numbers: tuple[int, ...]) -> bytes:
    """A ref's state and index numbers as the ref table keeps them."""
    return _TO_COMPILE if state is State.DEFERRED else pack_numbers(numbers)


def unpack(packed: bytes) -> tuple[State, tuple[int, ...]]:
    """The state and the numbers that `pack` put there."""
    if packed == _TO_COMPILE:
        return State.DEFERRED, ()
    return (State.SERVED if packed else State.REMOVED), unpack_numbers(packed)


def pack_numbers(numbers: tuple[int, ...]) -> bytes:
    """Index numbers alone: 8 bytes each, big endian."""
    return struct.pack(f">{len(numbers)}q", *numbers)


def unpack_numbers(packed: bytes) -> tuple[int, ...]:
    """The numbers that `pack_numbers` put there."""
    return struct.unpack(f">{len(packed) // 8}q", packed)
