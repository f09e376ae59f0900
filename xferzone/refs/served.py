"""What a responder reads: which zones are served at which check-in, and their compiled indexes.

A process opens it once, outside of any transaction: each call is a statement of its own, so no snapshot is held and the
WAL can always be checkpointed. `version` is one PRAGMA (3.4 us); it changes with every commit of another connection.
"""

import sqlite3
import struct
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Final
from urllib.parse import quote

from xferzone.errors import NotFound, NotReady
from xferzone.hashing import ArtifactId
from xferzone.refs.branch import BranchName
from xferzone.store import frames

MAX_INDEX = 256 * 1024 * 1024  # bytes of one compiled zone file
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


class Served:
    """One read-only connection of one process.

    Raises:
        NotFound: no repository there.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise NotFound(
                f"no repository at {path}: make one with `xferzone -R {path} init`, or name yours with -R"
            )
        uri = f"file:{quote(str(path.absolute()))}?mode=ro"
        self._db = sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT, isolation_level=None)

    def version(self) -> int:
        """A number that differs from the last call's when another connection has committed."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        return int(version)

    def changes(self, since: int) -> tuple[int, list[ServedZone]]:
        """The number of the newest move, and where each zone whose ref moved after `since` (0: all) stands now."""
        rows = self._db.execute(
            """SELECT branch, hash, serial, indexes, publication FROM ref JOIN blob ON rid = checkin
               WHERE publication > ? ORDER BY publication""",
            (since,),
        ).fetchall()
        newest = max([since, *(row[4] for row in rows)])
        zones = []
        for text, raw, serial, packed, moved in rows:
            branch = BranchName.of_row(text)
            if branch.is_main:
                zones.append(ServedZone(branch, ArtifactId(raw.hex()), serial or 0, *unpack(packed), moved))
        return newest, zones

    def indexes(self, zone: ServedZone) -> list[tuple[bytes, int]]:
        """First owner key and number of each of the zone's indexes, in owner order.

        Raises:
            NotFound: the zone has moved since (ask for changes).
            NotReady: it is not compiled.
        """
        if zone.state is State.DEFERRED:
            raise NotReady(
                f"zone {zone.branch.zone} could not be compiled when this server started: repair what `xferzone check` "
                "finds, and start the server again"
            )
        found = []
        for number in zone.numbers:
            row = self._db.execute("SELECT first FROM zone_index WHERE number = ?", (number,)).fetchone()
            if row is None:
                raise NotFound(f"index {number} of zone {zone.branch.zone} is gone: the zone has moved")
            found.append((bytes(row[0]), number))
        return found

    def index(self, number: int) -> bytes:
        """A compiled index; the same bytes for ever under the same number.

        Raises:
            NotFound: no zone uses it any more.
        """
        row = self._db.execute("SELECT content FROM zone_index WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise NotFound(f"index {number} is gone: its zone has moved")
        return frames.expand(row[0], MAX_INDEX)

    def close(self) -> None:
        self._db.close()


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
