"""Who is about to commit on a leaf."""

revision = "0016"
down_revision = "0015"

SQL = """
CREATE TABLE checkin_lock (rid INTEGER PRIMARY KEY, client TEXT NOT NULL, login TEXT NOT NULL, at INTEGER NOT NULL)
"""


def upgrade() -> None:
    from alembic import op

    op.execute(SQL)
