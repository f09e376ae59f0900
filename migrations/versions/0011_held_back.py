"""Check-ins that wait have a place of their own; what is invalid and no longer follows a ref is decided anew."""

revision = "0011"
down_revision = "0010"

SQL = """
CREATE INDEX checkin_waiting ON checkin (branch) WHERE place = 4;
CREATE INDEX checkin_open ON checkin (branch) WHERE place IN (0, 2, 4) AND zones <> 0;
CREATE TABLE pushing (login TEXT PRIMARY KEY, row INTEGER NOT NULL) WITHOUT ROWID;
WITH RECURSIVE held(rid) AS (
    SELECT rid FROM checkin WHERE place = 0
        AND EXISTS (SELECT 1 FROM awaited WHERE awaited.checkin = checkin.rid)
    UNION SELECT child FROM held JOIN parent ON parent.parent = held.rid AND position = 0
    JOIN checkin ON checkin.rid = child AND place = 0)
    UPDATE checkin SET place = 4 WHERE rid IN (SELECT rid FROM held);
UPDATE checkin SET place = 0 WHERE place = 2 AND NOT EXISTS (
    SELECT 1 FROM parent JOIN checkin AS first ON first.rid = parent.parent
    WHERE child = checkin.rid AND position = 0 AND (first.place = 2 AND first.branch IS checkin.branch
        OR EXISTS (SELECT 1 FROM ref WHERE ref.checkin = first.rid AND ref.branch = checkin.branch)));
DELETE FROM invalid WHERE rid NOT IN (SELECT rid FROM checkin WHERE place = 2)
"""


def upgrade() -> None:
    from alembic import op

    for statement in SQL.split(";\n"):
        op.execute(statement)
