"""Empty the derived tables and link every artifact again, in order of arrival."""

import sqlite3
from contextlib import closing

from xferzone.store import chains, schema
from xferzone.store.database import newest_schema
from xferzone.store.link import link
from xferzone.store.writer import Writer


def relink(writer: Writer) -> int:
    """Derive again all that the artifacts say; how many there are. Refs and publications stay as they are.

    A derived table that is missing or has lost an index is made again.
    """
    for table in schema.DERIVED:
        writer.db.execute(f"DROP TABLE IF EXISTS {table}")
    with closing(sqlite3.connect(":memory:")) as model:
        newest_schema(model)
        made = model.execute(
            "SELECT sql, tbl_name FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
        ).fetchall()
    for statement, table in made:
        if table in schema.DERIVED:
            writer.db.execute(statement)
    writer.db.execute("INSERT INTO unclustered SELECT rid FROM blob")
    rows = writer.db.execute("SELECT rid FROM blob WHERE content IS NOT NULL ORDER BY rid").fetchall()
    for (rid,) in rows:
        link(writer, rid, chains.content(writer.db, writer.cache, rid))
    return len(rows)
