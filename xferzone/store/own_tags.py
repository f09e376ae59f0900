"""Tags of one name: on the check-ins that have them in their own manifests, and the controls that set them on those."""

from collections.abc import Collection

from xferzone.hashing import ArtifactId
from xferzone.store import schema
from xferzone.store.chains import id_of
from xferzone.store.reader import Reader
from xferzone.store.sql import selected


def own(reader: Reader, checkin: ArtifactId, name: str) -> str | None:
    """The value of the tag that the check-in has itself, whatever controls say. None: it has none, or without one."""
    query = """SELECT value FROM tag WHERE target = ? AND name = ? AND source = target AND prefix <> '-'"""
    row = reader.db.execute(query, (reader.rid(checkin), name)).fetchone()
    return None if row is None else row[0]


def among(reader: Reader, rows: Collection[int], name: str) -> set[int]:
    """Those of the rows whose check-ins have the tag themselves."""
    query = "SELECT target FROM tag WHERE name = ? AND source = target AND prefix <> '-' AND target IN (?)"
    return {rid for (rid,) in selected(reader.db, query, rows, name)}


def controls(reader: Reader, checkin: ArtifactId, name: str) -> list[ArtifactId]:
    """The control artifacts that set the tag on the check-in, in order of arrival."""
    query = """SELECT DISTINCT tag.source, hash FROM tag JOIN blob ON blob.rid = tag.source
               WHERE target = ? AND name = ? AND tag.source <> target AND prefix <> '-'
               AND tag.source NOT IN (SELECT rid FROM checkin) ORDER BY tag.source"""
    return [id_of(raw) for _, raw in reader.db.execute(query, (reader.rid(checkin), name))]


def on_line(reader: Reader, tip: ArtifactId, base: ArtifactId | None, name: str) -> list[ArtifactId]:
    """The check-ins that have the tag themselves, from behind `base` (None: the first) on to `tip`, oldest first."""
    rid = None if base is None else reader.rid(base)
    return _on_line(reader, tip, name, "line.rid IS NOT ?", rid)


def not_passed(reader: Reader, tip: ArtifactId, name: str) -> list[ArtifactId]:
    """The same, as far back as no ref has passed them."""
    is_open = "EXISTS (SELECT 1 FROM checkin WHERE checkin.rid = line.rid AND place IS NOT ?)"
    return _on_line(reader, tip, name, is_open, schema.PUBLISHED)


def _on_line(reader: Reader, tip: ArtifactId, name: str, goes_on: str, bound: int | None) -> list[ArtifactId]:
    query = f"""WITH RECURSIVE line(rid, depth) AS (SELECT rid, 0 FROM blob WHERE hash = ?
                UNION ALL SELECT parent, depth + 1 FROM line JOIN parent ON child = line.rid AND position = 0
                WHERE {goes_on} LIMIT (SELECT coalesce(max(rid), 0) FROM checkin))
                SELECT hash FROM line JOIN blob USING (rid) WHERE {goes_on} AND EXISTS (
                    SELECT 1 FROM tag WHERE target = line.rid AND name = ? AND tag.source = target AND prefix <> '-')
                ORDER BY depth DESC"""  # noqa: S608 nothing but our own text
    return [id_of(raw) for (raw,) in reader.db.execute(query, (bytes.fromhex(tip), bound, bound, name))]
