"""What a responder reads: which zones are served at which check-in, and their compiled indexes.

Opened once a process, outside of any transaction: each call is a statement of its own, so no snapshot is held and
the log can always be checkpointed. `version` is one PRAGMA (3.4 us) and changes with every commit of others.
"""

import sqlite3
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from xferzone.errors import NotFound
from xferzone.hashing import ArtifactId
from xferzone.store import frames

#: What a ref has for indexes while its zone is still to be compiled (publish/deferred.py); no index has that number.
DEFERRED: Final = (-1,)
MAX_INDEX = 256 * 1024 * 1024  # bytes of one compiled zone file
_SERVED_BRANCH = "main"
_BUSY_TIMEOUT = 0.05  # seconds; a responder rather goes on with what it has


@dataclass(frozen=True, slots=True)
class ServedZone:
    """A zone as the last move of its ref left it; `checkin` None: it is not served any more.

    `serial` is the serial of every SOA sent; `numbers` are its indexes in owner order; `moved` numbers the move.
    """

    zone: str
    branch: str
    checkin: ArtifactId | None
    serial: int
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
        for branch, raw, serial, indexes, moved in rows:
            zone, _, name = branch.partition("/")
            if name == _SERVED_BRANCH:
                numbers = unpack(indexes)
                checkin = ArtifactId(raw.hex()) if numbers else None
                zones.append(ServedZone(zone, name, checkin, serial or 0, numbers, moved))
        return newest, zones

    def indexes(self, zone: ServedZone) -> list[tuple[bytes, int]]:
        """First owner key and number of each of the zone's indexes, in owner order.

        Raises:
            NotFound: the zone has moved on since; ask for changes. Or it is not compiled.
        """
        if zone.numbers == DEFERRED:
            raise NotFound(
                f"zone {zone.zone} could not be compiled when this server started: mend what `xferzone check` finds, "
                "and start it again"
            )
        found = []
        for number in zone.numbers:
            row = self._db.execute("SELECT first FROM zone_index WHERE number = ?", (number,)).fetchone()
            if row is None:
                raise NotFound(f"index {number} of zone {zone.zone} is gone: the zone has moved on")
            found.append((bytes(row[0]), number))
        return found

    def index(self, number: int) -> bytes:
        """A compiled index; the same bytes for ever under the same number.

        Raises:
            NotFound: no zone uses it any more.
        """
        row = self._db.execute("SELECT content FROM zone_index WHERE number = ?", (number,)).fetchone()
        if row is None:
            raise NotFound(f"index {number} is gone: its zone has moved on")
        return frames.expand(row[0], MAX_INDEX)

    def close(self) -> None:
        self._db.close()


def pack(numbers: tuple[int, ...]) -> bytes:
    """Index numbers as the ref table keeps them."""
    return struct.pack(f">{len(numbers)}q", *numbers)


def unpack(packed: bytes) -> tuple[int, ...]:
    """The numbers that `pack` put there."""
    return struct.unpack(f">{len(packed) // 8}q", packed)
