"""Control artifacts in order of arrival, and what they are about.

    position     the row of a control artifact; what comes later has a higher one, whatever it is about
    about        the check-ins on which it sets or cancels tags

A check-in may tag others as well: it counts as a position, and travels with its branch like any other.
"""

from collections.abc import Collection

from xferzone.hashing import ArtifactId
from xferzone.store import schema
from xferzone.store.chains import id_of
from xferzone.store.reader import Reader, selected_in_parts
from xferzone.store.sql import selected

_CONTROLS = "FROM tag WHERE target <> source AND source NOT IN (SELECT rid FROM checkin)"


def newest(reader: Reader) -> int:
    """The position of the newest; 0: there is none."""
    query = "SELECT coalesce(max(source), 0) FROM tag WHERE target <> source"
    (position,) = reader.db.execute(query).fetchone()
    return int(position)


def published_since(reader: Reader, position: int, limit: int) -> list[tuple[int, ArtifactId]]:
    """The first `limit` behind `position` that are about a published check-in, with their positions, in order."""
    query = f"""SELECT DISTINCT tag.source, hash FROM tag
                JOIN checkin ON checkin.rid = target AND place = {schema.PUBLISHED}
                JOIN blob ON blob.rid = tag.source WHERE target <> tag.source AND tag.source > ?
                AND tag.source NOT IN (SELECT rid FROM checkin) ORDER BY tag.source LIMIT ?"""  # noqa: S608 our own number
    return [(rid, id_of(raw)) for rid, raw in reader.db.execute(query, (position, limit))]


def since(reader: Reader, position: int) -> list[tuple[int, int, bool]]:
    """Each behind `position`, in order, as often as it is about something: its position, the row that it is about,
    and whether that is a published check-in."""
    query = f"""SELECT DISTINCT source, target, EXISTS (SELECT 1 FROM checkin WHERE rid = target AND place = ?)
                {_CONTROLS} AND source > ? ORDER BY source"""  # noqa: S608 our own text
    rows = reader.db.execute(query, (schema.PUBLISHED, position))
    return [(source, target, bool(is_published)) for source, target, is_published in rows]


def about(reader: Reader, rows: Collection[int]) -> set[int]:
    """The positions of all that are about an artifact in one of these rows."""
    query = f"SELECT source {_CONTROLS} AND target IN (?)"
    return {source for (source,) in selected_in_parts(reader, query, rows)}


def names(reader: Reader, positions: Collection[int]) -> list[ArtifactId]:
    """Those at these positions, in order."""
    query = "SELECT rid, hash FROM blob WHERE rid IN (?)"
    return [id_of(raw) for _, raw in sorted(selected(reader.db, query, positions))]
