"""Private artifacts, in a table of their own: nothing that reads public ones can come upon them."""

revision = "0015"
down_revision = "0014"

SQL = """
CREATE TABLE private (
    rid INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    content BLOB NOT NULL
)
"""


def upgrade() -> None:
    from alembic import op

    op.execute(SQL)
