"""The timeline as stock shows it: check-ins by edited date, with their symbols, leaves, closed and hidden ones.

    tag on a check-in   its own, the newest, whatever it says; else what its first parent hands down: a `*` of the
                        parent's own, or one that was handed down to the parent
    parents             of its newest `+parent` tag that is a list of ids, cancelled or not; else as it was made
    leaf                no child, by first parent or merge, on the same branch; no branch counts as trunk
    tip of a branch     the latest by edited date, whatever follows it

Tags are handed down along the parents that check-ins were made with, whatever a `parent` tag says: zones are published
along these, and what stock does depends on the order in which artifacts arrive.
Source: Fossil 2.21, src/tag.c tag_propagate(), src/leaf.c, src/timeline.c, src/branch.c,
src/manifest.c manifest_reparent_checkin().
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from xferzone.hashing import ArtifactId
from xferzone.store import places
from xferzone.store.chains import id_of
from xferzone.store.places import Placed
from xferzone.store.reader import Reader
from xferzone.store.sql import COUNTS_FIRST, selected
from xferzone.store.symbols import EDIT, edited_date

ALL = ("", "\U0010ffff")  # the span of every branch
_SYM = "sym-"
_ID = "(?:[0-9a-f]{64}|[0-9a-f]{40})"
_PARENTS = re.compile(f"{_ID}(?: {_ID})* ?")  # the value of a `parent` tag

#: The edited date of each check-in that has one.
_EDITS = f"""SELECT target, iif(prefix = '-', NULL, value) AS edit FROM (
                SELECT target, prefix, {EDIT} AS value,
                       row_number() OVER (PARTITION BY target ORDER BY {COUNTS_FIRST}) AS rank
                FROM tag WHERE name = 'date') WHERE rank = 1"""  # noqa: S608 nothing but our own text


@dataclass(frozen=True, slots=True)
class Entry:
    """A check-in on the timeline.

    Fields:
        date_ms: as edited, milliseconds since 1970.
        parents: as a `parent` tag says, if there is one; `placed` has those that it was made with.
        symbols: all that it carries, that of its branch among them, by name.
    """

    placed: Placed
    date_ms: int
    parents: tuple[ArtifactId, ...]
    symbols: tuple[str, ...]
    is_leaf: bool
    is_closed: bool
    is_hidden: bool


@dataclass(frozen=True, slots=True)
class Branch:
    """A branch: where stock finds it, and whether it is closed there."""

    name: str
    tip: ArtifactId
    date_ms: int
    is_closed: bool


def of_zone(zone: str) -> tuple[str, str]:
    """The span of branches, for `entries`, of a zone and its forks."""
    return f"{zone}/", f"{zone}0"


def of_branch(branch: str) -> tuple[str, str]:
    """The span that is one branch."""
    return branch, f"{branch}\0"


def has_any(reader: Reader, span: tuple[str, str]) -> bool:
    """Whether any check-in is on a branch in `span`."""
    query = "SELECT 1 FROM checkin WHERE branch >= ? AND branch < ? LIMIT 1"
    return reader.db.execute(query, span).fetchone() is not None


def entries(reader: Reader, limit: int, span: tuple[str, str] | None = None) -> list[Entry]:
    """At most `limit` check-ins on branches from span[0] up to span[1], newest first; None: all there are."""
    inside = "1" if span is None else "branch >= ? AND branch < ?"
    query = f"""SELECT rid, hash, date_ms, edit FROM checkin JOIN blob USING (rid) JOIN ({_EDITS}) ON target = rid
                WHERE {inside} UNION ALL
                SELECT * FROM (SELECT rid, hash, date_ms, NULL FROM checkin JOIN blob USING (rid)
                WHERE {inside} AND rid NOT IN (SELECT target FROM tag WHERE name = 'date')
                ORDER BY date_ms DESC, rid DESC LIMIT ?)"""  # noqa: S608 nothing but our own text
    bounds = span or ()
    rows = reader.db.execute(query, (*bounds, *bounds, limit)).fetchall()
    dated = sorted(((edited_date(date_ms, edit), rid, raw) for rid, raw, date_ms, edit in rows), reverse=True)
    return _made(reader, dated[:limit])


def of_checkin(reader: Reader, checkin: ArtifactId) -> Entry:
    """One check-in that is here."""
    query = f"""SELECT rid, hash, date_ms, edit FROM checkin JOIN blob USING (rid) LEFT JOIN ({_EDITS}) ON target = rid
                WHERE hash = ?"""  # noqa: S608 nothing but our own text
    rid, raw, date_ms, edit = reader.db.execute(query, (bytes.fromhex(checkin),)).fetchone()
    (made,) = _made(reader, [(edited_date(date_ms, edit), rid, raw)])
    return made


def _made(reader: Reader, shown: Sequence[tuple[int, int, bytes]]) -> list[Entry]:
    """Entries of edited dates, rids and raw ids."""
    symbols = _symbols(reader, [rid for _, rid, _ in shown])
    reparented = _reparented(reader)
    leaves = _leaves(reader, [rid for _, rid, _ in shown], reparented)
    closed, hidden = carriers(reader, "closed"), carriers(reader, "hidden")
    made = []
    for date_ms, rid, raw in shown:
        placed = places.placed(reader, id_of(raw))
        assert placed is not None
        parents = reparented.get(rid, placed.parents)
        named = tuple(sorted(symbols[rid]))
        made.append(Entry(placed, date_ms, parents, named, rid in leaves, rid in closed, rid in hidden))
    return made


def newest_since(reader: Reader, date_ms: int) -> int | None:
    """The date of some check-in that is not before `date_ms`, else of the newest one. None: there are no check-ins.

    The last one that came usually answers; only where it is older all are looked at.
    """
    last = reader.db.execute("SELECT date_ms FROM checkin ORDER BY rid DESC LIMIT 1").fetchone()
    if last is None or last[0] >= date_ms:
        return None if last is None else int(last[0])
    return int(reader.db.execute("SELECT max(date_ms) FROM checkin").fetchone()[0])


def branches(reader: Reader, span: tuple[str, str] = ALL) -> list[Branch]:
    """The branches in `span`, by name."""
    rows = reader.db.execute(
        f"""SELECT branch, rid, max(date_ms), NULL FROM checkin WHERE branch >= ?1 AND branch < ?2
            AND rid NOT IN (SELECT target FROM tag WHERE name = 'date') GROUP BY branch
            UNION ALL
            SELECT branch, rid, date_ms, edit FROM checkin JOIN ({_EDITS}) ON target = rid
            WHERE branch >= ?1 AND branch < ?2""",  # noqa: S608 nothing but our own text
        span,
    ).fetchall()
    latest: dict[str, tuple[int, int]] = {}
    for name, rid, date_ms, edit in rows:
        dated = (edited_date(date_ms, edit), rid)
        latest[name] = max(dated, latest.get(name, dated))
    closed = carriers(reader, "closed")
    ids = _ids(reader, [rid for _, rid in latest.values()])
    return [Branch(name, ids[rid], date_ms, rid in closed) for name, (date_ms, rid) in sorted(latest.items())]


def tags(reader: Reader, span: tuple[str, str] = ALL) -> list[tuple[str, ArtifactId]]:
    """The symbols in `span` that do not name a branch, each with the newest check-in it was set on, by name."""
    rows = reader.db.execute(
        f"""SELECT name, target, max(checkin.date_ms) FROM (
               SELECT name, target, prefix,
                      row_number() OVER (PARTITION BY target, name ORDER BY {COUNTS_FIRST}) AS rank
               FROM tag WHERE name >= 'sym-' || ?1 AND name < 'sym-' || ?2)
           JOIN checkin ON rid = target
           WHERE rank = 1 AND prefix <> '-' AND NOT EXISTS (SELECT 1 FROM checkin WHERE branch = substr(name, 5))
           GROUP BY name ORDER BY name""",  # noqa: S608 our own text
        span,
    ).fetchall()
    ids = _ids(reader, [target for _, target, _ in rows])
    return [(name.removeprefix(_SYM), ids[target]) for name, target, _ in rows]


def carriers(reader: Reader, tag: str) -> set[int]:
    """The rows of all artifacts that carry `tag`, their own or handed down."""
    rows = reader.db.execute(
        f"""WITH RECURSIVE
           direct AS (SELECT target, prefix FROM (
               SELECT target, prefix, row_number() OVER (PARTITION BY target ORDER BY {COUNTS_FIRST}) AS rank
               FROM tag WHERE name = ?1) WHERE rank = 1 AND prefix <> '-'),
           carried(rid, spreads) AS (
               SELECT target, prefix = '*' FROM direct UNION
               SELECT child, 1 FROM carried JOIN parent ON parent = carried.rid AND position = 0
               WHERE spreads AND NOT EXISTS (SELECT 1 FROM tag WHERE target = child AND name = ?1))
           SELECT rid FROM carried""",  # noqa: S608 our own text
        (tag,),
    )
    return {rid for (rid,) in rows}


def _symbols(reader: Reader, rids: Sequence[int]) -> Mapping[int, frozenset[str]]:
    """The symbols that each check-in carries."""
    query = """WITH RECURSIVE line(rid) AS (SELECT rid FROM checkin WHERE rid IN (?) UNION
               SELECT parent FROM line JOIN parent ON child = rid AND position = 0)
               SELECT rid, parent FROM line LEFT JOIN parent ON child = rid AND position = 0"""
    lines = selected(reader.db, query, rids)
    first = {rid: parent for rid, parent in lines if parent is not None}
    rows = selected(
        reader.db,
        "SELECT target, name, date_ms, source, prefix FROM tag WHERE name >= 'sym-' AND name < 'sym.'"
        " AND target IN (?)",
        {rid for rid, _ in lines},
    )
    rows.sort(key=lambda row: (row[2], -row[3]))
    own: dict[int, dict[str, str]] = {}
    for target, name, _, _, prefix in rows:
        own.setdefault(target, {})[name.removeprefix(_SYM)] = prefix
    handed: dict[int, frozenset[str]] = {}  # what each check-in hands down
    carried: dict[int, frozenset[str]] = {}
    for rid in rids:
        line = [rid]
        while (
            line[-1] not in carried and line[-1] in first and len(line) <= len(first)
        ):  # damage may make a loop
            line.append(first[line[-1]])
        for at in reversed(line):
            if at in carried:
                continue
            here = own.get(at, {})
            from_parent = handed.get(first.get(at, -1), frozenset()) - here.keys()
            carried[at] = from_parent | {name for name, prefix in here.items() if prefix != "-"}
            handed[at] = from_parent | {name for name, prefix in here.items() if prefix == "*"}
    return {rid: carried[rid] for rid in rids}


def _reparented(reader: Reader) -> dict[int, tuple[ArtifactId, ...]]:
    """By row, the parents that `parent` tags give check-ins. They need not be here."""
    rows = reader.db.execute(
        """SELECT target, value FROM tag WHERE name = 'parent' AND prefix = '+' AND value IS NOT NULL
           ORDER BY date_ms, source DESC"""
    )
    return {
        target: tuple(dict.fromkeys(map(ArtifactId, value.split())))
        for target, value in rows
        if _PARENTS.fullmatch(value)
    }


def _leaves(reader: Reader, rids: Iterable[int], reparented: Mapping[int, Sequence[ArtifactId]]) -> set[int]:
    query = "SELECT rid, coalesce(branch, 'trunk') FROM checkin WHERE rid IN (?)"
    own = dict(selected(reader.db, query, list(rids)))
    query = """SELECT parent, child, coalesce(branch, 'trunk') FROM parent JOIN checkin ON rid = child
               WHERE parent IN (?)"""
    edges = [
        (parent, branch)
        for parent, child, branch in selected(reader.db, query, own)
        if child not in reparented
    ]
    query = "SELECT rid, coalesce(branch, 'trunk') FROM checkin WHERE rid IN (?)"
    for child, branch in selected(reader.db, query, reparented):
        edges += [(rid, branch) for parent in reparented[child] if (rid := reader.rid(parent)) is not None]
    return own.keys() - {parent for parent, branch in edges if own.get(parent) == branch}


def _ids(reader: Reader, rids: Sequence[int]) -> dict[int, ArtifactId]:
    return {
        rid: id_of(raw)
        for rid, raw in selected(reader.db, "SELECT rid, hash FROM blob WHERE rid IN (?)", rids)
    }
