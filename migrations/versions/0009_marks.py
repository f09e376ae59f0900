"""Of a remote in one epoch, beside the number of its last move: the newest control artifact, and where it went."""

revision = "0009"
down_revision = "0008"

SQL = """
ALTER TABLE remote_epoch ADD COLUMN position INTEGER NOT NULL DEFAULT 0;
ALTER TABLE remote_epoch ADD COLUMN checkin TEXT NOT NULL DEFAULT ''
"""


def upgrade() -> None:
    from alembic import op

    for statement in SQL.split(";\n"):
        op.execute(statement)
