"""Unversioned files: of each the newest state, or when it was deleted."""

revision = "0014"
down_revision = "0013"

SQL = """
CREATE TABLE unversioned (
    name TEXT PRIMARY KEY,
    mtime INTEGER NOT NULL,
    hash BLOB,
    size INTEGER NOT NULL,
    content BLOB
)
"""


def upgrade() -> None:
    from alembic import op

    op.execute(SQL)
