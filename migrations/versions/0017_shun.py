"""What was shunned is known by name."""

revision = "0017"
down_revision = "0016"

SQL = """
CREATE TABLE shun (
    hash BLOB PRIMARY KEY,
    time_ms INTEGER NOT NULL,
    comment TEXT NOT NULL
) WITHOUT ROWID
"""


def upgrade() -> None:
    from alembic import op

    op.execute(SQL)
