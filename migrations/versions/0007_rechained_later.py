"""Check-ins whose versions become deltas of newer ones later: a push of many requests leaves that to its end."""

revision = "0007"
down_revision = "0006"

SQL = """
CREATE TABLE unchained (rid INTEGER PRIMARY KEY REFERENCES blob)
"""


def upgrade() -> None:
    from alembic import op

    for statement in SQL.split(";\n"):
        op.execute(statement)
