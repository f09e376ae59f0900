"""The one writer: puts artifacts in, links them, keeps what cannot be read yet aside, makes clusters.

put        content ─> row ─> link ─> deltas that waited for it
put_delta  source here: apply, then as put;  else aside, and its source becomes a phantom
put_all    either, for all that one reply brought
expect     a phantom: a row with a name and no content
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from xferzone import artifacts, delta
from xferzone.artifacts import CheckIn, Cluster, Control
from xferzone.cards.session import shared_secret
from xferzone.errors import CorruptArtifact, MalformedDelta, PeerError
from xferzone.hashing import ArtifactId, artifact_id, is_named
from xferzone.store import chains, schema, zstd
from xferzone.store.cache import ContentCache
from xferzone.store.link import Arrived, link
from xferzone.store.reader import Reader, User

MAX_NEW_PHANTOMS = 100_000  # a transaction; architecture.md 7
MAX_ASIDE = 40_000  # deltas without their source, in the whole repository
CLUSTER_FROM = 100  # unclustered artifacts; Fossil 2.21 makes none below (spec xfer 5)
CLUSTER_SIZE = 800  # members, unless at most CLUSTER_FROM remain after them


class Received(NamedTuple):
    """An artifact as it came: its content, or what makes it out of `source`."""

    artifact: ArtifactId
    source: ArtifactId | None
    payload: bytes


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
        if len(content) > chains.MAX_ARTIFACT:
            raise PeerError(f"an artifact of {len(content)} bytes; the most is {chains.MAX_ARTIFACT}")
        name = artifact_id(content) if artifact is None else artifact
        if artifact is not None and not is_named(artifact, content):
            raise CorruptArtifact(artifact, "the content that came does not hash to its name")
        if not self.has(name):
            waiting = self._insert(name, content)
            while waiting:
                waiting.extend(self._bring_in(waiting.pop()))
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
        if self.has(artifact):
            return True
        if self.has(source):
            self.put(delta.apply(self.content(source), made, limit=chains.MAX_ARTIFACT), artifact)
            return True
        (kept,) = self.db.execute("SELECT count(*) FROM aside").fetchone()
        if kept >= MAX_ASIDE:
            raise PeerError(f"over {MAX_ASIDE} deltas wait for their source already: send {artifact} whole")
        row = (self.expect(artifact), self.expect(source), zstd.compress(made))
        self.db.execute("INSERT OR REPLACE INTO aside VALUES (?, ?, ?)", row)
        return False

    def put_all(self, received: Sequence[Received]) -> None:
        """Store what came, as `put` and `put_delta` do, and raising what they raise."""
        for artifact, source, payload in received:
            if source is None:
                self.put(payload, artifact)
            else:
                self.put_delta(artifact, source, payload)

    def expect(self, artifact: ArtifactId) -> int:
        """The row of an artifact, made a phantom if it is not known.

        Raises:
            PeerError: over MAX_NEW_PHANTOMS of them in this transaction.
        """
        rid = self.rid(artifact)
        if rid is not None:
            return rid
        self._new_phantoms += 1
        if self._new_phantoms > MAX_NEW_PHANTOMS:
            raise PeerError(
                f"over {MAX_NEW_PHANTOMS} artifacts named that are not here: send fewer at a time"
            )
        return self._new_row(artifact)

    def expect_all(self, artifacts: Iterable[ArtifactId]) -> dict[ArtifactId, int]:
        """`expect`, for many at once."""
        return {artifact: self.expect(artifact) for artifact in artifacts}

    def _new_row(self, artifact: ArtifactId) -> int:
        made = self.db.execute(
            "INSERT INTO blob (hash, size) VALUES (?, -1)", (bytes.fromhex(artifact),)
        ).lastrowid
        assert made is not None
        # Unclustered from the start, as in stock: a cluster that comes before its member takes the member out.
        self.db.execute("INSERT INTO unclustered VALUES (?)", (made,))
        return made

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

    # -- the steps of put

    def _insert(self, artifact: ArtifactId, content: bytes) -> list[int]:
        """Store and link content that was not here; the rows of deltas that waited for it."""
        rid = self.rid(artifact) or self._new_row(artifact)
        self.db.execute("UPDATE blob SET size = ? WHERE rid = ?", (len(content), rid))
        chains.keep(self.db, rid, zstd.compress(content), None)
        self.db.execute("DELETE FROM aside WHERE rid = ?", (rid,))
        self.cache.put(artifact, content)
        query = "DELETE FROM awaited WHERE wanted = ? RETURNING checkin"
        waited = [checkin for (checkin,) in self.db.execute(query, (rid,)).fetchall()]
        link(self, [Arrived(rid, artifact, artifacts.parse(content))], waited)
        return [waiting for (waiting,) in self.db.execute("SELECT rid FROM aside WHERE source = ?", (rid,))]

    def _bring_in(self, rid: int) -> list[int]:
        """Apply a delta kept aside, whose source has come; a bad one is dropped and its artifact stays a phantom."""
        row = self.db.execute(
            """SELECT blob.hash, source.hash, aside.delta FROM aside JOIN blob USING (rid)
               JOIN blob AS source ON source.rid = aside.source WHERE aside.rid = ?""",
            (rid,),
        ).fetchone()
        if row is None:
            return []
        artifact, source = chains.id_of(row[0]), chains.id_of(row[1])
        self.db.execute("DELETE FROM aside WHERE rid = ?", (rid,))
        try:
            made = zstd.expand(row[2], chains.MAX_ARTIFACT)
            content = delta.apply(self.content(source), made, limit=chains.MAX_ARTIFACT)
        except (ValueError, MalformedDelta):
            return []
        if not is_named(artifact, content) or _tags_others(content) or artifacts.hazard(content) is not None:
            # What tags others may need a right that whoever sends the source lacks: it must come whole, where the
            # server looks at it. What harms stock is refused there, too.
            return []
        return self._insert(artifact, content)


def _tags_others(content: bytes) -> bool:
    parsed = artifacts.parse(content)
    return isinstance(parsed, CheckIn | Control) and any(tag.target is not None for tag in parsed.tags)
