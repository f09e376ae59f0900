"""What artifacts mean to each other, written down when one arrives, in whatever order they come.

    check-in   its row, its parents, what it awaits (files, parents, baseline), its T cards
    control    its tags on their targets
    cluster    its members leave the unclustered set
    all        every id named that is not here becomes a phantom

A check-in's branch is the value of the newest `branch` tag set directly on it, else what its first parent hands
down: nothing after a `+` (which does not propagate) or a `-`. Source: spec artifacts 7; Fossil 2.21, src/tag.c.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, overload

from xferzone import artifacts
from xferzone.artifacts import CheckIn, Cluster, Control, Tag
from xferzone.hashing import ArtifactId
from xferzone.store import chains, schema

if TYPE_CHECKING:
    from xferzone.store.writer import Writer


def link(writer: "Writer", rid: int, content: bytes) -> None:
    """Derive what the artifact in row `rid`, whose content has just come, says."""
    parsed = artifacts.parse(content)
    if isinstance(parsed, CheckIn):
        _link_checkin(writer, rid, parsed)
    elif isinstance(parsed, Control):
        _set_tags(writer, rid, rid, parsed.tags, parsed.date_ms)
    elif isinstance(parsed, Cluster):
        members = [(writer.expect(member),) for member in parsed.members]
        writer.db.executemany("DELETE FROM unclustered WHERE rid = ?", members)
    _no_longer_awaited(writer, rid)


def _link_checkin(writer: "Writer", rid: int, checkin: CheckIn) -> None:
    db = writer.db
    db.execute("INSERT INTO checkin (rid, date_ms) VALUES (?, ?)", (rid, checkin.date_ms))
    # A hostile manifest may repeat a parent: once is enough.
    parents = list(dict.fromkeys(checkin.parents))
    rows = [(rid, position, writer.expect(parent)) for position, parent in enumerate(parents)]
    db.executemany("INSERT INTO parent VALUES (?, ?, ?)", rows)
    _await(writer, rid, parents)
    _await_files(writer, rid, checkin)
    _set_tags(writer, rid, rid, checkin.tags, checkin.date_ms)
    hand_down_branch(writer, rid)
    _rechain_around(writer, rid)


def _rechain_around(writer: "Writer", rid: int) -> None:
    """Keep what this check-in replaces, and what of it its children replace, as deltas of the newer."""
    here = chains.id_of(_raw(writer, rid))
    checkin = writer.checkin(here)
    if checkin.parents:
        _rechain(writer, checkin.parents[0], rid, checkin)
    query = "SELECT child FROM parent WHERE parent = ? AND position = 0"
    for (child,) in writer.db.execute(query, (rid,)).fetchall():
        _rechain(writer, here, child, writer.checkin(chains.id_of(_raw(writer, child))))


def _await_files(writer: "Writer", rid: int, checkin: CheckIn) -> None:
    """Note the files that are missing; behind a missing baseline they are not known yet."""
    cards = checkin.files
    if checkin.baseline is not None:
        _await(writer, rid, [checkin.baseline])
        if not writer.has(checkin.baseline):
            return
        if writer.placed(checkin.baseline) is not None:
            cards = artifacts.delta_files(writer.checkin(checkin.baseline).files, checkin.files)
    _await(writer, rid, [card.id for card in cards if card.id is not None])


def _await(writer: "Writer", rid: int, wanted: Iterable[ArtifactId]) -> None:
    needed = set(wanted)
    # An id in upper case, which stock parses and never resolves, is not among those present: it never comes.
    missing = needed - writer.present(needed)
    rows = [(writer.expect(artifact), rid) for artifact in missing]
    writer.db.executemany("INSERT OR IGNORE INTO awaited VALUES (?, ?)", rows)


def _no_longer_awaited(writer: "Writer", rid: int) -> None:
    query = "DELETE FROM awaited WHERE wanted = ? RETURNING checkin"
    waiting = [checkin for (checkin,) in writer.db.execute(query, (rid,)).fetchall()]
    arrived = chains.id_of(_raw(writer, rid))
    for checkin in waiting:
        manifest = writer.checkin(chains.id_of(_raw(writer, checkin)))
        if manifest.baseline == arrived:
            _await_files(writer, checkin, manifest)
        query = "SELECT 1 FROM awaited WHERE checkin = ?"
        if writer.db.execute(query, (checkin,)).fetchone() is None:
            _rechain_around(writer, checkin)


def _set_tags(writer: "Writer", rid: int, own: int, tags: Iterable[Tag], date_ms: int) -> None:
    """Write down the T cards of artifact `rid`; `own` is what a target of "*" means."""
    moved = []
    for tag in tags:
        target = own if tag.target is None else writer.expect(tag.target)
        writer.db.execute(
            "INSERT OR IGNORE INTO tag VALUES (?, ?, ?, ?, ?, ?)",
            (target, _unicode(tag.name), rid, tag.prefix, _unicode(tag.value), date_ms),
        )
        if tag.name == "branch" and target != own:
            moved.append(target)
    for target in moved:
        hand_down_branch(writer, target)


@overload
def _unicode(text: str) -> str: ...
@overload
def _unicode(text: None) -> None: ...
def _unicode(text: str | None) -> str | None:
    """SQLite takes no bytes that are not UTF-8, which stock lets stand in names; they show as U+FFFD."""
    return None if text is None else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def hand_down_branch(writer: "Writer", rid: int) -> None:
    """Set the branch of a check-in, and of all that inherit it along first parents."""
    db = writer.db
    queue = [rid]
    while queue:
        at = queue.pop()
        row = db.execute("SELECT branch, place FROM checkin WHERE rid = ?", (at,)).fetchone()
        branch = _branch(writer, at)
        if row is None or (row[0] == branch and branch is not None):
            continue
        # What moved to another branch is looked at again; what a ref stands on stays where it is (law 4).
        place = schema.PUBLISHED if row[1] == schema.PUBLISHED else schema.UNPLACED
        db.execute("UPDATE checkin SET branch = ?, place = ? WHERE rid = ?", (branch, place, at))
        db.execute("DELETE FROM invalid WHERE rid = ?", (at,))
        if row[0] != branch:
            heirs = db.execute("SELECT child FROM parent WHERE parent = ? AND position = 0", (at,))
            queue.extend(child for (child,) in heirs)


def _branch(writer: "Writer", rid: int) -> str | None:
    own = _branch_tag(writer, rid)
    if own is not None:
        return None if own[0] == "-" else own[1]
    row = writer.db.execute(
        "SELECT parent, branch FROM parent JOIN checkin ON rid = parent WHERE child = ? AND position = 0",
        (rid,),
    ).fetchone()
    if row is None or row[1] is None:
        return None
    handed = _branch_tag(writer, row[0])
    return None if handed is not None and handed[0] == "+" else str(row[1])


def _branch_tag(writer: "Writer", rid: int) -> tuple[str, str | None] | None:
    """Prefix and value of the branch tag that counts directly on the check-in; None: it has none."""
    query = "SELECT prefix, value FROM tag WHERE target = ? AND name = 'branch' ORDER BY date_ms DESC, source LIMIT 1"
    row = writer.db.execute(query, (rid,)).fetchone()
    return None if row is None else (row[0], row[1])


def _rechain(writer: "Writer", parent: ArtifactId, rid: int, checkin: CheckIn) -> None:
    """Keep the parent's manifest, and its versions of the files that changed, as deltas of the newer ones."""
    older = writer.checkin(parent) if writer.placed(parent) is not None else None
    if older is None or older.baseline or checkin.baseline:
        return
    was = {card.name: card.id for card in older.files}
    pairs = [(was[card.name], card.id) for card in checkin.files if was.get(card.name, card.id) != card.id]
    pairs.append((parent, chains.id_of(_raw(writer, rid))))
    for old, new in pairs:
        if old is not None and new is not None and writer.has(new):
            old_rid, new_rid = writer.rid(old), writer.rid(new)
            if old_rid is not None and new_rid is not None:
                chains.rechain(writer.db, writer.cache, old_rid, new_rid)


def _raw(writer: "Writer", rid: int) -> bytes:
    (raw,) = writer.db.execute("SELECT hash FROM blob WHERE rid = ?", (rid,)).fetchone()
    assert isinstance(raw, bytes)
    return raw
