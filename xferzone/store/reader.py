"""What a repository holds, as of one snapshot: artifacts by id, what is missing, who may do what."""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from xferzone import artifacts, delta
from xferzone.artifacts import CheckIn, FileCard
from xferzone.errors import CorruptArtifact, NotFound, XferzoneError
from xferzone.hashing import ArtifactId
from xferzone.store import chains, schema
from xferzone.store.cache import ContentCache
from xferzone.store.chains import id_of

_Value = TypeVar("_Value")

_KEPT_CARDS = 120_000  # of manifests kept parsed, some 40 MB: each is looked at several times
_BATCH = 500  # ids bound in one statement; SQLite's oldest limit is 999


@dataclass(frozen=True, slots=True)
class User:
    """An account; `secret` is 40 hex digits, as Fossil stores it (spec xfer 3.2), empty: cannot log in."""

    login: str
    secret: str
    caps: str


@dataclass(frozen=True, slots=True)
class Sendable:
    """An artifact as a clone sends it: `payload` is its content, or a delta against `source`. `size` is its own."""

    id: ArtifactId
    size: int
    source: ArtifactId | None
    payload: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Artifacts of a clone, in order of position.

    Fields:
        position: of the first that is not among them; 0 when all have been passed.
        too_large: that one is larger than was asked for.
        damaged: those passed over, since they cannot be read.
    """

    sendables: list[Sendable]
    position: int
    too_large: bool
    damaged: list[ArtifactId]


@dataclass(frozen=True, slots=True)
class Placed:
    """A linked check-in: where it stands (store/schema.py, place), on which branch, from which parents."""

    id: ArtifactId
    date_ms: int
    branch: str | None
    place: int
    parents: tuple[ArtifactId, ...]


class Reader:
    """All reads. Contents come verified; nothing here writes."""

    def __init__(self, db: sqlite3.Connection, cache: ContentCache) -> None:
        self.db = db  # for the modules of store/ and refs/ only
        self.cache = cache
        self._manifests: dict[ArtifactId, CheckIn] = {}  # parsed in this transaction
        self._cards = 0  # of these, some five a manifest besides its files

    # -- settings and users

    def setting(self, name: str) -> str | None:
        return self._one("SELECT value FROM setting WHERE name = ?", name, str)

    @property
    def project_code(self) -> str:
        code = self.setting("project-code")
        if code is None:
            raise XferzoneError("the repository has lost its project code: restore it from a backup")
        return code

    @property
    def role(self) -> str:
        """Who moves this repository's refs: a value of `store/schema.py`."""
        return self.setting("role") or schema.PRIMARY

    def user(self, login: str) -> User | None:
        row = self.db.execute("SELECT login, secret, caps FROM user WHERE login = ?", (login,)).fetchone()
        return None if row is None else User(*row)

    def users(self) -> list[User]:
        """All of them, by login."""
        return [User(*row) for row in self.db.execute("SELECT login, secret, caps FROM user ORDER BY login")]

    # -- artifacts

    def has(self, artifact: ArtifactId) -> bool:
        """Whether its content is here; a phantom's is not."""
        return self._present_rid(artifact) is not None

    def present(self, ids: Iterable[ArtifactId]) -> set[ArtifactId]:
        """Those of `ids` whose content is here."""
        wanted = [bytes.fromhex(artifact) for artifact in ids]
        here: set[ArtifactId] = set()
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            marks = ",".join("?" * len(batch))
            query = f"SELECT hash FROM blob WHERE content IS NOT NULL AND hash IN ({marks})"  # noqa: S608 only question marks are put in
            here.update(id_of(raw) for (raw,) in self.db.execute(query, batch))
        return here

    def content(self, artifact: ArtifactId) -> bytes:
        """The artifact's bytes, verified.

        Raises:
            NotFound: it is not here.
            CorruptArtifact: it, or what its chain of deltas needs, is damaged.
        """
        if (found := self.cache.get(artifact)) is not None:
            return found
        rid = self._present_rid(artifact)
        if rid is None:
            raise NotFound(f"artifact {artifact} is not here")
        return chains.content(self.db, self.cache, rid)

    def size(self, artifact: ArtifactId) -> int:
        """Bytes of its content; 0 for what is not here."""
        size = self._one("SELECT size FROM blob WHERE hash = ?", bytes.fromhex(artifact), int)
        return max(size or 0, 0)

    def artifacts(self) -> Iterator[ArtifactId]:
        """Every artifact whose content is here, newest first."""
        for (raw,) in self.db.execute("SELECT hash FROM blob WHERE content IS NOT NULL ORDER BY rid DESC"):
            yield id_of(raw)

    def phantoms(self, limit: int) -> list[ArtifactId]:
        """At most `limit` artifacts that are named but missing, oldest first; of a delta kept aside, its source."""
        query = """SELECT hash FROM blob WHERE content IS NULL AND rid NOT IN (SELECT rid FROM aside)
                   ORDER BY rid LIMIT ?"""
        return [id_of(raw) for (raw,) in self.db.execute(query, (limit,))]

    def unclustered(self) -> list[ArtifactId]:
        """The artifacts here that no cluster names, oldest first."""
        query = "SELECT hash FROM unclustered JOIN blob USING (rid) WHERE content IS NOT NULL ORDER BY rid"
        return [id_of(raw) for (raw,) in self.db.execute(query)]

    def delta(self, artifact: ArtifactId) -> tuple[ArtifactId, bytes] | None:
        """A source and the delta against it, where sending that is worth while; None: send it whole.

        The source is the version before, which whoever asks for a newer one mostly has.
        Source: spec xfer 3.6, content over 100 bytes and delta at most size - 51.
        """
        row = self.db.execute(
            """SELECT old.rid, old.hash FROM blob AS new JOIN blob AS old ON old.source = new.rid
               WHERE new.hash = ? AND new.size > 100 ORDER BY old.rid DESC LIMIT 1""",
            (bytes.fromhex(artifact),),
        ).fetchone()
        if row is None:
            return None
        content = self.content(artifact)
        made = delta.create(chains.content(self.db, self.cache, row[0]), content, most=len(content) - 51)
        return None if made is None else (id_of(row[1]), made)

    def clone_batch(self, position: int, budget: int, largest: int = chains.MAX_ARTIFACT) -> Batch:
        """Artifacts from `position` on, oldest first, up to the first of over `largest` bytes.

        At least one if any is left, so that a small `budget` (bytes of payload) still moves. A damaged
        artifact is left out: the clone goes on without it, and `check` names it.
        """
        rows = self.db.execute(
            """SELECT blob.rid, CAST(blob.hash AS BLOB), CAST(blob.size AS INTEGER), CAST(blob.content AS BLOB),
                      CAST(source.hash AS BLOB)
               FROM blob LEFT JOIN blob AS source ON source.rid = blob.source
               WHERE blob.rid >= ? AND blob.content IS NOT NULL ORDER BY blob.rid""",
            (position,),
        )
        batch: list[Sendable] = []
        damaged: list[ArtifactId] = []
        for rid, raw, size, stored, source in rows:
            if not 0 <= size <= chains.MAX_ARTIFACT:
                damaged.append(id_of(raw))
                continue
            if size > largest or (budget <= 0 and batch):
                return Batch(batch, rid, size > largest, damaged)
            # Its source is among what was sent, or will be: an artifact gets its position when it comes.
            try:
                if source is not None:
                    payload = chains.sound_delta(
                        self.db, self.cache, rid, stored or chains.large(self.db, rid)
                    )
                else:
                    payload = self.content(id_of(raw))
            except CorruptArtifact:
                damaged.append(id_of(raw))
                continue
            batch.append(Sendable(id_of(raw), size, id_of(source) if source else None, payload))
            budget -= len(payload)
        return Batch(batch, 0, False, damaged)

    # -- structure

    def checkin(self, artifact: ArtifactId) -> CheckIn:
        """The manifest, parsed.

        Raises:
            NotFound: it is not here, or no check-in.
        """
        known = self._manifests.get(artifact)
        if known is not None:
            return known
        parsed = artifacts.parse(self.content(artifact))
        if not isinstance(parsed, CheckIn):
            raise NotFound(f"{artifact} is no check-in")
        self.remember(artifact, parsed)
        return parsed

    def remember(self, artifact: ArtifactId, parsed: CheckIn) -> None:
        """Keep a manifest that is here, or soon will be, parsed for a while."""
        if self._cards > _KEPT_CARDS:
            self._manifests.clear()
            self._cards = 0
        self._manifests[artifact] = parsed
        self._cards += len(parsed.files) + 5

    def files(self, artifact: ArtifactId) -> dict[str, ArtifactId]:
        """The check-in's files by name, a delta manifest's baseline merged in. Raises as `checkin` does."""
        return {card.name: card.id for card in self.file_cards(artifact) if card.id is not None}

    def file_cards(self, artifact: ArtifactId) -> tuple[FileCard, ...]:
        """The same with the permissions, in order of their names."""
        checkin = self.checkin(artifact)
        if checkin.baseline is None:
            return checkin.files
        return artifacts.delta_files(self.checkin(checkin.baseline).files, checkin.files)

    def placed(self, artifact: ArtifactId) -> Placed | None:
        """What linking made of a check-in; None: it is not here, or no check-in."""
        row = self.db.execute(
            "SELECT rid, hash, date_ms, branch, place FROM checkin JOIN blob USING (rid) WHERE hash = ?",
            (bytes.fromhex(artifact),),
        ).fetchone()
        return None if row is None else self._placed(*row)

    def unplaced(self) -> list[Placed]:
        """Complete check-ins that publishing has not settled, in order of arrival."""
        rows = self.db.execute(
            """SELECT rid, hash, date_ms, branch, place FROM checkin JOIN blob USING (rid)
               WHERE place = 0 AND branch IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM awaited WHERE awaited.checkin = checkin.rid) ORDER BY rid"""
        ).fetchall()
        return [self._placed(*row) for row in rows]

    def invalid(self, branch: str) -> list[Placed]:
        """The branch's check-ins that are recorded invalid, in order of arrival."""
        rows = self.db.execute(
            """SELECT rid, hash, date_ms, branch, place FROM checkin JOIN blob USING (rid)
               WHERE place = 2 AND branch = ? ORDER BY rid""",
            (branch,),
        ).fetchall()
        return [self._placed(*row) for row in rows]

    def children(self, artifact: ArtifactId) -> list[ArtifactId]:
        """The check-ins whose first parent it is, in order of arrival."""
        rows = self.db.execute(
            """SELECT child.hash FROM parent JOIN blob AS own ON own.rid = parent.parent
               JOIN blob AS child ON child.rid = parent.child WHERE own.hash = ? AND position = 0 ORDER BY child.rid""",
            (bytes.fromhex(artifact),),
        )
        return [id_of(raw) for (raw,) in rows]

    def has_child(self, artifact: ArtifactId, branch: str) -> bool:
        """Whether a check-in on `branch` names it as a parent, the first or another."""
        query = """SELECT 1 FROM parent JOIN blob ON blob.rid = parent.parent
                   JOIN checkin ON checkin.rid = parent.child WHERE hash = ? AND checkin.branch = ? LIMIT 1"""
        return self.db.execute(query, (bytes.fromhex(artifact), branch)).fetchone() is not None

    def tags(self, artifact: ArtifactId) -> dict[str, tuple[str, str | None]]:
        """The tags that count directly on it: name -> (prefix, value). The newest date wins, then who came first."""
        rows = self.db.execute(
            """SELECT name, prefix, tag.value FROM tag JOIN blob ON blob.rid = tag.target WHERE hash = ?
               ORDER BY tag.date_ms, tag.source DESC""",
            (bytes.fromhex(artifact),),
        )
        return {name: (prefix, value) for name, prefix, value in rows}

    def tagged(self, name: str) -> list[ArtifactId]:
        """The artifacts on which a tag of that name now stands (not cancelled), newest check-in first."""
        rows = self.db.execute(
            """SELECT DISTINCT hash, checkin.date_ms FROM tag JOIN blob ON blob.rid = tag.target
               JOIN checkin ON checkin.rid = tag.target WHERE tag.name = ? ORDER BY checkin.date_ms DESC""",
            (name,),
        ).fetchall()
        return [id_of(raw) for raw, _ in rows if self.tags(id_of(raw))[name][0] != "-"]

    def branches(self) -> list[str]:
        """Every branch that a check-in is on, by name."""
        rows = self.db.execute("SELECT DISTINCT branch FROM checkin WHERE branch IS NOT NULL ORDER BY branch")
        return [branch for (branch,) in rows]

    def branch_tip(self, branch: str) -> ArtifactId | None:
        """The check-in that stock takes for the branch: the one with the largest date."""
        query = "SELECT hash FROM checkin JOIN blob USING (rid) WHERE branch = ? ORDER BY date_ms DESC, rid LIMIT 1"
        raw = self._one(query, branch, bytes)
        return None if raw is None else id_of(raw)

    def matching(self, prefix: str, limit: int) -> list[ArtifactId]:
        """At most `limit` check-ins whose id begins with `prefix` (lower-case hex)."""
        low = bytes.fromhex(prefix + "0" * (len(prefix) % 2))
        high = bytes.fromhex(prefix + "f" * (len(prefix) % 2)) + b"\xff" * 32
        query = (
            "SELECT hash FROM blob JOIN checkin USING (rid) WHERE hash BETWEEN ? AND ? ORDER BY hash LIMIT ?"
        )
        return [id_of(raw) for (raw,) in self.db.execute(query, (low, high, limit))]

    def invalid_reason(self, artifact: ArtifactId) -> str | None:
        """Why publishing found the check-in invalid; None: it did not."""
        query = "SELECT reason FROM invalid JOIN blob USING (rid) WHERE hash = ?"
        return self._one(query, bytes.fromhex(artifact), str)

    def _placed(self, rid: int, raw: bytes, date_ms: int, branch: str | None, place: int) -> Placed:
        query = (
            "SELECT hash FROM parent JOIN blob ON blob.rid = parent.parent WHERE child = ? ORDER BY position"
        )
        parents = tuple(id_of(parent) for (parent,) in self.db.execute(query, (rid,)))
        return Placed(id_of(raw), date_ms, branch, place, parents)

    def _present_rid(self, artifact: ArtifactId) -> int | None:
        query = "SELECT rid FROM blob WHERE hash = ? AND content IS NOT NULL"
        return self._one(query, bytes.fromhex(artifact), int)

    def rid(self, artifact: ArtifactId) -> int | None:
        """The row of an artifact or phantom; for store/ and refs/ only."""
        return self._one("SELECT rid FROM blob WHERE hash = ?", bytes.fromhex(artifact), int)

    def _one(self, query: str, parameter: object, kind: type[_Value]) -> _Value | None:
        """The first column of the first row, of that type; None where there is no row."""
        row = self.db.execute(query, (parameter,)).fetchone()
        if row is None:
            return None
        assert isinstance(row[0], kind)
        return row[0]
