"""Frames that earlier releases cannot read (store/frames.py); serials are found without an index of their own."""

revision = "0021"
down_revision = "0020"

SQL = "DROP INDEX serial_zone"


def upgrade() -> None:
    from alembic import op

    op.execute(SQL)
