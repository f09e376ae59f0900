"""The faults of a repository: every artifact is read back, every row compared with what it was derived from.

    the file         SQLite's own checks, the schema, types and ranges of values, rows pointed to (layout.py)
    settings, users  are there and well formed
    unversioned      files can be read, and hash to what is recorded
    synced tables    rows are what their definition says, and add up
    artifacts        can be read through their chains, hash to their names, and have the size recorded; so private ones
    derived tables   say what the artifacts say (store/check/derived.py)
    chains           what a delta is made against carries more deltas than it
    places, refs     ancestors of refs are published; each ref is where its last move brought it

Each fault is a line that says where it is and what mends it. Faults that need knowledge of zones are found by
repository/check.py.
"""

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from xferzone.delta import MAX_SIZE
from xferzone.errors import CorruptArtifact
from xferzone.hashing import ArtifactId
from xferzone.store import chains, configuration, frames, private, schema, tables, unversioned
from xferzone.store.behind import STRAY
from xferzone.store.chains import id_of
from xferzone.store.check import dictionaries, layout
from xferzone.store.check.derived import Derived
from xferzone.store.check.layout import BACKUP, REBUILD
from xferzone.store.reader import Reader

_REPAIR: Final = "run `xferzone repair`, which fetches it from a remote, or from a backup with --from FILE"
_SETTINGS: Final = {
    "project-code": re.compile("[0-9a-f]{40}"),
    "server-code": re.compile("[0-9a-f]{40}"),
    "role": re.compile(f"{schema.PRIMARY}|{schema.CLONE}|{schema.MIRROR}|{schema.MEMBER}"),
    "epoch": re.compile("[0-9a-f]{16}"),
}
_SECRET: Final = re.compile("(?:[0-9a-fA-F]{40})?")
_CAPS: Final = re.compile("[a-zA-Z0-9]*")


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
    """Everything that is wrong, a line each. A sound repository has none."""
    parts = (
        layout.database,
        *_QUICK,
        dictionaries.faults,
        _artifacts,
        _private,
        unversioned.faults,
        tables.faults,
    )
    for part in parts:
        yield from told(part(reader))


def quick(reader: Reader) -> Iterator[str]:
    """What is wrong with rows, no artifact being read."""
    for part in _QUICK:
        yield from told(part(reader))


def told(found: Iterator[str]) -> Iterator[str]:
    """What one part finds. If it cannot go on, that is a fault too, and the other parts still run."""
    try:
        yield from found
    except sqlite3.DatabaseError as exc:
        yield f"database: {exc}: {BACKUP}"
    except Exception as exc:  # noqa: BLE001 a damaged row may come out as any error, wherever it is read
        said = f", {exc}" if str(exc) else ""
        yield f"database: a row that cannot be read ({type(exc).__name__}{said}) ended one of the looks: {BACKUP}"


def _settings(reader: Reader) -> Iterator[str]:
    for name, pattern in _SETTINGS.items():
        value = reader.setting(name)
        if value is None and name == "project-code" and reader.emptiness:
            continue  # its primary has not told it yet
        if value is None or not pattern.fullmatch(value):
            yield f"setting {name} is {'missing' if value is None else 'damaged'}: {BACKUP}"


def _users(reader: Reader) -> Iterator[str]:
    for login, secret, caps in reader.db.execute("SELECT login, secret, caps FROM user"):
        if not _SECRET.fullmatch(str(secret)):
            yield f"user {login}: the password is damaged: set it with `xferzone user passwd {login}`"
        if not _CAPS.fullmatch(str(caps)):
            yield f"user {login}: the rights are damaged: set them with `xferzone user caps {login}`"


def _configuration(reader: Reader) -> Iterator[str]:
    for name in configuration.damaged(reader):
        yield f"configuration: {name[:100]!r} is damaged: {BACKUP}"


def _artifacts(reader: Reader) -> Iterator[str]:
    """Artifacts that cannot be read, and rows of derived tables that are not what the artifacts say."""
    rows = reader.db.execute(
        """SELECT rid, hash, size, content IS NOT NULL FROM blob
           WHERE typeof(hash) = 'blob' AND length(hash) IN (20, 32) ORDER BY rid"""
    ).fetchall()
    (count,) = reader.db.execute("SELECT count(*) FROM blob").fetchone()
    if count != len(rows):
        yield f"table blob: {count - len(rows)} rows hold no hash: {BACKUP}"
    rids = {raw: rid for rid, raw, *_ in rows}
    here = {id_of(raw) for _, raw, _, is_here in rows if is_here}
    with closing(Derived(reader, rids, here)) as derived:
        for rid, raw, size, is_here in rows:
            if not is_here:
                continue
            try:
                content = chains.content(reader.db, reader.cache, rid)
            except CorruptArtifact as exc:
                artifact = id_of(raw)
                if exc.artifact == artifact:
                    yield f"artifact {artifact} is damaged: {exc.reason}: {_REPAIR}"
                else:
                    yield f"artifact {artifact} cannot be read: it is kept as a delta that needs {exc.artifact}"
                derived.skip(rid)
                continue
            if len(content) != size:
                yield f"artifact {id_of(raw)} has {len(content)} bytes, not the {size} recorded: {_REPAIR}"
            derived.add(rid, content)
        yield from derived.differences()


def _private(reader: Reader) -> Iterator[str]:
    for artifact in private.ids(reader):
        try:
            size = len(private.content(reader, artifact))
        except CorruptArtifact as exc:
            yield f"private artifact {artifact} is damaged: {exc.reason}: {BACKUP}"
            continue
        if size != private.largest(reader, [artifact]):
            yield f"private artifact {artifact} has {size} bytes, which is not the size recorded: {BACKUP}"


def _stacks(reader: Reader) -> Iterator[str]:
    """Sources that do not count more deltas than a delta against them: that count bounds every chain."""
    query = """SELECT DISTINCT source.rid FROM blob JOIN blob AS source ON source.rid = blob.source
               WHERE source.stack <= blob.stack ORDER BY source.rid"""
    for (rid,) in reader.db.execute(query):
        yield f"table blob: the deltas that lie on {_name(reader, rid)} are miscounted: {REBUILD}"


def _aside(reader: Reader) -> Iterator[str]:
    query = "SELECT blob.rid, hash, delta, blob.content IS NULL FROM aside JOIN blob USING (rid)"
    for _rid, raw, frame, waits in reader.db.execute(query):
        try:
            frames.expand(frame, MAX_SIZE)
        except (TypeError, ValueError) as exc:
            yield f"the delta kept aside for {id_of(raw)} is damaged, {exc}: it will be asked for again"
        if not waits:
            yield f"a delta is kept aside for {id_of(raw)}, which is here"


def _places(reader: Reader) -> Iterator[str]:
    """Check-ins that are published and no ref led there, or left though one did; invalid ones without a reason."""
    parents: dict[int, list[int]] = {}
    for child, parent in reader.db.execute("SELECT child, parent FROM parent"):
        parents.setdefault(child, []).append(parent)
    places = dict(reader.db.execute("SELECT rid, place FROM checkin"))
    queue = [rid for (rid,) in reader.db.execute("SELECT checkin FROM ref")]
    passed: set[int] = set()
    while queue:
        at = queue.pop()
        if at not in passed and at in places:
            passed.add(at)
            queue.extend(parents.get(at, ()))
    first = dict(reader.db.execute("SELECT child, parent FROM parent WHERE position = 0"))
    decided = _lines(reader, first)
    reasons = {rid for (rid,) in reader.db.execute("SELECT rid FROM invalid")}
    lacking = f"SELECT checkin FROM awaited UNION SELECT rid FROM checkin AS own WHERE {STRAY}"  # noqa: S608 our own text
    awaiting = {rid for (rid,) in reader.db.execute(lacking)}
    is_behind = reader.setting("role") != schema.PRIMARY  # a ref of a clone may leave where it stood
    behind_waiting = {child for child, parent in first.items() if places.get(parent) == schema.WAITING}
    for rid, place in places.items():
        published = place == schema.PUBLISHED
        if (
            (rid in passed and place == schema.ELSEWHERE)
            or (rid in decided and place in (schema.UNPLACED, schema.WAITING))
            or (published and rid not in passed and not is_behind)
        ):
            yield f"table checkin: the place of check-in {_name(reader, rid)} is wrong: {REBUILD}"
        if place == (schema.UNPLACED if rid in awaiting or rid in behind_waiting else schema.WAITING):
            yield f"table checkin: whether check-in {_name(reader, rid)} waits is wrong: {REBUILD}"
        if (place == schema.INVALID) != (rid in reasons):
            yield f"table invalid: whether check-in {_name(reader, rid)} is invalid is wrong: {REBUILD}"


def _lines(reader: Reader, first: Mapping[int, int]) -> set[int]:
    """What leads to each ref by first parents, as far as it is on the ref's own branch: these were decided about."""
    branches = dict(reader.db.execute("SELECT rid, branch FROM checkin"))
    found: set[int] = set()
    for branch, tip in reader.db.execute("SELECT branch, checkin FROM ref"):
        at: int | None = tip
        while at is not None and at not in found and branches.get(at) == branch:
            found.add(at)
            at = first.get(at)
    return found


def _refs(reader: Reader) -> Iterator[str]:
    """Refs that do not stand on a check-in that is here, or not where their last move brought them."""
    last = {
        branch: (number, checkin, serial)
        for branch, number, checkin, serial in reader.db.execute(
            "SELECT branch, number, checkin, serial FROM publication ORDER BY number"
        )
    }
    query = """SELECT ref.branch, publication, ref.checkin, serial, hash, content IS NOT NULL, checkin.rid
               FROM ref LEFT JOIN blob ON blob.rid = ref.checkin LEFT JOIN checkin ON checkin.rid = ref.checkin"""
    for branch, number, at, serial, raw, is_here, checkin in reader.db.execute(query):
        if last.pop(branch, None) != (number, at, serial):
            yield f"ref {branch} is not where the publication log says it moved last: {BACKUP}"
        if raw is not None and not is_here:
            yield f"ref {branch} points to {id_of(raw)}, whose content is missing: {BACKUP}"
        elif checkin is None:
            yield f"ref {branch} points to what is not a check-in: {BACKUP}"
    for branch in last:
        yield f"ref {branch} is missing; the publication log says where it stood: {BACKUP}"


#: The parts that look at rows alone.
_QUICK: Final = (
    layout.objects,
    layout.types,
    layout.pointers,
    layout.ranges,
    _settings,
    _users,
    _configuration,
    _stacks,
    _aside,
    _places,
    _refs,
)


def _name(reader: Reader, rid: int) -> ArtifactId | str:
    row = reader.db.execute("SELECT hash FROM blob WHERE rid = ?", (rid,)).fetchone()
    return f"in row {rid}" if row is None or not isinstance(row[0], bytes) else id_of(row[0])


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
