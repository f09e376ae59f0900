"""The one writer: puts artifacts in, links them, keeps what cannot be read yet aside, makes clusters.

put        content ─> row ─> link ─> deltas that waited for it
put_delta  source here: apply, then as put;  else aside, and its source becomes a phantom
put_all    either, for all that one reply brought
expect     a phantom: a row with a name and no content
"""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count

from xferzone.artifacts import Cluster
from xferzone.cards.session import shared_secret
from xferzone.errors import PeerError
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.store import chains, frames, schema
from xferzone.store.cache import ContentCache
from xferzone.store.incoming import Aside, Batch, Received, Witness
from xferzone.store.link import Arrived, link
from xferzone.store.reader import Reader, User
from xferzone.store.sql import selected

MAX_NEW_PHANTOMS = 100_000  # a transaction; architecture.md 7
MAX_ASIDE = 200_000  # deltas without their source, in the whole repository
MAX_ASIDE_BYTES = 64 * 1024 * 1024  # of them, compressed
CLUSTER_FROM = 100  # unclustered artifacts; Fossil 2.21 makes none below (spec xfer 5)
CLUSTER_SIZE = 800  # members, unless at most CLUSTER_FROM remain after them


class Writer(Reader):
    """All writes; the transaction is the caller's."""

    def __init__(self, db: sqlite3.Connection, cache: ContentCache) -> None:
        super().__init__(db, cache)
        self._new_phantoms = 0

    def put(self, content: bytes, artifact: ArtifactId | None = None) -> ArtifactId:
        """Store `content`, under the name it came with or its own; once, however often it comes.

        Raises:
            CorruptArtifact: it does not hash to `artifact`. Nothing was stored.
            PeerError: over MAX_ARTIFACT bytes.
        """
        name = artifact_id(content) if artifact is None else artifact
        self.put_all([Received(name, None, content)])
        return name

    def put_own(self, content: bytes) -> ArtifactId:
        """Store what is made here; a clone remembers that it is to be pushed."""
        name = artifact_id(content)
        if not self.has(name):
            self.put(content, name)
            if self.role != schema.PRIMARY:
                self.db.execute("INSERT OR IGNORE INTO unsent VALUES (?)", (self.rid(name),))
        return name

    def put_delta(self, artifact: ArtifactId, source: ArtifactId, made: bytes) -> bool:
        """Store what the delta `made` makes of `source`; False: kept aside until the source comes.

        Raises:
            MalformedDelta, CorruptArtifact: the delta does not make `artifact`. Nothing was stored.
            PeerError: too many deltas wait already.
        """
        self.put_all([Received(artifact, source, made)])
        return self.has(artifact)

    def put_all(
        self, received: Sequence[Received], witness: Witness | None = None, aside: Aside | None = None
    ) -> None:
        """Store what came, as `put` and `put_delta` do, and raising what they raise: then nothing of it is stored.

        `witness` is shown what is stored; `aside` may help to verify it.
        """
        here = self.present({each.artifact for each in received})
        left = [each for each in received if each.artifact not in here]
        while left:
            batch = Batch(self, left, self._kept_aside_for(left), witness)
            batch.verify(aside)
            self.db.executemany(
                "DELETE FROM aside WHERE rid = ?", [(self.rid(each),) for each in batch.refused]
            )
            if not batch.verified:
                break
            self._store(batch)
            left = batch.left
        self._keep_aside(left)

    def expect(self, artifact: ArtifactId) -> int:
        """The row of an artifact, made a phantom if it is not known.

        Raises:
            PeerError: over MAX_NEW_PHANTOMS of them in this transaction.
        """
        return self.expect_all([artifact])[artifact]

    def expect_all(self, artifacts: Collection[ArtifactId]) -> dict[ArtifactId, int]:
        """`expect`, for many at once."""
        raws = {artifact: bytes.fromhex(artifact) for artifact in artifacts}
        rids = dict(selected(self.db, "SELECT hash, rid FROM blob WHERE hash IN (?)", list(raws.values())))
        new = [raw for raw in dict.fromkeys(raws.values()) if raw not in rids]
        self._new_phantoms += len(new)
        if self._new_phantoms > MAX_NEW_PHANTOMS:
            raise PeerError(
                f"over {MAX_NEW_PHANTOMS} artifacts named that are not here: send fewer at a time"
            )
        made = dict(zip(new, self._next_rids(), strict=False))
        self.db.executemany(
            "INSERT INTO blob (rid, hash, size) VALUES (?, ?, -1)", [(rid, raw) for raw, rid in made.items()]
        )
        # Unclustered from the start, as in stock: a cluster that comes before its member takes the member out.
        self.db.executemany("INSERT INTO unclustered VALUES (?)", [(rid,) for rid in made.values()])
        rids |= made
        return {artifact: rids[raw] for artifact, raw in raws.items()}

    def _next_rids(self) -> Iterator[int]:
        row = self.db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'blob'").fetchone()
        return count(1 if row is None else row[0] + 1)

    def make_clusters(self) -> None:
        """Sum up the unclustered artifacts in clusters where there are many. Source: spec xfer 5."""
        loose = sorted(self.unclustered())
        if len(loose) < CLUSTER_FROM:
            return
        while loose:
            count = CLUSTER_SIZE if len(loose) > CLUSTER_SIZE + CLUSTER_FROM else len(loose)
            self.put(Cluster(tuple(loose[:count])).encode())
            del loose[:count]

    # -- settings and users

    def set_setting(self, name: str, value: str) -> None:
        self.db.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))

    def put_user(self, login: str, password: str | None, caps: str) -> None:
        """Make or replace an account; `password` None: no password, so it cannot log in."""
        secret = "" if password is None else shared_secret(self.project_code, login, password)
        self.db.execute("INSERT OR REPLACE INTO user VALUES (?, ?, ?)", (login, secret, caps))

    def set_caps(self, user: User, caps: str) -> None:
        self.db.execute("UPDATE user SET caps = ? WHERE login = ?", (caps, user.login))

    def remove_user(self, user: User) -> None:
        self.db.execute("DELETE FROM user WHERE login = ?", (user.login,))

    # -- places, for zone/publish

    def place(self, artifact: ArtifactId, place: int) -> None:
        """Settle where a check-in stands (store/schema.py, place)."""
        query = "UPDATE checkin SET place = ? WHERE rid = (SELECT rid FROM blob WHERE hash = ?)"
        self.db.execute(query, (place, bytes.fromhex(artifact)))
        self.db.execute(
            "DELETE FROM invalid WHERE rid = (SELECT rid FROM blob WHERE hash = ?)",
            (bytes.fromhex(artifact),),
        )

    def record_invalid(self, artifact: ArtifactId, reason: str) -> None:
        """Settle a check-in as invalid, and say why."""
        self.place(artifact, schema.INVALID)
        self.db.execute("INSERT OR REPLACE INTO invalid VALUES (?, ?)", (self.rid(artifact), reason))

    # -- the steps of put_all

    def _store(self, batch: Batch) -> None:
        """Store and link what is verified, in order of arrival."""
        db = self.db
        came = sorted(batch.verified, key=batch.place)
        raws = [bytes.fromhex(each.artifact) for each in came]
        rids = {each.artifact: rid for each, rid in zip(came, self._next_rids(), strict=False)}
        was = dict(selected(db, "SELECT hash, rid FROM blob WHERE hash IN (?)", raws))
        waited = self._leave_phantoms({old: rids[chains.id_of(raw)] for raw, old in was.items()})
        outside = {each.source for each in came if each.source is not None} - rids.keys()
        sources = rids | self.expect_all(outside)
        heights = dict.fromkeys(sources.values(), 0)
        for each in reversed(batch.verified):  # what hangs on others before these
            if each.source is not None:
                source = sources[each.source]
                heights[source] = max(heights[source], heights[rids[each.artifact]] + 1)
        rows = [
            chains.Row(
                rid, raw, each.size, each.frame, sources[each.source] if each.source else None, heights[rid]
            )
            for each, raw, rid in zip(came, raws, rids.values(), strict=True)
        ]
        chains.insert(db, rows)
        for artifact in outside:
            chains.raise_stacks(db, sources[artifact], heights[sources[artifact]])
        new = [(rid,) for raw, rid in zip(raws, rids.values(), strict=True) if raw not in was]
        db.executemany("INSERT INTO unclustered VALUES (?)", new)
        link(
            self,
            [Arrived(rids[each.artifact], each.artifact, each.parsed, each.source) for each in came],
            waited,
        )

    def _leave_phantoms(self, moved: Mapping[int, int]) -> set[int]:
        """Phantoms give way, old row -> new; the check-ins that awaited them.

        Each artifact takes a new row when it comes, so that what a clone has passed stays passed.
        """
        db, query = self.db, "DELETE FROM awaited WHERE wanted IN (?) RETURNING checkin"
        waited = {checkin for (checkin,) in selected(db, query, moved)}
        ways = [(new, old) for old, new in moved.items()]
        db.executemany("UPDATE parent SET parent = ? WHERE parent = ?", ways)
        db.executemany("UPDATE tag SET target = ? WHERE target = ?", ways)
        db.executemany("UPDATE unclustered SET rid = ? WHERE rid = ?", ways)
        db.executemany("UPDATE aside SET source = ? WHERE source = ?", ways)
        gone = [(old,) for old in moved]
        db.executemany("DELETE FROM aside WHERE rid = ?", gone)
        db.executemany("DELETE FROM blob WHERE rid = ?", gone)
        return waited

    def _kept_aside_for(self, received: Collection[Received]) -> list[Received]:
        """The deltas kept aside that wait for one of these, or for one of those that do."""
        query = """SELECT blob.rid, blob.hash, source.hash, delta FROM aside JOIN blob USING (rid)
                   JOIN blob AS source ON source.rid = aside.source WHERE aside.source IN (?)"""
        rids = selected(
            self.db,
            "SELECT rid FROM blob WHERE content IS NULL AND hash IN (?)",
            [bytes.fromhex(each.artifact) for each in received],
        )
        found: dict[int, Received] = {}
        wave = {rid for (rid,) in rids}
        while wave:
            rows = [row for row in selected(self.db, query, wave) if row[0] not in found]
            for rid, raw, source, made in rows:
                with suppress(ValueError):  # damaged: it stays a phantom
                    payload = frames.expand(made, chains.MAX_ARTIFACT)
                    found[rid] = Received(chains.id_of(raw), chains.id_of(source), payload)
            wave = {row[0] for row in rows}
        return list(found.values())

    def _keep_aside(self, received: Collection[Received]) -> None:
        """Keep deltas whose source is not here; what was aside before is there already."""
        if not received:
            return
        (kept, size) = self.db.execute("SELECT count(*), total(length(delta)) FROM aside").fetchone()
        rids = self.expect_all({name for each in received for name in each[:2] if name is not None})
        rows = []
        for artifact, source, payload in received:
            assert source is not None
            frame = frames.compress(payload)
            kept, size = kept + 1, size + len(frame)
            if kept > MAX_ASIDE or size > MAX_ASIDE_BYTES:
                raise PeerError(f"too many deltas wait for their source already: send {artifact} whole")
            rows.append((rids[artifact], rids[source], frame))
        self.db.executemany("INSERT OR REPLACE INTO aside VALUES (?, ?, ?)", rows)
