"""Rows about refs that nothing of ours writes, found by `check`.

branch             of a ref or a move: names a zone's branch
indexes before     where a ref stood before its last move: compiled indexes of its zone, or still to be compiled
serial             of a zone that a ref ever stood for, or a member wishes for; each ref's check-in has one; none is
                   missing between two
"""

from collections.abc import Iterator

from xferzone.refs.branch import BranchName
from xferzone.refs.served import State, unpack
from xferzone.store import schema
from xferzone.store.chains import id_of
from xferzone.store.check.layout import BACKUP, REBUILD
from xferzone.store.reader import Reader

_ZONE = "substr(branch, 1, instr(branch, '/') - 1)"


def branches(reader: Reader) -> Iterator[str]:
    """Names in the tables of refs and moves that are not a zone's branch."""
    for table in ("ref", "publication"):
        for (name,) in reader.db.execute(f"SELECT DISTINCT branch FROM {table}"):  # noqa: S608 our own names
            if not isinstance(name, str) or BranchName.parse(name) is None:
                yield f"table {table}: {str(name)[:80]!r} is not a zone's branch: {BACKUP}"


def indexes_before(reader: Reader) -> Iterator[str]:
    """Refs that name compiled indexes of before their last move which are not their zone's."""
    known = set(reader.db.execute("SELECT zone, number FROM zone_index"))
    for branch, packed in reader.db.execute(
        "SELECT branch, previous FROM ref WHERE length(previous) % 8 = 0"
    ):
        state, numbers = unpack(packed)
        zone = branch.partition("/")[0]
        if state is State.SERVED and any((zone, number) not in known for number in numbers):
            yield f"ref {branch}: the compiled files of before its last move are not its zone's: {REBUILD}"


def serials(reader: Reader) -> Iterator[str]:
    """Rows of the table of serials that are missing, or of no zone here."""
    # A member computes them for what it wishes, which may be the first version of a zone.
    wished = f"UNION SELECT {_ZONE} FROM checkin" if reader.role == schema.MEMBER else ""  # noqa: S608 as above
    strange = f"""SELECT DISTINCT zone FROM serial WHERE zone NOT IN
                  (SELECT {_ZONE} FROM publication UNION SELECT {_ZONE} FROM ref {wished})"""  # noqa: S608 as above
    for (zone,) in reader.db.execute(strange):
        yield f"table serial: {str(zone)[:80]!r} is not a zone that was ever served: {REBUILD}"
    standing = f"""SELECT branch FROM ref LEFT JOIN serial ON serial.checkin = ref.checkin AND zone = {_ZONE}
                   WHERE serial.checkin IS NULL AND (ref.serial IS NOT NULL OR EXISTS (SELECT 1 FROM parent
                   JOIN serial AS older ON older.checkin = parent
                   WHERE child = ref.checkin AND older.zone = {_ZONE}))"""  # noqa: S608 as above
    for (branch,) in reader.db.execute(standing):
        yield f"table serial: that of the check-in on which {branch} stands is missing: {REBUILD}"
    # Before a zone begins its line has no serials, so a row is missing only between two others.
    gaps = """SELECT own.zone, hash FROM serial AS own JOIN parent AS up ON up.child = own.checkin AND up.position = 0
              JOIN blob ON rid = up.parent JOIN parent AS further ON further.child = rid AND further.position = 0
              JOIN serial AS older ON older.checkin = further.parent AND older.zone = own.zone
              LEFT JOIN serial AS amid ON amid.checkin = rid AND amid.zone = own.zone
              WHERE amid.checkin IS NULL"""
    for zone, raw in reader.db.execute(gaps):
        yield f"table serial: that of check-in {id_of(raw)} in zone {zone} is missing: {REBUILD}"
