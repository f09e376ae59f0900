"""Other repositories that this one syncs with, and what was made here and they lack."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute(
        """CREATE TABLE remote (
               name TEXT PRIMARY KEY,
               url TEXT NOT NULL,
               epoch TEXT NOT NULL DEFAULT '',
               number INTEGER NOT NULL DEFAULT 0,
               cookie TEXT NOT NULL DEFAULT ''
           ) WITHOUT ROWID"""
    )
    op.execute("CREATE TABLE unsent (rid INTEGER PRIMARY KEY REFERENCES blob)")
