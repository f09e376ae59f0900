"""Rows that peers share, and what their tables are."""

revision = "0019"
down_revision = "0018"

SQL = """
CREATE TABLE synced_table (
    name TEXT PRIMARY KEY,
    mtime INTEGER NOT NULL,
    definition BLOB NOT NULL,
    rows INTEGER NOT NULL,
    digest BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE synced_row (
    name TEXT NOT NULL,
    key BLOB NOT NULL,
    mtime INTEGER NOT NULL,
    hash BLOB,
    owner TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (name, key)
)
"""


def upgrade() -> None:
    from alembic import op

    for statement in SQL.split(";"):
        op.execute(statement)
