"""The repositories that this one syncs with, and what was made here and not pushed yet."""

revision = "0002"
down_revision = "0001"

SQL = """
CREATE TABLE remote (
    name TEXT PRIMARY KEY,
    url TEXT NOT NULL,
    epoch TEXT NOT NULL DEFAULT '',
    number INTEGER NOT NULL DEFAULT 0,
    cookie TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE unsent (rid INTEGER PRIMARY KEY REFERENCES blob)
"""


def upgrade() -> None:
    from alembic import op

    for statement in SQL.split(";\n"):
        op.execute(statement)
