"""Where refs stand, for others that follow: what moved since, and tags and closed branches by what set them."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from xferzone.hashing import ArtifactId
from xferzone.refs.branch import BranchName
from xferzone.store.chains import id_of
from xferzone.store.reader import Reader
from xferzone.store.sql import COUNTS_FIRST

_SYM: Final = "sym-"
_NO_BRANCH: Final = " AND NOT EXISTS (SELECT 1 FROM checkin WHERE branch = substr(name, 5))"
#: Of each tag on each check-in the newest, unless that cancels it.
_STANDING: Final = f"""SELECT name, hash, origin, branch FROM (
        SELECT name, target, source AS origin, prefix,
               row_number() OVER (PARTITION BY target, name ORDER BY {COUNTS_FIRST}) AS rank
        FROM tag WHERE {{which}})
    JOIN checkin ON checkin.rid = target JOIN blob ON blob.rid = target
    WHERE rank = 1 AND prefix <> '-' AND origin > ?"""  # noqa: S608 our own text


class Stands(NamedTuple):
    """Where a branch stands since the move `number`. `is_removed`: its zone was taken away there."""

    branch: BranchName
    checkin: ArtifactId
    number: int
    is_removed: bool


class Mark(NamedTuple):
    """A tag of a zone, or "closed" on a branch of it; `position`: the row of the artifact that set it."""

    branch: BranchName
    checkin: ArtifactId
    position: int


def moved(reader: Reader, number: int, limit: int) -> Sequence[Stands]:
    """The first `limit` branches whose last move came after `number`, in the order of these moves."""
    query = """SELECT branch, hash, publication, length(indexes) = 0 FROM ref JOIN blob ON rid = checkin
               WHERE publication > ? ORDER BY publication LIMIT ?"""
    rows = reader.db.execute(query, (number, limit))
    return [
        Stands(BranchName.of_row(branch), id_of(raw), moved_at, bool(is_removed))
        for branch, raw, moved_at, is_removed in rows
    ]


def newest(reader: Reader) -> int:
    """The number of the last move; 0: there was none."""
    (number,) = reader.db.execute("SELECT coalesce(max(number), 0) FROM publication").fetchone()
    return int(number)


def went_to(reader: Reader, number: int) -> ArtifactId | None:
    """The check-in that the move of this number went to; None: there was no such move."""
    query = "SELECT hash FROM publication JOIN blob ON rid = checkin WHERE number = ?"
    row = reader.db.execute(query, (number,)).fetchone()
    return None if row is None else id_of(row[0])


def tags(reader: Reader, position: int, limit: int) -> list[Mark]:
    """The first `limit` tags of zones that were set behind `position` and stand, in the order of what set them."""
    which = _STANDING.format(which="name > 'sym-' AND name < 'sym.' AND instr(name, '/')")
    query = which + _NO_BRANCH + " ORDER BY origin LIMIT ?"
    return [
        mark
        for name, raw, source, _ in reader.db.execute(query, (position, limit))
        if (mark := _mark(name.removeprefix(_SYM), raw, source)) is not None
    ]


def closed(reader: Reader, position: int, limit: int) -> list[Mark]:
    """The same of branches of zones that are closed, each with the check-in on which that is said."""
    query = _STANDING.format(which="name = 'closed'") + " ORDER BY origin LIMIT ?"
    return [
        mark
        for _, raw, source, branch in reader.db.execute(query, (position, limit))
        if (mark := _mark(branch, raw, source)) is not None
    ]


def _mark(text: str | None, raw: bytes, source: int) -> Mark | None:
    branch = BranchName.parse(text)
    return None if branch is None else Mark(branch, id_of(raw), source)
