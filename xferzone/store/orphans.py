"""Orphans: deltas whose source has not come. They are kept aside, bounded, and are not artifacts yet (law 1).

a delta without its source   ->  kept aside; the artifact that it makes and its source are phantoms
its source comes             ->  taken out by `waiting_for`, with what hangs on it in turn (writer.py)
"""

from collections.abc import Collection
from contextlib import suppress
from typing import Final

from xferzone.errors import PeerError
from xferzone.hashing import ArtifactId
from xferzone.store import chains, frames
from xferzone.store.incoming import Received
from xferzone.store.phantoms import Expecting
from xferzone.store.reader import Reader
from xferzone.store.sql import selected

MAX_ASIDE: Final = 200_000  # deltas kept aside in the whole repository
MAX_ASIDE_BYTES: Final = 64 * 1024 * 1024  # of them, compressed


def hanging_on(reader: Reader, artifacts: Collection[ArtifactId]) -> list[Received]:
    """The deltas kept aside whose source is one of `artifacts`, or one of those deltas' own."""
    query = """SELECT blob.rid, blob.hash, source.hash, delta FROM aside JOIN blob USING (rid)
               JOIN blob AS source ON source.rid = aside.source WHERE aside.source IN (?)"""
    rids = selected(
        reader.db,
        "SELECT rid FROM blob WHERE content IS NULL AND hash IN (?)",
        [bytes.fromhex(artifact) for artifact in artifacts],
    )
    found: dict[int, Received] = {}
    wave = {rid for (rid,) in rids}
    while wave:
        rows = [row for row in selected(reader.db, query, wave) if row[0] not in found]
        for rid, raw, source, frame in rows:
            with suppress(ValueError):  # damaged: it stays a phantom
                payload = frames.expand(frame, chains.MAX_ARTIFACT)
                found[rid] = Received(chains.id_of(raw), chains.id_of(source), payload)
        wave = {row[0] for row in rows}
    return list(found.values())


def keep(writer: Expecting, received: Collection[Received]) -> None:
    """Keep these deltas aside.

    Raises:
        PeerError: over MAX_ASIDE deltas or MAX_ASIDE_BYTES bytes would be kept.
    """
    if not received:
        return
    (kept, size) = writer.db.execute("SELECT count(*), total(length(delta)) FROM aside").fetchone()
    rids = writer.expect_all({name for each in received for name in each[:2] if name is not None})
    rows = []
    for artifact, source, payload in received:
        assert source is not None
        frame = frames.compress(payload)
        kept, size = kept + 1, size + len(frame)
        if kept > MAX_ASIDE or size > MAX_ASIDE_BYTES:
            raise PeerError(f"too many deltas wait for their source already: send {artifact} whole")
        rows.append((rids[artifact], rids[source], frame))
    writer.db.executemany("INSERT OR REPLACE INTO aside VALUES (?, ?, ?)", rows)


def drop(writer: Expecting, artifacts: Collection[ArtifactId]) -> None:
    """Forget the deltas kept aside for `artifacts`: each must come again, whole."""
    rids = [(writer.rid(each),) for each in artifacts]
    writer.db.executemany("DELETE FROM aside WHERE rid = ?", rids)
    writer.db.executemany("DELETE FROM brought WHERE rid = ?", rids)  # whoever sent them has brought nothing
