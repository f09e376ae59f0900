"""Empty the derived tables and link every artifact again, in order of arrival."""

from xferzone.store import chains, schema
from xferzone.store.link import link
from xferzone.store.writer import Writer


def relink(writer: Writer) -> int:
    """Derive again all that the artifacts say; how many there are. Refs and publications stay as they are."""
    for table in schema.DERIVED:
        writer.db.execute(f"DELETE FROM {table}")  # noqa: S608 our own names
    writer.db.execute("INSERT INTO unclustered SELECT rid FROM blob")
    rows = writer.db.execute("SELECT rid FROM blob WHERE content IS NOT NULL ORDER BY rid").fetchall()
    for (rid,) in rows:
        link(writer, rid, chains.content(writer.db, writer.cache, rid))
    return len(rows)
