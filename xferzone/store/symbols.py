"""Tags and symbols as stock finds them: `sym-NAME` tags, handed down along first parents, and edited dates.

A `*` hands a tag down until a check-in has a tag of that name of its own, whatever that says. Of several tags of one
name set directly on one check-in the newest counts; of equal dates that of the artifact with the lowest hash.
Source: Fossil 2.21, src/tag.c tag_propagate(), src/name.c symbolic_name_to_rid().
"""

from xferzone.artifacts.dates import parse_date
from xferzone.hashing import ArtifactId
from xferzone.store.chains import id_of
from xferzone.store.reader import Reader
from xferzone.store.sql import COUNTS_FIRST

_OF_ZONES = "SELECT branch FROM ref UNION SELECT branch FROM checkin WHERE zones <> 0"

#: The value of a `date` tag. `fossil amend --date now` writes the word "now" and means the tag's own date.
EDIT = "iif(tag.value = 'now', strftime('%Y-%m-%dT%H:%M:%f', tag.date_ms / 1000.0, 'unixepoch'), tag.value)"


def tags(reader: Reader, artifact: ArtifactId) -> dict[str, tuple[str, str | None]]:
    """The artifact's own tags: name -> (prefix, value). The newest date wins, then the lowest hash of what sets it."""
    rows = reader.db.execute(
        f"""SELECT name, prefix, value FROM tag WHERE target = (SELECT rid FROM blob WHERE hash = ?)
            ORDER BY {COUNTS_FIRST}""",  # noqa: S608 our own text
        (bytes.fromhex(artifact),),
    ).fetchall()
    return {name: (prefix, value) for name, prefix, value in reversed(rows)}


def tagged(reader: Reader, name: str) -> list[ArtifactId]:
    """The check-ins that have a tag of that name of their own, not cancelled, newest date first."""
    rows = reader.db.execute(
        """SELECT DISTINCT hash, checkin.date_ms FROM tag JOIN blob ON blob.rid = tag.target
           JOIN checkin ON checkin.rid = tag.target WHERE tag.name = ? ORDER BY checkin.date_ms DESC""",
        (name,),
    ).fetchall()
    return [id_of(raw) for raw, _ in rows if tags(reader, id_of(raw))[name][0] != "-"]


def branches(reader: Reader) -> list[str]:
    """Every branch that a check-in is on, by name."""
    rows = reader.db.execute("SELECT DISTINCT branch FROM checkin WHERE branch IS NOT NULL ORDER BY branch")
    return [branch for (branch,) in rows]


def branch_tip(reader: Reader, branch: str) -> ArtifactId | None:
    """The check-in that stock takes for the branch: the one with the latest date."""
    query = (
        "SELECT hash FROM checkin JOIN blob USING (rid) WHERE branch = ? ORDER BY date_ms DESC, rid LIMIT 1"
    )
    row = reader.db.execute(query, (branch,)).fetchone()
    return None if row is None else id_of(row[0])


def branch_tips(reader: Reader, *, of_zones: bool = False) -> dict[str, ArtifactId]:
    """By name, where stock finds each branch with a "/" in its name: the latest check-in that carries its symbol.

    A symbol that is not the branch of any check-in is a tag, and left out. So is what was made here and not pushed yet.
    `of_zones`: only branches that have a ref, or a check-in that may hold a zone's files.
    """
    which = _OF_ZONES if of_zones else "SELECT branch FROM checkin"
    rows = reader.db.execute(
        f"""WITH RECURSIVE
           direct AS (SELECT name, target, prefix FROM (
               SELECT name, target, prefix,
                      row_number() OVER (PARTITION BY target, name ORDER BY {COUNTS_FIRST}) AS rank
               FROM tag WHERE name > 'sym-' AND name < 'sym.' AND instr(name, '/')
                          AND EXISTS (SELECT 1 FROM checkin WHERE branch = substr(tag.name, 5))
                          AND substr(name, 5) IN ({which})) WHERE rank = 1),
           carried(name, rid, spreads) AS (
               SELECT name, target, prefix = '*' FROM direct WHERE prefix <> '-' UNION
               SELECT name, child, 1 FROM carried JOIN parent ON parent = carried.rid AND position = 0
               WHERE spreads AND NOT EXISTS (SELECT 1 FROM tag WHERE target = child AND tag.name = carried.name))
           SELECT carried.name, rid, max(date_ms),
                  (SELECT iif(prefix = '-', NULL, {EDIT}) FROM tag WHERE target = rid AND tag.name = 'date'
                   ORDER BY tag.{COUNTS_FIRST} LIMIT 1)
           FROM carried JOIN checkin USING (rid) WHERE rid NOT IN (SELECT rid FROM unsent)
           GROUP BY carried.name,
                    CASE WHEN EXISTS (SELECT 1 FROM tag WHERE target = rid AND tag.name = 'date') THEN rid END"""  # noqa: S608 nothing but our own text
    ).fetchall()
    latest: dict[str, tuple[int, int]] = {}
    for name, rid, date_ms, edit in rows:
        dated = (edited_date(date_ms, edit), rid)
        latest[name] = max(dated, latest.get(name, dated))
    found = {}
    for name, (_, rid) in latest.items():
        (raw,) = reader.db.execute("SELECT hash FROM blob WHERE rid = ?", (rid,)).fetchone()
        found[name.removeprefix("sym-")] = id_of(raw)
    return found


def edited_date(date_ms: int, edit: str | None) -> int:
    """The date of a check-in, in milliseconds since 1970, from its own date and the value of its `date` tag."""
    try:
        return date_ms if edit is None else parse_date(edit.strip().replace(" ", "T").encode())
    except ValueError:
        return date_ms
