"""Relinking: the derived tables are emptied, and every artifact is linked again in order of arrival."""

import sqlite3
from contextlib import closing

from xferzone import artifacts
from xferzone.store import behind, chains, schema
from xferzone.store.database import newest_schema
from xferzone.store.link import Arrived, await_baselines, link
from xferzone.store.writer import Writer

_BATCH = 2_000  # artifacts linked together; their manifests are in memory


def relink(writer: Writer) -> int:
    """Derive again all that the artifacts say, and count the chains of deltas; how many artifacts there are.

    Refs and publications stay as they are. A derived table that is missing or has lost an index is made again.
    """
    kinds = dict(writer.db.execute("SELECT name, type FROM sqlite_master WHERE type IN ('table', 'view')"))
    for table in schema.DERIVED:
        if table in kinds:
            writer.db.execute(f"DROP {kinds[table]} {table}")
    with closing(sqlite3.connect(":memory:")) as model:
        newest_schema(model)
        made = model.execute(
            "SELECT sql, tbl_name FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
        ).fetchall()
    for statement, table in made:
        if table in schema.DERIVED:
            writer.db.execute(statement)
    writer.db.execute("INSERT INTO unclustered SELECT rid FROM blob")
    chains.restack_all(writer.db)  # before linking, which lengthens chains by what is counted
    rows = writer.db.execute("SELECT rid, hash FROM blob WHERE content IS NOT NULL ORDER BY rid").fetchall()
    baselines: dict[int, int] = {}
    known = {chains.id_of(raw): rid for rid, raw in rows}
    for start in range(0, len(rows), _BATCH):
        batch = []
        for rid, raw in rows[start : start + _BATCH]:
            content = chains.content(writer.db, writer.cache, rid)
            parsed = artifacts.parse(content)
            if isinstance(parsed, artifacts.CheckIn):
                writer.remember(chains.id_of(raw), parsed)
                if parsed.baseline in known:
                    baselines[rid] = known[parsed.baseline]
            batch.append(Arrived(rid, chains.id_of(raw), parsed, None, len(content)))
        link(writer, batch)
    await_baselines(writer.db, baselines)  # which may have come later than what is made of them
    behind.hold(writer.db, baselines)
    return len(rows)
