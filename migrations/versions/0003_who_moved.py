"""Who moved each ref and by which door; several epochs remembered of a remote."""

revision = "0003"
down_revision = "0002"

SQL = """
ALTER TABLE publication ADD COLUMN login TEXT NOT NULL DEFAULT '';
ALTER TABLE publication ADD COLUMN door TEXT NOT NULL DEFAULT '';
CREATE TABLE remote_epoch (
    remote TEXT NOT NULL,
    epoch TEXT NOT NULL,
    number INTEGER NOT NULL,
    used INTEGER NOT NULL,
    PRIMARY KEY (remote, epoch)
) WITHOUT ROWID;
INSERT INTO remote_epoch SELECT name, epoch, number, 0 FROM remote WHERE epoch <> '';
ALTER TABLE remote DROP COLUMN epoch;
ALTER TABLE remote DROP COLUMN number
"""


def upgrade() -> None:
    from alembic import op

    for statement in SQL.split(";\n"):
        op.execute(statement)
