"""What leads to some check-ins and not to others: the check-ins of a walk, oldest first.

    roots           x3 ─> x2 ─> x1 ─> x0         arrows lead to parents
    known                        x1
    order           x2  x3                       each after its parents; the lines of one root before those of the next

    complete        a check-in here of which nothing is awaited; only such ones are left out for what is known

A quick search from the roots ends at what is known itself. Where it does not end soon, all that leads to either is
read: what is known may be met on no line, or only behind it. The order stays the same whatever is left out of it, as
long as all that leads to what is left out is, too. Nothing here needs the stack, or trusts that parents lead in no
circle.

All that leads anywhere is read by pages of PAGE check-ins and more, each a statement, and the transaction may end after
each (turns.py).
"""

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from xferzone.hashing import ArtifactId
from xferzone.store import schema
from xferzone.store.chains import id_of
from xferzone.store.reader import Reader, selected_in_parts
from xferzone.store.sql import selected

QUICK: Final = 1_000  # check-ins that the quick search looks at, some 10 ms

PAGE: Final = 10_000  # check-ins read by one statement, besides those from which it goes on; some 60 ms

_UP: Final = """WITH RECURSIVE up(rid) AS (SELECT rid FROM checkin WHERE rid IN (SELECT value FROM json_each(?1))
    UNION SELECT parent FROM up JOIN parent ON child = up.rid JOIN checkin ON checkin.rid = parent LIMIT ?2)
    SELECT up.rid, parent FROM up LEFT JOIN parent ON child = up.rid ORDER BY up.rid, position"""


@dataclass(frozen=True, slots=True)
class Closure:
    """The check-ins to tell, by row.

    Fields:
        parents: of each, the rows of its parents, in order; some are not told, or not here.
        reached: all that leads to the roots; None: that was not looked at.
        left_out: what leads to what is known, and is complete; None: that was not looked at.
    """

    parents: Mapping[int, Sequence[int]]
    reached: Collection[int] | None = None
    left_out: Collection[int] | None = None


def rows(reader: Reader, artifacts: Collection[ArtifactId]) -> dict[ArtifactId, int]:
    """The rows of those that are here."""
    query = "SELECT hash, rid FROM blob WHERE content IS NOT NULL AND hash IN (?)"
    found = selected(reader.db, query, [bytes.fromhex(each) for each in artifacts])
    by_id = {id_of(raw): rid for raw, rid in found}
    return {each: by_id[each] for each in artifacts if each in by_id}


def checkins(reader: Reader, candidates: Collection[int]) -> set[int]:
    """Those of the rows that are check-ins."""
    return {
        rid for (rid,) in selected(reader.db, "SELECT rid FROM checkin WHERE rid IN (?)", list(candidates))
    }


def ids(reader: Reader, wanted: Collection[int]) -> dict[int, ArtifactId]:
    """The names of rows."""
    query = "SELECT rid, hash FROM blob WHERE rid IN (?)"
    return {rid: id_of(raw) for rid, raw in selected_in_parts(reader, query, wanted)}


def trunk_root(reader: Reader) -> int | None:
    """The row of the check-in that a project begins with, on branch trunk; None: there is none."""
    query = """SELECT rid FROM checkin WHERE branch = 'trunk' AND NOT EXISTS (SELECT 1 FROM parent WHERE child = rid)
               ORDER BY date_ms, rid LIMIT 1"""
    row = reader.db.execute(query).fetchone()
    return None if row is None else int(row[0])


def is_anything_awaited(reader: Reader) -> bool:
    """Whether any check-in here names what is not here."""
    return reader.db.execute("SELECT 1 FROM awaited LIMIT 1").fetchone() is not None


def lacking(reader: Reader, tips: Collection[ArtifactId], limit: int) -> list[ArtifactId]:
    """At most `limit` of what leads to `tips` and is not here, themselves included; in order of arrival of their names.

    What leads to a published check-in is here.
    """
    here = rows(reader, tips)
    absent = [each for each in dict.fromkeys(tips) if each not in here][:limit]
    query = f"""WITH RECURSIVE up(rid) AS (SELECT value FROM json_each(?)
                UNION SELECT parent FROM up JOIN checkin USING (rid) JOIN parent ON child = up.rid WHERE place <> {schema.PUBLISHED}
                UNION SELECT wanted FROM up JOIN awaited ON checkin = up.rid)
                SELECT hash FROM up JOIN blob USING (rid) WHERE content IS NULL ORDER BY rid LIMIT ?"""  # noqa: S608, E501 our own number
    found = reader.db.execute(query, (json.dumps(list(here.values())), limit - len(absent)))
    return [*absent, *(id_of(raw) for (raw,) in found)]


def quick(reader: Reader, roots: Collection[int], known: Collection[int]) -> Closure | None:
    """The check-ins from `roots` to `known`; None: it would take long, or a line leads past what is known, or something
    that leads to what is known may be incomplete.

    It may have some that lead to what is known by other ways.
    """
    stop = set(known)
    if is_anything_awaited(reader) and _published(reader, stop) != stop:
        return None
    parents: dict[int, list[int]] = {}
    wave = checkins(reader, roots) - stop
    while wave:
        parents |= {rid: [] for rid in wave}
        if len(parents) > QUICK:
            return None
        query = "SELECT child, parent FROM parent WHERE child IN (?) ORDER BY child, position"
        edges = selected(reader.db, query, wave)
        if len({child for child, _ in edges}) < len(wave):
            return None  # the beginning of a line was reached: what is known may be beside it
        for child, parent in edges:
            parents[child].append(parent)
        wave = checkins(reader, {parent for _, parent in edges}) - stop - parents.keys()
    return Closure(parents)


def closure(reader: Reader, roots: Collection[int], known: Collection[int]) -> Closure:
    """All check-ins that lead to `roots`, but for what is complete and leads to `known`."""
    reached = _up(reader, roots)
    behind = set(_up(reader, known))
    left_out = behind - _incomplete(reader, behind)
    reader.let_go()  # they are put in order next, and that may take a while
    return Closure(
        {rid: each for rid, each in reached.items() if rid not in left_out}, reached.keys(), left_out
    )


def order(parents: Mapping[int, Sequence[int]], roots: Sequence[int]) -> list[int]:
    """The rows in `parents`, each after its parents: first what leads to `roots`, in their order, without a gap."""
    done: set[int] = set()
    found: list[int] = []
    for root in [*roots, *sorted(parents)]:  # behind what is left out there may be more
        ways = [root] if root in parents else []
        while ways:
            at = ways.pop()
            if at < 0:  # its parents are told
                found.append(~at)
            elif at not in done:  # what is met again on its own way is a circle, from damage
                done.add(at)
                ways.append(~at)
                ways += [each for each in reversed(parents[at]) if each in parents and each not in done]
    return found


def _up(reader: Reader, starts: Collection[int]) -> dict[int, list[int]]:
    """All check-ins that lead to these, themselves included, with the rows of their parents in order."""
    found: dict[int, list[int]] = {}
    wave = set(starts)
    while wave:
        # One statement for all: lines that join would be followed again by each.
        rows = reader.db.execute(_UP, (json.dumps(list(wave)), len(wave) + PAGE)).fetchall()
        reader.give_way()
        page: dict[int, list[int]] = {}
        for rid, parent in rows:
            page.setdefault(rid, []).extend(() if parent is None else (parent,))
        found |= page
        wave = set(chain.from_iterable(page.values())) - found.keys()
    return found


def _published(reader: Reader, candidates: Collection[int]) -> set[int]:
    """Those of these check-ins that refs have passed: all that leads to them is complete."""
    query = f"SELECT rid FROM checkin WHERE place = {schema.PUBLISHED} AND rid IN (?)"  # noqa: S608 our own number
    return {rid for (rid,) in selected_in_parts(reader, query, candidates)}


def _incomplete(reader: Reader, candidates: Collection[int]) -> set[int]:
    """Those of these check-ins that await something."""
    if not is_anything_awaited(reader):
        return set()
    query = "SELECT DISTINCT checkin FROM awaited WHERE checkin IN (?)"
    return {rid for (rid,) in selected_in_parts(reader, query, candidates)}
