"""The version that a secondary has is found by its serial; what secondaries have acknowledged is kept."""

revision = "0012"
down_revision = "0011"

SQL = """
CREATE INDEX serial_zone ON serial (zone, serial);
CREATE TABLE acknowledged (
    zone TEXT NOT NULL,
    target TEXT NOT NULL,
    serial INTEGER NOT NULL,
    PRIMARY KEY (zone, target)
) WITHOUT ROWID
"""


def upgrade() -> None:
    from alembic import op

    for statement in SQL.split(";\n"):
        op.execute(statement)
