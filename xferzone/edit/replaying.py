"""Work that lost a race, made again on what is served now.

    fork branch ─> its check-ins, oldest first ─> what each changed, merged into the tip of the branch it was made for
                   (merging.py), as a new check-in of the same author and comment ─> the fork is closed

The records of both sides must be disjoint; otherwise, or if a check-in changed more than the zone's own files, nothing
of the fork is made again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from xferzone.edit.appending import Author, Commit
from xferzone.edit.commit import Edit
from xferzone.errors import LostRace
from xferzone.hashing import ArtifactId, short
from xferzone.publish import served
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Reader, Writer, places, schema, symbols, timeline
from xferzone.zone.cut import is_zone_file


@dataclass(frozen=True, slots=True)
class Replayed:
    """A fork whose work was made again on branch `home`: of each check-in the one that lost, and what was made."""

    home: BranchName
    fork: BranchName
    commits: tuple[tuple[ArtifactId, Commit], ...]


def own_forks(reader: Reader, login: str) -> Iterator[BranchName]:
    """The open fork branches whose check-ins are all by `login`, by name."""
    for row in timeline.branches(reader):
        fork = BranchName.parse(row.name)
        if fork is None or not fork.is_fork or row.is_closed:
            continue
        placed = places.placed(reader, row.tip)
        if placed is not None and placed.place != schema.PUBLISHED:
            lost = _line(reader, fork)
            if lost and all(reader.checkin(checkin).user == login for checkin in lost):
                yield fork


def replay(writer: Writer, refs: LocalRefs, fork: BranchName, author: Author) -> Replayed:
    """Make the fork's work again, and close it. `author` closes it; the work keeps its authors.

    Raises:
        LostRace: what was published meanwhile changed the same, or records are not all that it changed.
        NotFound: the branch that it was made for is no longer served.
        ZoneInvalid, RecordsLost: the zone could not be served, or much of it would go.
    """
    home = fork.fork_of
    assert home is not None
    made = []
    for checkin in _line(writer, fork):
        manifest = writer.checkin(checkin)
        if not manifest.parents:
            raise LostRace(f"{short(checkin)} begins {home} anew: there is nothing to merge it with")
        base = manifest.parents[0]
        _check_records_alone(writer, home.zone, base, checkin)
        given = served.read_all(writer, home.zone, writer.files(checkin))
        edit = Edit(writer, refs, home, replace(author, login=manifest.user or author.login))
        made.append((checkin, edit.replace(given, manifest.comment, base)))
    Edit(writer, refs, fork, author).close()
    return Replayed(home, fork, tuple(made))


def _line(reader: Reader, fork: BranchName) -> list[ArtifactId]:
    """The check-ins of a fork branch that lead to its tip, oldest first."""
    found: list[ArtifactId] = []
    at = symbols.branch_tip(reader, str(fork))
    while at is not None:
        placed = places.placed(reader, at)
        if placed is None or placed.branch != str(fork):
            break
        found.append(at)
        at = placed.parents[0] if placed.parents else None
    return found[::-1]


def _check_records_alone(reader: Reader, zone: str, base: ArtifactId, checkin: ArtifactId) -> None:
    """Raise LostRace if the check-in changed files beside the zone, or left the zone without any."""
    before, after = (
        {name: file for name, file in reader.files(each).items() if not is_zone_file(zone, name)}
        for each in (base, checkin)
    )
    others = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if others:
        raise LostRace(f"{short(checkin)} changed other files, too: {', '.join(others)}")
    if len(after) == len(reader.files(checkin)):
        raise LostRace(f"{short(checkin)} took the zone away")
