"""Which zones a check-in may hold files of; -1: not known, as for all that are here already."""

revision = "0006"
down_revision = "0005"

SQL = "ALTER TABLE checkin ADD COLUMN zones INTEGER NOT NULL DEFAULT -1"


def upgrade() -> None:
    from alembic import op

    op.execute(SQL)
