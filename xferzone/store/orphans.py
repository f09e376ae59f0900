"""Orphans: deltas whose source has not come. They are kept aside, bounded, and are not artifacts yet (law 1).

a delta without its source   ->  kept aside; the artifact that it makes and its source are phantoms
its source comes             ->  `Ripe` gives it out, some at a time, and what hangs on it in turn (writer.py)
too much is kept aside       ->  the oldest are dropped: each becomes a new phantom, which is asked for again
they would wait in a circle  ->  all but the newest are dropped, likewise: several servers keep chains that lead in
                                 opposite ways, and one alone has none

A delta counts as what it takes to keep, and as what it makes: a few bytes may make 64 MB.
"""

from collections import deque
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from xferzone import delta
from xferzone.errors import MalformedDelta
from xferzone.hashing import ArtifactId
from xferzone.store import chains, frames
from xferzone.store.incoming import Received
from xferzone.store.phantoms import Expecting
from xferzone.store.reader import Reader
from xferzone.store.sql import selected

MAX_ASIDE: Final = 50_000  # deltas kept aside in the whole repository
MAX_ASIDE_BYTES: Final = 64 * 1024 * 1024  # of them, compressed
MAX_ASIDE_MADE: Final = 1024 * 1024 * 1024  # bytes that they make together, some 5 s of work
MAX_CIRCLE: Final = 1_000  # deltas of a circle that is found; chains of ours have at most 100
AT_ONCE: Final = 500  # deltas that are taken in together when their source has come; some 0.2 s of work
AT_ONCE_BYTES: Final = 16 * 1024 * 1024  # bytes that these make, and those of one more


_SOURCE: Final = "SELECT source FROM aside WHERE rid = ?"


class Ripe:
    """The deltas kept aside whose source has come, in the caller's transaction; each is given out once."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._sources: deque[int] = deque()  # rows that have come, and that something waits for
        self._given: set[int] = set()

    def came(self, artifacts: Collection[ArtifactId]) -> None:
        """Note that these are here now."""
        if not self._reader.db.execute("SELECT 1 FROM aside LIMIT 1").fetchone():
            return
        query = """SELECT DISTINCT blob.rid FROM blob JOIN aside ON aside.source = blob.rid
                   WHERE blob.content IS NOT NULL AND blob.hash IN (?)"""
        raws = [bytes.fromhex(artifact) for artifact in artifacts]
        self._sources.extend(rid for (rid,) in selected(self._reader.db, query, raws))

    def all_that_came(self) -> None:
        """Note every source that is here."""
        query = "SELECT DISTINCT aside.source FROM aside JOIN blob ON blob.rid = aside.source WHERE content IS NOT NULL"
        self._sources.extend(rid for (rid,) in self._reader.db.execute(query).fetchall())

    def next(self) -> list[Received]:
        """Some that were not given out yet, each behind what it hangs on; empty: all were."""
        found: list[Received] = []
        size = 0
        while self._sources:
            for made, each in self._hanging_on(self._sources[0]):
                if found and (len(found) >= AT_ONCE or size + made > AT_ONCE_BYTES):
                    return found
                found.append(each)
                size += made
            self._sources.popleft()
        return found

    def _hanging_on(self, source: int) -> Iterator[tuple[int, Received]]:
        """What hangs on row `source`, and on that in turn; it counts as given out when the next is asked for."""
        query = """SELECT aside.rid, blob.hash, source.hash, made, delta FROM aside JOIN blob USING (rid)
                   JOIN blob AS source ON source.rid = aside.source WHERE aside.source = ?"""
        ways = [source]
        while ways:
            for rid, raw, of, made, frame in self._reader.db.execute(query, (ways.pop(),)):
                if rid in self._given:
                    continue
                try:
                    payload = frames.expand(frame, chains.MAX_ARTIFACT)
                except (TypeError, ValueError):
                    continue  # damaged: it stays aside, and `check` names it
                yield made, Received(chains.id_of(raw), chains.id_of(of), payload)
                self._given.add(rid)
                ways.append(rid)


def keep(writer: Expecting, received: Collection[Received]) -> int:
    """Keep these deltas aside. Returns how many, the oldest, had to be dropped, so that no bound is passed."""
    if not received:
        return 0
    rids = writer.expect_all({name for each in received for name in each[:2] if name is not None})
    rows = []
    for artifact, source, payload in received:
        assert source is not None
        frame = frames.compress(payload)
        rows.append((rids[artifact], rids[source], len(frame), _made(payload), frame))
    query = "INSERT OR REPLACE INTO aside (rid, source, stored, made, delta) VALUES (?, ?, ?, ?, ?)"
    writer.db.executemany(query, rows)
    for rid, *_ in rows:
        _break_circle(writer, rid)
    return _make_room(writer)


def drop(writer: Expecting, artifacts: Iterable[ArtifactId]) -> None:
    """Forget the deltas kept aside for `artifacts`: each must come again, whole."""
    rids = [writer.rid(artifact) for artifact in artifacts]
    _drop(writer, [rid for rid in rids if rid is not None])


def _break_circle(writer: Expecting, rid: int) -> None:
    """Drop what the delta of row `rid` waits for, if that waits for it in turn."""
    circle: list[int] = []
    (source,) = writer.db.execute(_SOURCE, (rid,)).fetchone() or (None,)
    while source is not None and len(circle) < MAX_CIRCLE:
        if source == rid:
            _drop(writer, circle)
            return
        circle.append(source)
        (source,) = writer.db.execute(_SOURCE, (source,)).fetchone() or (None,)


def _make_room(writer: Expecting) -> int:
    count, stored, made = writer.db.execute(
        "SELECT count(*), coalesce(sum(stored), 0), coalesce(sum(made), 0) FROM aside"
    ).fetchone()
    gone = []
    for rid, size, makes in writer.db.execute("SELECT rid, stored, made FROM aside ORDER BY number"):
        if count <= MAX_ASIDE and stored <= MAX_ASIDE_BYTES and made <= MAX_ASIDE_MADE:
            break
        gone.append(rid)
        count, stored, made = count - 1, stored - size, made - makes
    _drop(writer, gone)
    return len(gone)


def _drop(writer: Expecting, rids: Collection[int]) -> None:
    writer.db.executemany("DELETE FROM aside WHERE rid = ?", [(rid,) for rid in rids])
    writer.db.executemany(
        "DELETE FROM brought WHERE rid = ?", [(rid,) for rid in rids]
    )  # its sender brought nothing
    writer.name_again(rids)


def _made(payload: bytes) -> int:
    """Bytes that the delta makes, or has."""
    try:
        return max(len(payload), min(delta.target_size(payload), chains.MAX_ARTIFACT))
    except MalformedDelta:
        return len(payload)


def is_aside(reader: Reader, artifact: ArtifactId) -> bool:
    """Whether the artifact is a delta that waits for its source."""
    query = "SELECT 1 FROM aside JOIN blob USING (rid) WHERE hash = ?"
    return reader.db.execute(query, (bytes.fromhex(artifact),)).fetchone() is not None
