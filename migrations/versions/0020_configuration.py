"""The project's configuration as stock keeps it, and when each account got its rights."""

revision = "0020"
down_revision = "0019"

SQL = """
CREATE TABLE configuration (
    position INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    mtime INTEGER NOT NULL,
    fields BLOB NOT NULL
);
CREATE UNIQUE INDEX configuration_key ON configuration (kind, key);
ALTER TABLE user ADD COLUMN mtime INTEGER NOT NULL DEFAULT 0;
UPDATE user SET mtime = CAST(strftime('%s', 'now') AS INTEGER)
"""


def upgrade() -> None:
    from alembic import op

    for statement in SQL.split(";"):
        op.execute(statement)
