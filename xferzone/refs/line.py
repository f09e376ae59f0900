"""Which version of a branch a serial stands for.

A secondary may have its version from another server of the group, or from an earlier life of this repository: so it is
looked for on the first-parent line, whose serials follow from manifests alone (law 3), and not in the log of this
repository's moves.
"""

from collections.abc import Iterator
from typing import Final

from xferzone.hashing import ArtifactId
from xferzone.store import schema
from xferzone.store.chains import id_of
from xferzone.store.reader import Reader

_ALL: Final = 2**32 - 1  # serials count modulo 2^32
_HALF: Final = 2**31 - 1  # and at most this far ahead, RFC 1982 3.2
MAX_BACK: Final = 100_000  # check-ins from the tip on; some 0.2 s. Who is further behind gets the whole zone


def with_serial(reader: Reader, zone: str, tip: ArtifactId, serial: int) -> Iterator[ArtifactId]:
    """The check-ins on the first-parent line of `tip` that serve the zone at that serial, the newest first.

    One that holds no files of the zone has the serial of the one before it.
    """
    # Without ORDER BY it comes in the order in which it is found, and the rest of the line is not walked. Towards older
    # check-ins serials fall (law 3, RFC 1982): the line is left at the first that is behind the one sought, and where
    # the zone begins.
    rows = reader.db.execute(
        f"""WITH RECURSIVE line(rid, depth) AS (
               SELECT rid, 0 FROM blob WHERE hash = :tip
               UNION ALL
               SELECT parent.parent, depth + 1 FROM line JOIN parent ON child = line.rid AND position = 0
               WHERE depth < :back AND EXISTS (SELECT 1 FROM serial WHERE checkin = line.rid AND zone = :zone
               AND (serial IS NULL OR ((:serial - serial) & {_ALL}) NOT BETWEEN 1 AND {_HALF})))
           SELECT hash FROM line JOIN serial ON serial.checkin = line.rid AND zone = :zone AND serial = :serial
           JOIN checkin ON checkin.rid = line.rid AND place <> :invalid JOIN blob ON blob.rid = line.rid""",  # noqa: S608 our own numbers
        {
            "tip": bytes.fromhex(tip),
            "back": MAX_BACK,
            "zone": zone,
            "serial": serial,
            "invalid": schema.INVALID,
        },
    )
    for (raw,) in rows:
        yield id_of(raw)


def serial_before(reader: Reader, zone: str, tip: ArtifactId) -> int | None:
    """The serial that the zone has at the first parent of a check-in. None: it has none there."""
    row = reader.db.execute(
        """SELECT serial FROM blob JOIN parent ON child = blob.rid AND position = 0
           JOIN serial ON serial.checkin = parent.parent AND zone = ? WHERE hash = ?""",
        (zone, bytes.fromhex(tip)),
    ).fetchone()
    return None if row is None else row[0]
