"""What a repository holds, as of one snapshot: its settings, its artifacts by id, and what is missing."""

import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, TypeVar

from xferzone import artifacts
from xferzone.artifacts import CheckIn, FileCard
from xferzone.artifacts.plain import files_below
from xferzone.errors import NotFound, XferzoneError
from xferzone.faults import Faults, fault
from xferzone.hashing import ArtifactId
from xferzone.store import chains, loops, schema, turns
from xferzone.store.cache import ContentCache
from xferzone.store.chains import id_of
from xferzone.store.emptiness import check_not_empty, emptiness
from xferzone.store.sql import selected

_Value = TypeVar("_Value")
_Bound = TypeVar("_Bound", int, bytes)

_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_PRESENT: Final = "SELECT hash FROM blob WHERE content IS NOT NULL AND hash IN (?)"
_LOOK: Final = 5_000  # ids looked up between two looks at the time, some 20 ms
_KEPT_CARDS = 120_000  # of manifests kept parsed, some 40 MB: each is read several times
_SHARED = 30  # cards that two manifests share take the room of one


class Part:
    """A part of a long transaction, which may end where the work can be cut."""

    def __init__(self, begin_next: Callable[[], None], *, when_told: bool = False) -> None:
        """`begin_next` ends the transaction and begins another one. `when_told`: not by itself, however long it is."""
        self._begin_next = begin_next
        self._when_told = when_told
        self._began = turns.clock()

    def end_if_long(self) -> bool:
        """Begin another one if this one has lasted LONG_S; whether it did."""
        if self._when_told or turns.clock() - self._began < turns.LONG_S:
            return False
        self.end()
        return True

    def end(self) -> None:
        """Begin another one."""
        self._begin_next()
        self._began = turns.clock()


def selected_in_parts(reader: "Reader", query: str, values: Collection[_Bound]) -> Iterator[tuple[Any, ...]]:
    """As sql.py's `selected`, of very many: it gives way."""
    every = list(values)
    for start in range(0, len(every), _LOOK):
        yield from selected(reader.db, query, every[start : start + _LOOK])
        reader.give_way()


class Reader:
    """All reads of one snapshot. Contents are verified; nothing here writes."""

    def __init__(self, db: sqlite3.Connection, cache: ContentCache, part: Part | None = None) -> None:
        """`part`: of a transaction that may be cut; None: it must not be."""
        self.db = db  # for the modules of store/ and refs/ only
        self._part = part
        self.faults: Faults | None = None  # of the store that made it
        self.told: Mapping[str, str] = _NOTHING  # settings that are told otherwise than they are kept
        self.cache = cache
        self._steps, self._look = 0, loops.FAR
        self._manifests: dict[ArtifactId, CheckIn] = {}  # parsed in this transaction
        self._cards = 0  # of these; a manifest has some five besides its files
        self._files: set[int] = set()  # the identities of their F cards

    def give_way(self) -> bool:
        """End this transaction if it has lasted long and may be cut, let others write, and begin another; whether so.

        Nothing that was read before need hold after it; a writer's work so far is committed.
        """
        return self._part is not None and self._part.end_if_long()

    def let_go(self) -> None:
        """End this transaction if it may be cut: much comes that reads nothing. The next read begins another."""
        if self._part is not None:
            self._part.end()

    def fault(self, site: str, p: float) -> None:
        """A place where the process may die (faults.py)."""
        fault(self.faults, site, p)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What the block does is not cut."""
        part, self._part = self._part, None
        try:
            yield
        finally:
            self._part = part

    # -- settings

    def setting(self, name: str) -> str | None:
        return self.told.get(name) or self._one("SELECT value FROM setting WHERE name = ?", name, str)

    @property
    def project_code(self) -> str:
        code = self.setting("project-code")
        if code is None:
            check_not_empty(self.db)
            raise XferzoneError(
                "the repository has lost its project code: `xferzone restore FILE` puts a backup in its place"
            )
        return code

    @property
    def emptiness(self) -> str:
        """Why nothing can be answered from here yet, as store/emptiness.py has it. Empty: it can."""
        return emptiness(self.db)

    @property
    def role(self) -> str:
        """Who moves this repository's refs: a value of store/schema.py (law 5)."""
        return self.setting("role") or schema.PRIMARY

    # -- artifacts

    def has(self, artifact: ArtifactId) -> bool:
        """Whether its content is here; that of a phantom is not."""
        return self._present_rid(artifact) is not None

    def present(self, ids: Iterable[ArtifactId]) -> set[ArtifactId]:
        """Those of `ids` whose content is here."""
        return {id_of(raw) for (raw,) in selected(self.db, _PRESENT, [bytes.fromhex(each) for each in ids])}

    def present_in_parts(self, ids: Collection[ArtifactId]) -> set[ArtifactId]:
        """`present`, of very many: it gives way."""
        rows = selected_in_parts(self, _PRESENT, [bytes.fromhex(each) for each in ids])
        return {id_of(raw) for (raw,) in rows}

    def content(self, artifact: ArtifactId, *, alone: bool = False) -> bytes:
        """The artifact's bytes, verified. `alone`: nobody is going to ask for the versions between it and the newest.

        Raises:
            NotFound: it is not here.
            CorruptArtifact: it, or an artifact that its chain of deltas needs, is damaged.
        """
        if (found := self.cache.find(artifact)) is not None:
            return found
        rid = self._present_rid(artifact)
        if rid is None:
            raise NotFound(f"artifact {artifact} is not here")
        return (chains.alone if alone else chains.content)(self.db, self.cache, rid)

    def read_ahead(self, artifacts: Sequence[ArtifactId], limit: int) -> None:
        """Have the contents of these at hand for `content`, newest version first, at most `limit` bytes of them."""
        chains.read_ahead(self.db, self.cache, artifacts, min(limit, self.cache.limit // 4))

    def size(self, artifact: ArtifactId) -> int:
        """Bytes of its content; 0 if it is not here."""
        size = self._one("SELECT size FROM blob WHERE hash = ?", bytes.fromhex(artifact), int)
        return max(size or 0, 0)

    def sizes(self, ids: Iterable[ArtifactId]) -> dict[ArtifactId, int]:
        """Bytes of the content of those of `ids` that are here."""
        query = "SELECT hash, size FROM blob WHERE content IS NOT NULL AND hash IN (?)"
        rows = selected(self.db, query, [bytes.fromhex(each) for each in ids])
        return {id_of(raw): size for raw, size in rows}

    def largest(self, ids: Iterable[ArtifactId]) -> int:
        """Bytes of the largest of those contents; 0 if none is here."""
        query = "SELECT max(size) FROM blob WHERE hash IN (?)"
        raws = [bytes.fromhex(each) for each in ids]
        return max((size or 0 for (size,) in selected(self.db, query, raws)), default=0)

    def artifacts(self) -> Iterator[ArtifactId]:
        """Every artifact whose content is here, newest first."""
        for (raw,) in self.db.execute("SELECT hash FROM blob WHERE content IS NOT NULL ORDER BY rid DESC"):
            yield id_of(raw)

    def phantoms(self, limit: int, behind: int = 0) -> list[ArtifactId]:
        """At most `limit` artifacts that are named but missing, oldest first, shunned ones left out. Of a delta kept
        aside, the source.

        `behind`: only those named since `last_row` was this.
        """
        query = """SELECT hash FROM blob WHERE content IS NULL AND rid > ? AND rid NOT IN (SELECT rid FROM aside)
                   AND hash NOT IN (SELECT hash FROM shun) ORDER BY rid LIMIT ?"""
        return [id_of(raw) for (raw,) in self.db.execute(query, (behind, limit))]

    def aside(self, sources: Iterable[ArtifactId]) -> list[ArtifactId]:
        """The artifacts of deltas that are kept aside for one of `sources`, in order of arrival."""
        query = """SELECT own.hash FROM aside JOIN blob AS own USING (rid) JOIN blob AS source
                   ON source.rid = aside.source WHERE source.hash IN (?)"""
        return [id_of(raw) for (raw,) in selected(self.db, query, [bytes.fromhex(each) for each in sources])]

    def last_row(self) -> int:
        """The row that was used last: what comes, or is named for the first time, gets a higher one."""
        row = self.db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'blob'").fetchone()
        return 0 if row is None else int(row[0])

    def names_since(self, row: int) -> list[ArtifactId]:
        """The artifacts in rows behind `row`, in order."""
        query = "SELECT hash FROM blob WHERE rid > ? AND content IS NOT NULL ORDER BY rid"
        return [chains.id_of(raw) for (raw,) in self.db.execute(query, (row,))]

    @property
    def has_phantoms(self) -> bool:
        """Whether anything that is named here has not come."""
        return self.db.execute("SELECT 1 FROM blob WHERE content IS NULL LIMIT 1").fetchone() is not None

    def unclustered(self) -> list[ArtifactId]:
        """The artifacts here that no cluster names, in order of arrival."""
        query = "SELECT hash FROM unclustered JOIN blob USING (rid) WHERE content IS NOT NULL ORDER BY rid"
        return [id_of(raw) for (raw,) in self.db.execute(query)]

    # -- structure

    def is_checkin(self, artifact: ArtifactId) -> bool:
        """Whether it is here, and is a check-in."""
        query = "SELECT 1 FROM checkin JOIN blob USING (rid) WHERE hash = ?"
        return self._one(query, bytes.fromhex(artifact), int) is not None

    def checkin(self, artifact: ArtifactId) -> CheckIn:
        """The manifest, parsed.

        Raises:
            NotFound: it is not here, or is not a check-in.
        """
        known = self._manifests.get(artifact)
        if known is not None:
            return known
        parsed = artifacts.parse(self.content(artifact))
        if not isinstance(parsed, CheckIn):
            raise NotFound(f"{artifact} is not a check-in")
        self.remember(artifact, parsed)
        return parsed

    def remember(self, artifact: ArtifactId, parsed: CheckIn) -> None:
        """Keep the parsed manifest of an artifact that is here, or soon will be; all go when they are many."""
        if self._cards > _KEPT_CARDS:
            self._manifests.clear()
            self._files.clear()
            self._cards = 0
        if artifact not in self._manifests:
            self._manifests[artifact] = parsed
            before = len(self._files)
            self._files.update(map(id, parsed.files))
            self._cards += len(self._files) - before + len(parsed.files) // _SHARED + 5

    def files(self, artifact: ArtifactId) -> dict[str, ArtifactId]:
        """The check-in's files by name, a delta manifest's baseline merged in. Raises as `checkin` does."""
        return {card.name: card.id for card in self.file_cards(artifact) if card.id is not None}

    def files_below(self, artifact: ArtifactId, beginning: str) -> dict[str, ArtifactId]:
        """Those of `files` whose names begin so, for who asks many check-ins, once each; most are not parsed."""
        found = files_below(self.content(artifact), beginning)
        if found is not None:
            return found
        return {name: file for name, file in self.files(artifact).items() if name.startswith(beginning)}

    def file_cards(self, artifact: ArtifactId) -> tuple[FileCard, ...]:
        """The same with permissions, in order of names."""
        checkin = self.checkin(artifact)
        if checkin.baseline is None:
            return checkin.files
        return artifacts.delta_files(self.checkin(checkin.baseline).files, checkin.files)

    def step(self) -> None:
        """Count a step from a check-in to a parent or child. Raises XferzoneError: such steps lead in a circle."""
        self._steps += 1
        if self._steps >= self._look:
            self._look *= 2
            if (rid := loops.first(self.db)) is not None:
                raise XferzoneError(f"the check-in in row {rid} leads back to itself: run `xferzone rebuild`")

    def matching(self, prefix: str, limit: int) -> list[ArtifactId]:
        """At most `limit` check-ins whose id begins with `prefix` (lower-case hex)."""
        low = bytes.fromhex(prefix + "0" * (len(prefix) % 2))
        high = bytes.fromhex(prefix + "f" * (len(prefix) % 2)) + b"\xff" * 32
        query = (
            "SELECT hash FROM blob JOIN checkin USING (rid) WHERE hash BETWEEN ? AND ? ORDER BY hash LIMIT ?"
        )
        return [id_of(raw) for (raw,) in self.db.execute(query, (low, high, limit))]

    def _present_rid(self, artifact: ArtifactId) -> int | None:
        query = "SELECT rid FROM blob WHERE hash = ? AND content IS NOT NULL"
        return self._one(query, bytes.fromhex(artifact), int)

    def rid(self, artifact: ArtifactId) -> int | None:
        """The row of an artifact or phantom; for store/ and refs/ only. None: it is not known."""
        return self._one("SELECT rid FROM blob WHERE hash = ?", bytes.fromhex(artifact), int)

    def _one(self, query: str, parameter: object, kind: type[_Value]) -> _Value | None:
        """The first column of the first row, of that type; None: no row."""
        row = self.db.execute(query, (parameter,)).fetchone()
        if row is None:
            return None
        assert isinstance(row[0], kind)
        return row[0]
