"""Deltas kept aside in order of arrival, with their sizes; what each login is still to be asked for."""

revision = "0008"
down_revision = "0007"

SQL = """
CREATE TABLE aside_in_order (
    number INTEGER PRIMARY KEY,
    rid INTEGER NOT NULL UNIQUE REFERENCES blob,
    source INTEGER NOT NULL REFERENCES blob,
    stored INTEGER NOT NULL,
    made INTEGER NOT NULL,
    delta BLOB NOT NULL
);
INSERT INTO aside_in_order (rid, source, stored, made, delta)
    SELECT rid, source, length(delta), length(delta), delta FROM aside ORDER BY rid;
DROP TABLE aside;
ALTER TABLE aside_in_order RENAME TO aside;
CREATE INDEX aside_source ON aside (source);
CREATE INDEX aside_sizes ON aside (stored, made);
CREATE TABLE asked (
    login TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    position INTEGER NOT NULL,
    times INTEGER NOT NULL,
    PRIMARY KEY (login, first)
) WITHOUT ROWID
"""


def upgrade() -> None:
    from alembic import op

    for statement in SQL.split(";\n"):
        op.execute(statement)
