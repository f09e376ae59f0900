"""From which branches each address has answered DNS, so that no configuration takes a serial back."""

revision = "0013"
down_revision = "0012"

SQL = """
CREATE TABLE past (address TEXT PRIMARY KEY, state TEXT NOT NULL)
"""


def upgrade() -> None:
    from alembic import op

    op.execute(SQL)
