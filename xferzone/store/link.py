"""Linking: what artifacts mean to each other, recorded when they arrive, in whatever order and number.

    check-in   its row, its parents, what it awaits (files, parents, baseline), its T cards
    control    its tags on their targets
    cluster    its members leave the unclustered set
    all        every id that is named and not here becomes a phantom

The artifacts of one reply are linked together, with a few statements for all of them.
"""

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from typing import Final, NamedTuple, overload

from xferzone.artifacts import CheckIn, Cluster, Control, Parsed, Tag
from xferzone.errors import CorruptArtifact, NotFound
from xferzone.hashing import ArtifactId
from xferzone.store import behind, branches, chains, rechaining, zoned
from xferzone.store.phantoms import Expecting
from xferzone.store.sql import selected
from xferzone.store.turning import SMALLEST

#: Tags that may keep a check-in from being followed (publish/forks.py:HARM).
UNFITTING: Final = frozenset({"date", "parent", "closed", "hidden"})


class Arrived(NamedTuple):
    """An artifact whose content, of `size` bytes, has just arrived in row `rid`, and what it says.

    `source`: of the delta that it is kept as; None: it is kept whole. `pairs`: what it replaces, and by what; None:
    that is not known.
    """

    rid: int
    artifact: ArtifactId
    parsed: Parsed
    source: ArtifactId | None
    size: int
    pairs: Sequence[tuple[ArtifactId, ArtifactId]] | None = None


def link(writer: Expecting, arrived: Sequence[Arrived], waited: Collection[int] = ()) -> None:
    """Derive what the artifacts say. `waited` are the check-ins here that waited for one of them."""
    db, manifests = writer.db, _Manifests(writer, arrived)
    checkins = {each.rid: each.parsed for each in arrived if isinstance(each.parsed, CheckIn)}
    tags = [
        (rid, tag, parsed.date_ms)
        for rid, _, parsed, *_ in arrived
        if isinstance(parsed, CheckIn | Control)
        for tag in parsed.tags
    ]
    members = [own for each in arrived if isinstance(each.parsed, Cluster) for own in each.parsed.members]
    read = {rid: manifests.read(checkin) for rid, checkin in checkins.items()}
    late = manifests.read_behind_baselines(waited)
    needed = {rid: each.needed for rid, each in (read | late).items()}
    targets = (tag.target for _, tag, _ in tags if tag.target is not None)
    named = chain(chain.from_iterable(needed.values()), targets, members)
    rids = {each.artifact: each.rid for each in arrived}
    rids |= writer.expect_all(dict.fromkeys(each for each in named if each not in rids))
    _set_parents(writer, checkins, rids)
    # Stock parses an id in upper case and never resolves it: such an id is never present and is awaited for ever.
    every = set[ArtifactId]().union(*needed.values()).difference(each.artifact for each in arrived)
    absent = every - writer.present(every)
    missing = [(rids[each], rid) for rid, ids in needed.items() if absent for each in ids if each in absent]
    db.executemany("INSERT OR IGNORE INTO awaited VALUES (?, ?)", missing)
    db.executemany("DELETE FROM unclustered WHERE rid = ?", [(rids[each],) for each in members])
    based = {rid: each.baseline for rid, each in (read | late).items() if each.baseline is not None}
    await_baselines(db, {rid: rids[each] for rid, each in based.items() if each not in absent})
    tagged = _set_tags(writer, tags, rids)
    new = {rid: branches.New(checkin.date_ms, read[rid].zones) for rid, checkin in checkins.items()}
    changed = branches.hand_down(db, new, tagged)
    behind.hold(db, changed)
    db.executemany(
        "UPDATE checkin SET zones = ? WHERE rid = ?", [(each.zones, rid) for rid, each in late.items()]
    )
    complete = _complete(db, waited)
    behind.release(db, complete | changed)
    rechaining.take_up(writer, {*checkins, *complete}, manifests.known)


def await_baselines(db: sqlite3.Connection, baselines: Mapping[int, int]) -> None:
    """Let check-ins wait, row -> row of the baseline that is here, while that waits itself.

    So a delta manifest of a few bytes, which stands for thousands of files, leaves one row and not thousands.
    """
    behind: dict[int, list[int]] = {}
    for checkin, baseline in baselines.items():
        behind.setdefault(baseline, []).append(checkin)
    rows = selected(db, "SELECT DISTINCT checkin FROM awaited WHERE checkin IN (?)", behind)
    wave, waiting = {rid for (rid,) in rows}, set[int]()
    while wave:  # one wave, unless hostile baselines have baselines themselves
        waiting |= wave
        made = [(baseline, checkin) for baseline in wave for checkin in behind.get(baseline, ())]
        db.executemany("INSERT OR IGNORE INTO awaited VALUES (?, ?)", made)
        wave = {checkin for _, checkin in made} - waiting


def _complete(db: sqlite3.Connection, checkins: Collection[int]) -> set[int]:
    """Those that await nothing any more, and those that awaited only these as their baselines."""
    found: set[int] = set()
    wave = set(checkins)
    while wave:
        waiting = selected(db, "SELECT checkin FROM awaited WHERE checkin IN (?)", wave)
        done = wave - {rid for (rid,) in waiting}
        found |= done
        freed = selected(db, "DELETE FROM awaited WHERE wanted IN (?) RETURNING checkin", done)
        wave = {checkin for (checkin,) in freed} - found
    return found


class _Read(NamedTuple):
    """What linking reads in a check-in: parents, baseline and its own files, and which zones it may hold files of."""

    needed: Sequence[ArtifactId]
    baseline: ArtifactId | None
    zones: int


class _Manifests:
    """The check-ins that have just arrived, and others on demand. `known`: what need not be looked up of them."""

    def __init__(self, writer: Expecting, arrived: Iterable[Arrived]) -> None:
        self._writer = writer
        self._arrived = {each.artifact: each.parsed for each in arrived}
        self.known = rechaining.Known(
            {each.artifact: each.source for each in arrived if each.source is not None},
            {each.artifact for each in arrived if each.size < SMALLEST},
            {each.rid: each.pairs for each in arrived if each.pairs is not None},
        )
        self._held: dict[ArtifactId, zoned.Held | None] = {}  # by baselines; None: it is not here

    def get(self, artifact: ArtifactId) -> CheckIn | None:
        """The check-in; None: it is not here, cannot be read, or is not a check-in."""
        found = self._arrived.get(artifact)
        if artifact not in self._arrived:
            with suppress(NotFound, CorruptArtifact):
                return self._writer.checkin(artifact)
        return found if isinstance(found, CheckIn) else None

    def read(self, checkin: CheckIn) -> _Read:
        """What a check-in names. What its baseline names is awaited by that."""
        named, baseline = list(checkin.parents), checkin.baseline
        zones = zoned.bits([card.name for card in checkin.files if card.id is not None])
        if baseline is not None:
            named.append(baseline)
            held = self._held_by(baseline)
            gone = (card.name for card in checkin.files if card.id is None)
            zones |= zoned.UNKNOWN if held is None else held.without(gone)
        named += [card.id for card in checkin.files if card.id is not None]
        return _Read(named, baseline, zones)

    def _held_by(self, baseline: ArtifactId) -> zoned.Held | None:
        if baseline not in self._held:
            found = self.get(baseline)
            self._held[baseline] = None if found is None else zoned.Held(card.name for card in found.files)
        return self._held[baseline]

    def read_behind_baselines(self, waited: Collection[int]) -> dict[int, _Read]:
        """By row, the check-ins in rows `waited` whose baseline has just arrived."""
        # Where a baseline is missing nobody knows the zones. All others need not be read again.
        query = "SELECT rid, hash FROM checkin JOIN blob USING (rid) WHERE zones = -1 AND rid IN (?)"
        rows = selected(self._writer.db, query, waited)
        manifests = {rid: self._writer.checkin(chains.id_of(raw)) for rid, raw in rows}
        return {rid: self.read(each) for rid, each in manifests.items() if each.baseline in self._arrived}


def _set_parents(writer: Expecting, checkins: Mapping[int, CheckIn], rids: Mapping[ArtifactId, int]) -> None:
    # A hostile manifest may repeat a parent: one row is enough.
    parents = [
        (rid, position, rids[parent])
        for rid, checkin in checkins.items()
        for position, parent in enumerate(dict.fromkeys(checkin.parents))
    ]
    writer.db.executemany("INSERT INTO parent VALUES (?, ?, ?)", parents)


def _set_tags(
    writer: Expecting, tags: Iterable[tuple[int, Tag, int]], rids: Mapping[ArtifactId, int]
) -> set[int]:
    """Record T cards (artifact, tag, date); returns the other artifacts on which one of them sets `branch`."""
    rows = []
    tagged, others = set(), set()
    for own, tag, date_ms in tags:
        # The target "*" is the artifact that contains the card.
        target = own if tag.target is None else rids[tag.target]
        rows.append((target, as_text(tag.name), own, tag.prefix, as_text(tag.value), date_ms))
        if tag.name == "branch" and target != own:
            tagged.add(target)
        if tag.name in UNFITTING and target != own:
            others.add(target)
    writer.db.executemany("INSERT OR IGNORE INTO tag VALUES (?, ?, ?, ?, ?, ?)", rows)
    # What is invalid may be what nothing can follow, now (publish/pending.py:Pending.unfit).
    query = "UPDATE checkin SET place = 0 WHERE place = 2 AND rid IN (?) RETURNING rid"
    writer.db.executemany("DELETE FROM invalid WHERE rid = ?", selected(writer.db, query, others))
    return tagged


@overload
def as_text(text: str) -> str: ...
@overload
def as_text(text: None) -> None: ...
def as_text(text: str | None) -> str | None:
    """`text` as SQLite can keep it. Stock allows bytes in names that are not UTF-8; they become U+FFFD."""
    return None if text is None else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
