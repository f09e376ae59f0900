"""The first schema; store/schema.py draws it."""

revision = "0001"
down_revision = None

SQL = """
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE user (login TEXT PRIMARY KEY, secret TEXT NOT NULL, caps TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE blob (
    rid INTEGER PRIMARY KEY AUTOINCREMENT,
    hash BLOB NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    content BLOB,
    source INTEGER REFERENCES blob,
    stack INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE large (rid INTEGER PRIMARY KEY REFERENCES blob, content BLOB NOT NULL);
CREATE INDEX blob_source ON blob (source) WHERE source IS NOT NULL;
CREATE INDEX blob_phantom ON blob (rid) WHERE content IS NULL;
CREATE TABLE aside (
    rid INTEGER PRIMARY KEY REFERENCES blob,
    source INTEGER NOT NULL REFERENCES blob,
    delta BLOB NOT NULL
);
CREATE INDEX aside_source ON aside (source);
CREATE TABLE unclustered (rid INTEGER PRIMARY KEY REFERENCES blob);
CREATE TABLE checkin (
    rid INTEGER PRIMARY KEY REFERENCES blob,
    date_ms INTEGER NOT NULL,
    branch TEXT,
    place INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX checkin_unplaced ON checkin (branch) WHERE place = 0;
CREATE INDEX checkin_invalid ON checkin (branch) WHERE place = 2;
CREATE INDEX checkin_branch ON checkin (branch, date_ms);
CREATE TABLE parent (
    child INTEGER NOT NULL REFERENCES blob,
    position INTEGER NOT NULL,
    parent INTEGER NOT NULL REFERENCES blob,
    PRIMARY KEY (child, position)
) WITHOUT ROWID;
CREATE INDEX parent_parent ON parent (parent);
CREATE TABLE tag (
    target INTEGER NOT NULL REFERENCES blob,
    name TEXT NOT NULL,
    source INTEGER NOT NULL REFERENCES blob,
    prefix TEXT NOT NULL,
    value TEXT,
    date_ms INTEGER NOT NULL,
    PRIMARY KEY (target, name, source, prefix)
) WITHOUT ROWID;
CREATE INDEX tag_name ON tag (name);
CREATE TABLE awaited (
    wanted INTEGER NOT NULL REFERENCES blob,
    checkin INTEGER NOT NULL REFERENCES blob,
    PRIMARY KEY (wanted, checkin)
) WITHOUT ROWID;
CREATE INDEX awaited_checkin ON awaited (checkin);
CREATE TABLE ref (
    branch TEXT PRIMARY KEY,
    checkin INTEGER NOT NULL REFERENCES blob,
    serial INTEGER,
    publication INTEGER NOT NULL,
    indexes BLOB NOT NULL,
    previous BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX ref_publication ON ref (publication);
CREATE TABLE publication (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    branch TEXT NOT NULL,
    checkin INTEGER NOT NULL REFERENCES blob,
    serial INTEGER,
    time_ms INTEGER NOT NULL
);
CREATE INDEX publication_branch ON publication (branch, number);
CREATE TABLE invalid (rid INTEGER PRIMARY KEY REFERENCES blob, reason TEXT NOT NULL);
CREATE TABLE zone_index (
    number INTEGER PRIMARY KEY,
    zone TEXT NOT NULL,
    file BLOB NOT NULL,
    first BLOB NOT NULL,
    last BLOB NOT NULL,
    soa INTEGER,
    records INTEGER NOT NULL,
    content BLOB NOT NULL
);
CREATE UNIQUE INDEX zone_index_file ON zone_index (zone, file);
CREATE TABLE serial (
    checkin INTEGER NOT NULL REFERENCES blob,
    zone TEXT NOT NULL,
    serial INTEGER,
    PRIMARY KEY (checkin, zone)
) WITHOUT ROWID
"""


def upgrade() -> None:
    from alembic import op

    for statement in SQL.split(";\n"):
        op.execute(statement)
