"""What has to be true of a group once all that happened to it is over: for tests, and for the soak.

check_all(group, zones, told)     accepted is served by all on one line of first parents; refused is on a fork branch
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from tests.interop.grouped import IN_STEP_S, ZONE, Group, Site
from tests.interop.storm import Told, ways
from tests.live import PATIENCE_S, within
from xferzone.exchange.group.following import PENDING_S
from xferzone.hashing import ArtifactId
from xferzone.publish.agreed import KEPT
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Reader, Store, places

DECIDED_S = 2 * PENDING_S + IN_STEP_S  # until members have looked at what is pending, and sent each other all
#: What stock and clones of ours say where nobody answers them.
NOBODY = ("first of all there was nobody", "cannot connect", "cannot be reached", "server did not reply")
#: Words of which one is told to everybody whose change was not accepted.
WORDS = ("fork", "first", "kept", "busy", *NOBODY)
#: Words by which a change may have been accepted all the same, or may be later.
UNDECIDED = (KEPT, "nothing was kept", *NOBODY)  # a clone sends again what was not kept


def check_all(group: Group, zones: Sequence[str], told: Told) -> str:
    """Fail unless what was accepted is served by all, on one line, and what was refused was told so and is on a fork.

    Returns what became of the check-ins that were refused, in words.
    """
    # Stock looks before it commits, and finds others to be faster.
    assert [each for each in told.given_up if "Would fork" not in each] == []
    assert within(DECIDED_S, lambda: all(map(_is_decided, group.sites)), every=0.2)
    assert group.is_in_step()
    for zone in zones:
        texts = {site.xferzone("zone", "export", zone) for site in group.sites}
        assert len(texts) == 1
        owners = {line.split()[0] for line in texts.pop().splitlines() if line[:1] not in (";", "$", "")}
        assert told.accepted.get(zone, set()) <= owners
    for site in group.sites:
        site.xferzone("check")
    for zone in zones:
        _check_lines([_line(site, zone) for site in group.sites])
    for tried in told.refused:
        assert any(word in tried.told for word in WORDS), tried.told
    return _check_refused(group, told)


def serve_all(sites: Sequence[Site], owner: str, zone: str = ZONE) -> bool:
    """Whether all these members answer with an address of that owner in the zone."""
    return all(site.answers(f"{owner}.{zone}") for site in sites)


def kill_acceptors(group: Group, directory: Path, kills: int, zone: str = ZONE) -> None:
    """Kill whoever has just accepted a change, by a verb, of a clone of ours, of stock fossil; the others have it."""
    people = [(site, way) for site in group.sites for way in ways([site], directory)]
    for number in range(kills):
        site, way = people[number % len(people)]
        others = [each for each in group.sites if each is not site]
        tried = way.add(zone, f"d{number}", "192.0.2.7")
        if not tried.is_accepted:  # it was out of date, and is not any more
            tried = way.add(zone, f"d{number}", "192.0.2.7")
        assert tried.is_accepted, tried.told
        with site.dead():
            assert within(PATIENCE_S, partial(serve_all, others, f"d{number}", zone)), number
    assert group.is_in_step()


def check_unlocked_within(repository: Path, seconds: float) -> None:
    """Fail if a write transaction is open for so long."""
    with closing(sqlite3.connect(repository, timeout=seconds, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("ROLLBACK")


def _line(site: Site, zone: str) -> tuple[list[ArtifactId], dict[int, ArtifactId]]:
    """The first parents of where the zone's main stands there, and what it was served with, by serial."""
    with Store.open(site.repository) as store, store.reader() as reader:
        refs = LocalRefs(reader)
        moves = list(refs.publications(BranchName(zone, "main")))[::-1]
        line = list(_first_parents(reader, moves[-1].checkin))[::-1]
    serials = [each.serial for each in moves if each.serial is not None]
    assert serials == sorted(set(serials)), f"serials of {zone} at {site.name}"
    served = [each.checkin for each in moves]
    on_line = set(served)
    assert [each for each in line if each in on_line] == served, f"{zone} at {site.name} left its line"
    return line, {each.serial: each.checkin for each in moves if each.serial is not None}


def _first_parents(reader: Reader, tip: ArtifactId) -> Iterable[ArtifactId]:
    at: ArtifactId | None = tip
    while at is not None:
        yield at
        parents = reader.checkin(at).parents
        at = parents[0] if parents else None


def _check_lines(found: Sequence[tuple[list[ArtifactId], Mapping[int, ArtifactId]]]) -> None:
    """One line at all members, and never two contents of one serial."""
    assert len({tuple(line) for line, _ in found}) == 1
    contents: dict[int, set[ArtifactId]] = {}
    for _, by_serial in found:
        for serial, checkin in by_serial.items():
            contents.setdefault(serial, set()).add(checkin)
    assert [serial for serial, checkins in contents.items() if len(checkins) > 1] == []


def _check_refused(group: Group, told: Told) -> str:
    """Who was refused finds the check-in on a fork branch, of one name at all members, if they have it."""
    placed: list[dict[str, str | None]] = []

    def are_alike() -> bool:
        placed[:] = [_placed(site) for site in group.sites]
        return placed[1:] == placed[:-1]

    assert within(DECIDED_S, are_alike, every=1), "check-ins are on other branches at other members"
    became: Counter[str] = Counter()
    for tried in told.refused:
        if not tried.checkin:
            became["no check-in was made"] += 1
            continue
        branch = placed[0].get(tried.checkin[:16])
        if branch is None:
            became["not kept"] += 1
        elif "-fork-" in branch:
            became["on a fork branch"] += 1
        else:
            assert any(word in tried.told for word in UNDECIDED), (tried, branch)
            became["accepted later"] += 1
    return ", ".join(f"{count} {what}" for what, count in sorted(became.items())) or "nothing was refused"


def _placed(site: Site) -> dict[str, str | None]:
    """The branches of all check-ins there, by how their ids begin."""
    found: dict[str, str | None] = {}
    with Store.open(site.repository) as store, store.reader() as reader:
        for artifact in reader.artifacts():
            placed = places.placed(reader, artifact)
            if placed is not None:
                found[artifact[:16]] = placed.branch
    return found


def _is_decided(site: Site) -> bool:
    with Store.open(site.repository) as store, store.reader() as reader:
        return not places.unplaced(reader)
