"""The writer: the one road of artifacts into the store.

    put_all      artifacts, whole or as deltas  ->  verified  ->  rows  ->  linked
                 a delta whose source is not here is kept aside; it is taken in with its source
    put          one artifact, whole

What is stored here for the first time takes a new row, even if a phantom had one.
"""

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from xferzone.artifacts import Cluster
from xferzone.errors import Refused
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.store import chains, members, orphans, private, shunned
from xferzone.store.cache import ContentCache
from xferzone.store.incoming import Early, Helper, Intake, Noter, Received, Refuse, Verified
from xferzone.store.link import Arrived, link
from xferzone.store.phantoms import Expecting
from xferzone.store.reader import Part
from xferzone.store.sql import selected

CLUSTER_FROM = 100  # unclustered artifacts; as Fossil 2.21, src/xfer.c create_cluster()
CLUSTER_SIZE = 800  # members, unless at most CLUSTER_FROM remain after them


@dataclass
class _Shared:
    """What the steps of one `put_all` share.

    Fields:
        were_aside: what was kept aside before.
        refused: how many of the others were refused.
    """

    ripe: orphans.Ripe
    noter: Noter | None = None
    helper: Helper | None = None
    refuse: Refuse | None = None
    settle: Callable[[], None] | None = None
    early: Mapping[ArtifactId, Early] | None = None
    were_aside: set[ArtifactId] = field(default_factory=set)
    refused: int = 0


class Writer(Expecting):
    """All writes. The transaction is the caller's.

    Fields:
        crowded_out: how many deltas that were kept aside had to go, since too many came.
        shunned: what came and was left out, since it is shunned (shunned.py), or is a delta of that.
        unpassed: check-ins, by row, that no ref has passed; whoever moves one takes out what it passes.
    """

    def __init__(self, db: sqlite3.Connection, cache: ContentCache, part: Part | None = None) -> None:
        super().__init__(db, cache, part)
        self.crowded_out = 0
        self.shunned: set[ArtifactId] = set()
        self.unpassed: set[int] = set()

    def give_way(self) -> bool:
        has_ended = super().give_way()
        if has_ended:
            self.unpassed.clear()  # others may have moved refs
        return has_ended

    def put(self, content: bytes, artifact: ArtifactId | None = None) -> ArtifactId:
        """Store `content` under its own name, or under `artifact`, which may be an older hash of it; returns the name.

        Raises:
            CorruptArtifact: it does not hash to `artifact`. Nothing was stored.
            PeerError: over MAX_ARTIFACT bytes.
            Refused: it is shunned.
        """
        name = artifact_id(content) if artifact is None else artifact
        self.put_all([Received(name, None, content)])
        if name in self.shunned:
            raise Refused(
                f"artifact {name} is shunned here, and this would make it again: `xferzone shun remove` allows that"
            )
        return name

    # many: how what comes is verified, refused and settled
    def put_all(
        self,
        received: Sequence[Received],
        noter: Noter | None = None,
        helper: Helper | None = None,
        refuse: Refuse | None = None,
        settle: Callable[[], None] | None = None,
        early: Mapping[ArtifactId, Early] | None = None,
    ) -> int:
        """Store artifacts, whole or as deltas of others; returns how many were new here, those kept aside included.

        A delta whose source is not here is kept aside until that comes.

        Args:
            noter: is shown what is stored.
            helper: takes a share of the verifying; never together with `refuse`, which needs this process.
            refuse: is asked about each artifact once it is verified; what it gives a reason for is not stored.
            early: what of them was verified already; never together with `refuse`.
            settle: is called when they are stored, in the same transaction, where `give_way` may end it here.

        Raises:
            MalformedDelta, CorruptArtifact: an artifact is not what its name says. Nothing was stored.
            PeerError: one is over MAX_ARTIFACT bytes.
        """
        # In a new file nothing is here.
        here = self.present({each.artifact for each in received}) if self.last_row() else set[ArtifactId]()
        left = {each.artifact: each for each in received if each.artifact not in here}
        self._leave_shunned(left)
        shared = _Shared(orphans.Ripe(self), noter, helper, refuse, settle, early)
        self._take_all(left, shared)
        return len(left) - shared.refused

    def take_waiting(self) -> None:
        """Take in what was kept aside although its source is here: whoever did so was killed between two parts."""
        ripe = orphans.Ripe(self)
        ripe.all_that_came()
        left = {each.artifact: each for each in ripe.next()}
        self._take_all(left, _Shared(ripe, were_aside=set(left)))

    def make_clusters(self) -> None:
        """Name the unclustered artifacts in clusters, if they are many.

        Source: Fossil 2.21, src/xfer.c create_cluster().
        """
        # Phantoms are among them.
        many = self.db.execute("SELECT 1 FROM unclustered LIMIT 1 OFFSET ?", (CLUSTER_FROM - 1,)).fetchone()
        if many is None:
            return
        loose = sorted(self.unclustered())
        if len(loose) < CLUSTER_FROM:
            return
        while loose:
            self.give_way()
            count = CLUSTER_SIZE if len(loose) > CLUSTER_SIZE + CLUSTER_FROM else len(loose)
            self.put(Cluster(tuple(loose[:count])).encode())
            del loose[:count]
            self.fault("store.cluster-made", 0.2)

    # -- settings

    def set_setting(self, name: str, value: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def remove_setting(self, name: str) -> None:
        self.db.execute("DELETE FROM setting WHERE name = ?", (name,))

    # -- the steps of put_all

    def _leave_shunned(self, left: dict[ArtifactId, Received]) -> None:
        """Take out what is shunned, and what is a delta of that: it is asked for again, and may come whole."""
        sources = {each.source for each in left.values() if each.source is not None}
        gone = shunned.among(self, left.keys() | sources)
        if gone:
            out = [each.artifact for each in left.values() if each.artifact in gone or each.source in gone]
            self.shunned.update(out)
            for artifact in out:
                del left[artifact]

    def _take_all(self, left: dict[ArtifactId, Received], shared: _Shared) -> None:
        """Verify and store these, and what waited for them in turn; what hangs on something else is kept aside."""
        while left:
            # What was kept aside counts as that in every step: its sender is not present to be blamed, or asked for a
            # right.
            intake = Intake(self, list(left.values()), shared.were_aside, shared.noter, shared.refuse)
            intake.verify(shared.helper, shared.early)
            orphans.drop(self, intake.dropped)
            shared.refused += len(intake.refused)
            if intake.verified:
                self.fault("store.verified", 0.05)
                self._store(intake)
                self.fault("store.linked", 0.05)
                shared.ripe.came([each.artifact for each in intake.verified])
            left = {each.artifact: each for each in intake.left}
            self.fault("store.turn", 0.05)
            if shared.settle is not None:
                shared.settle()
            if self.give_way():
                left = {artifact: left[artifact] for artifact in left.keys() - self.present(left)}
            waited = {each.artifact: each for each in shared.ripe.next()}
            shared.were_aside |= waited.keys()
            left |= waited
            if not (intake.verified or waited):
                break
        waiting = [each for each in left.values() if each.artifact not in shared.were_aside]
        self.crowded_out += orphans.keep(self, waiting)
        if waiting:
            self.fault("store.kept-aside", 0.2)

    def _store(self, intake: Intake) -> None:
        """Store and link what is verified, in order of arrival."""
        db = self.db
        came = sorted(intake.verified, key=intake.position)
        raws = [bytes.fromhex(each.artifact) for each in came]
        rids = {each.artifact: rid for each, rid in zip(came, self.next_rids(), strict=False)}
        was: dict[bytes, int] = {}  # phantoms
        if self.has_phantoms:
            was = dict(selected(db, "SELECT hash, rid FROM blob WHERE hash IN (?)", raws))
        waited = self._leave_phantoms({old: rids[chains.id_of(raw)] for raw, old in was.items()})
        self.fault("store.phantoms-left", 0.05)
        outside = {each.source for each in came if each.source is not None} - rids.keys()
        sources = rids | self.expect_all(outside)
        heights = dict.fromkeys(sources.values(), 0)
        for each in reversed(intake.verified):  # what hangs on others before these
            if each.source is not None:
                source = sources[each.source]
                heights[source] = max(heights[source], heights[rids[each.artifact]] + 1)
        frames = [self._frame(each, rids) for each in came]
        rows = [
            chains.Row(
                rid, raw, each.size, frame, sources[each.source] if each.source else None, heights[rid]
            )
            for each, raw, rid, frame in zip(came, raws, rids.values(), frames, strict=True)
        ]
        chains.insert(db, rows)
        self.fault("store.inserted", 0.05)
        for artifact in outside:
            chains.raise_stacks(db, sources[artifact], heights[sources[artifact]])
        clustered = (each.parsed.members for each in came if isinstance(each.parsed, Cluster))
        known = set(map(chains.id_of, was)).union(*clustered)  # phantoms are in the table already
        new = [(rid,) for artifact, rid in rids.items() if artifact not in known]
        db.executemany("INSERT INTO unclustered VALUES (?)", new)
        private.forget(self, rids)
        link(self, [_arrived(each, rids[each.artifact], intake) for each in came], waited)

    def _frame(self, each: Verified, rids: Mapping[ArtifactId, int]) -> bytes:
        """What is kept of it; `rids`: of all that is stored together."""
        if each.source is None and isinstance(each.parsed, Cluster):
            return members.by_rows(self.db, each.artifact, each.parsed, rids) or each.frame
        return each.frame

    def _leave_phantoms(self, moved: Mapping[int, int]) -> set[int]:
        """Phantoms give way, old row -> new; the check-ins that awaited them.

        Each artifact takes a new row when it comes, so that what a clone has passed stays passed.
        """
        db, query = self.db, "DELETE FROM awaited WHERE wanted IN (?) RETURNING checkin"
        waited = {checkin for (checkin,) in selected(db, query, moved)}
        self._repoint([(new, old) for old, new in moved.items()])
        db.executemany(
            "UPDATE OR REPLACE brought SET rid = ? WHERE rid = ?", [(new, old) for old, new in moved.items()]
        )
        gone = [(old,) for old in moved]
        db.executemany("DELETE FROM aside WHERE rid = ?", gone)
        db.executemany("DELETE FROM blob WHERE rid = ?", gone)
        return waited


def _arrived(each: Verified, rid: int, intake: Intake) -> Arrived:
    return Arrived(rid, each.artifact, each.parsed, each.source, each.size, intake.steps.get(each.artifact))
