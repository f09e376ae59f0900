"""What must hold, whatever happens. A history that breaks a fact ends with Broken.

after every step, of what is new at a node
    content hashes to its name; sources of deltas are here; what a check-in names is known, here or as a phantom
    refs stand on what is complete; those of a primary and of mirrors only go forward on their line, serials too
    a mirror's refs stand where the primary's have stood; one serial of a branch has one content
    nothing is removed; what was acknowledged is there, and what a clone does not count as unsent is at its origin
at crashes and at rest
    `check` finds nothing: the derived tables are what a rebuild makes
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from tests.simulation.node import Node
from xferzone.edit.appending import Commit
from xferzone.errors import CorruptArtifact
from xferzone.exchange import Outcome
from xferzone.hashing import ArtifactId, artifact_id, is_named, short
from xferzone.refs import BranchName, LocalRefs
from xferzone.repository import check
from xferzone.store import Reader, Store, ancestry, places, schema, unsent
from xferzone.store.chains import id_of

_HALF: Final = 2**31  # steps that a serial may go forward (RFC 1982 3.1)


class Broken(AssertionError):
    """A fact does not hold."""


@dataclass
class _Seen:
    """What was seen of one node."""

    eye: Store
    version: int = -1  # of the file, which changes with each commit
    row: int = 0
    move: int = 0
    contents: int = 0
    refs: dict[BranchName, tuple[ArtifactId, int | None]] = field(default_factory=dict)


class Facts:
    """All nodes of a history, as somebody sees them who reads their files."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}
        self._made: dict[str, list[ArtifactId]] = {}
        self._acknowledged: dict[str, set[ArtifactId]] = {}
        self._stood: dict[BranchName, set[ArtifactId]] = {}  # where the primary's refs have stood
        self._served: dict[
            tuple[BranchName, int], ArtifactId
        ] = {}  # what was served with a serial: a hash of its files
        self.looks = 0

    def close(self) -> None:
        for seen in self._seen.values():
            seen.eye.close()

    # -- what the acts say

    def made(self, node: Node, checkin: ArtifactId) -> None:
        """The check-in was made at the node."""
        self._made.setdefault(node.name, []).append(checkin)

    def acknowledged(self, node: Node, checkins: Iterable[ArtifactId]) -> None:
        """The node has said that it has these."""
        self._acknowledged.setdefault(node.name, set()).update(checkins)

    def committed(self, node: Node, done: Commit) -> None:
        """The node that decides has said that it has this."""
        if done.checkin is not None:
            self.acknowledged(node, [done.checkin])

    def exchanged(self, node: Node, done: Outcome) -> None:
        """A clone has exchanged with its origin."""

    def has_moved(self, node: Node) -> bool:
        """Whether a ref has moved there."""
        return self._seen[node.name].move > 0

    def eye(self, node: Node) -> Store:
        """The file of a node, for whoever only looks: it is opened once."""
        seen = self._seen.get(node.name)
        if seen is None:
            seen = self._seen[node.name] = _Seen(Store.open(node.path).with_cache(None))
        return seen.eye

    # -- after a step

    def look(self, node: Node) -> None:
        """See that what is new at the node is lawful."""
        self.looks += 1
        eye = self.eye(node)
        seen = self._seen[node.name]
        with eye.reader() as reader:
            (version,) = reader.db.execute("PRAGMA data_version").fetchone()
            if version != seen.version:
                self._contents(node, reader, seen)
                self._moves(node, reader, seen)
                if node.origin is not None and node.origin.name in self._seen:
                    self._pushed(node, node.origin, reader)
                seen.version = version
            for checkin in self._acknowledged.get(node.name, ()):
                must(reader.has(checkin), node, f"{short(checkin)} was acknowledged and is not here")

    def _pushed(self, node: Node, origin: Node, reader: Reader) -> None:
        """See that the origin has what was made at the node and does not count as unsent any more."""
        gone = set(self._made.get(node.name, ())).difference(unsent.artifacts(reader))
        self.acknowledged(origin, gone)
        with self._seen[origin.name].eye.reader() as there:
            for checkin in gone - there.present(gone):
                must(False, origin, f"{short(checkin)} counts as pushed and is not here")

    def _contents(self, node: Node, reader: Reader, seen: _Seen) -> None:
        rows = reader.db.execute(
            "SELECT rid, hash FROM blob WHERE rid > ? AND content IS NOT NULL ORDER BY rid", (seen.row,)
        ).fetchall()
        for _, raw in rows:
            artifact = id_of(raw)
            try:
                is_itself = is_named(artifact, reader.content(artifact))
            except CorruptArtifact:
                is_itself = node.is_rotten  # it is a delta of what the disk has damaged
            must(is_itself, node, f"{short(artifact)} is something else")
            if reader.is_checkin(artifact):
                self._named(node, reader, artifact)
        seen.row = reader.last_row()
        query = """SELECT hash FROM blob AS made WHERE source IS NOT NULL AND NOT EXISTS (
                   SELECT 1 FROM blob WHERE blob.rid = made.source AND content IS NOT NULL)"""
        for (raw,) in reader.db.execute(query):
            must(False, node, f"{short(id_of(raw))} is a delta of what is not here")
        (contents,) = reader.db.execute("SELECT count(*) FROM blob WHERE content IS NOT NULL").fetchone()
        must(contents >= seen.contents, node, f"{seen.contents - contents} artifacts are gone")
        seen.contents = contents

    def _named(self, node: Node, reader: Reader, artifact: ArtifactId) -> None:
        checkin = reader.checkin(artifact)
        named = {*checkin.parents, *(card.id for card in checkin.files if card.id is not None)}
        query = "SELECT hash FROM awaited JOIN blob ON blob.rid = wanted WHERE checkin = ?"
        awaited = {id_of(raw) for (raw,) in reader.db.execute(query, (reader.rid(artifact),))}
        for each in named - reader.present(named):
            must(each in awaited, node, f"{short(each)}, which {short(artifact)} names, is not waited for")

    def _moves(self, node: Node, reader: Reader, seen: _Seen) -> None:
        refs = LocalRefs(reader)
        is_clone = self._is_led(node, reader)
        for move in refs.after(seen.move, 1_000_000):
            what = f"{move.branch} at {short(move.checkin)}"
            must(not _lacks(reader, move.checkin), node, f"{what} is not complete")
            if not is_clone:
                before, serial = seen.refs.get(move.branch, (None, None))
                must(
                    before is None or ancestry.leads_to(reader, move.checkin, before),
                    node,
                    f"{what} does not come after {short(before or move.checkin)}",
                )
                must(_goes_on(serial, move.serial), node, f"{what} has serial {move.serial} after {serial}")
                self._one_content(node, reader, move.branch, move.checkin, move.serial)
            if node.origin is None:
                self._stood.setdefault(move.branch, set()).add(move.checkin)
            elif not is_clone:
                must(
                    move.checkin in self._stood.get(move.branch, ()),
                    node,
                    f"{what}: the primary never stood there",
                )
            seen.refs[move.branch] = (move.checkin, move.serial)
            seen.move = move.number
        stand = {ref.branch: (ref.checkin, ref.serial) for ref in refs.list()}
        must(stand == seen.refs, node, "the refs are not where their last moves went")

    def _is_led(self, node: Node, reader: Reader) -> bool:
        """Whether what its refs do is decided elsewhere in the end, so that they may go back."""
        return reader.role == schema.CLONE

    def _one_content(
        self, node: Node, reader: Reader, branch: BranchName, checkin: ArtifactId, serial: int | None
    ) -> None:
        files = reader.files(checkin)
        if serial is None or not files:
            return
        content = artifact_id(repr(sorted(files.items())).encode())
        found = self._served.setdefault((branch, serial), content)
        must(found == content, node, f"{branch} had another content with serial {serial}")

    # -- at crashes and at rest

    def check(self, node: Node) -> None:
        """See that nothing is damaged but by its disk, and that the derived tables are what the artifacts say."""
        if node.is_rotten:
            return
        with self._seen[node.name].eye.reader() as reader:
            found = list(check.everything(reader, LocalRefs(reader)))
        must(not found, node, f"check finds {found[:3]}")

    def settled(self, node: Node) -> None:
        """At rest: see that all that the node has acknowledged is on its branch's line or beside it on purpose."""
        with self._seen[node.name].eye.reader() as reader:
            for checkin in self._acknowledged.get(node.name, ()):
                placed = places.placed(reader, checkin)
                is_placed = placed is not None and placed.place != schema.UNPLACED
                must(is_placed, node, f"{short(checkin)} was acknowledged and is not decided about")


def must(holds: bool, node: Node, what: str) -> None:
    """Raise Broken of a node unless `holds`."""
    if not holds:
        raise Broken(f"{node.name}: {what}")


def _lacks(reader: Reader, checkin: ArtifactId) -> bool:
    """Whether anything that the check-in needs is missing."""
    if ancestry.broken(reader, [checkin]):
        return True
    files = set(reader.files(checkin).values())
    return reader.present(files) != files


def _goes_on(before: int | None, after: int | None) -> bool:
    """Whether a serial does not go back."""
    if before is None or after is None:
        return before is None
    return (after - before) % 2**32 < _HALF
