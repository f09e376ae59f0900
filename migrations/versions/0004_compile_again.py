"""Compiled zone files are dropped: those of a canonical form without $TTL no longer show that a file is canonical.

Zones are compiled again on first use (publish/deferred.py).
"""

revision = "0004"
down_revision = "0003"

SQL = """
UPDATE ref SET indexes = X'FFFFFFFFFFFFFFFF', previous = X'' WHERE length(indexes) > 0;
DELETE FROM zone_index
"""


def upgrade() -> None:
    from alembic import op

    for statement in SQL.split(";\n"):
        op.execute(statement)
