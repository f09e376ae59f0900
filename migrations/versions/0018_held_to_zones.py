"""To which zones an account is held, and when it expires."""

revision = "0018"
down_revision = "0017"

SQL = """
ALTER TABLE user ADD COLUMN zones TEXT NOT NULL DEFAULT '';
ALTER TABLE user ADD COLUMN expires INTEGER
"""


def upgrade() -> None:
    from alembic import op

    for statement in SQL.split(";"):
        op.execute(statement)
