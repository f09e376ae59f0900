"""Who brought an artifact that came from outside, and by which door."""

revision = "0005"
down_revision = "0004"

SQL = """
CREATE TABLE brought (
    rid INTEGER PRIMARY KEY,
    login TEXT NOT NULL,
    door TEXT NOT NULL
)
"""


def upgrade() -> None:
    from alembic import op

    for statement in SQL.split(";\n"):
        op.execute(statement)
