"""The tables of stock's that hold what is not derived, and those without which it takes a file for no repository."""

from typing import Final

APPLICATION_ID: Final = 252006673  # in the head of the file; src/schema.c
CONTENT_SCHEMA: Final = "2"  # the setting content-schema; src/schema.c CONTENT_SCHEMA
SHA3: Final = "2"  # the setting hash-policy: new artifacts get SHA3 names
MAX_CHAIN: Final = 100_000  # deltas between an artifact and a whole one; stock keeps far fewer

#: What a row of configuration is known by, in each table.
KEYS: Final = {"config": "name", "user": "login", "reportfmt": "title", "concealed": "hash"}

#: mlink and plink are derived, but without them stock says "not a valid repository", and without their newest columns
#: `fossil rebuild` fails (src/rebuild.c rebuild_update_schema()).
TABLES: Final = (
    """CREATE TABLE blob (rid INTEGER PRIMARY KEY, rcvid INTEGER, size INTEGER, uuid TEXT UNIQUE NOT NULL,
       content BLOB, CHECK (length(uuid) >= 40 AND rid > 0))""",
    "CREATE TABLE delta (rid INTEGER PRIMARY KEY, srcid INTEGER NOT NULL REFERENCES blob)",
    "CREATE INDEX delta_i1 ON delta (srcid)",
    """CREATE TABLE rcvfrom (rcvid INTEGER PRIMARY KEY, uid INTEGER REFERENCES user, mtime DATETIME,
       nonce TEXT UNIQUE, ipaddr TEXT)""",
    """CREATE TABLE user (uid INTEGER PRIMARY KEY, login TEXT UNIQUE, pw TEXT, cap TEXT, cookie TEXT, ipaddr TEXT,
       cexpire DATETIME, info TEXT, mtime DATE, photo BLOB, jx TEXT DEFAULT '{}')""",
    """CREATE TABLE config (name TEXT PRIMARY KEY NOT NULL, value CLOB, mtime DATE,
       CHECK (typeof(name) = 'text' AND length(name) >= 1))""",
    "CREATE TABLE shun (uuid UNIQUE, mtime DATE, scom TEXT)",
    "CREATE TABLE private (rid INTEGER PRIMARY KEY)",
    """CREATE TABLE unversioned (uvid INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, rcvid INTEGER,
       mtime DATETIME, hash TEXT, sz INTEGER, encoding INT, content BLOB)""",
    """CREATE TABLE reportfmt (rn INTEGER PRIMARY KEY, owner TEXT, title TEXT UNIQUE, mtime DATE, cols TEXT,
       sqlcode TEXT, jx TEXT DEFAULT '{}')""",
    "CREATE TABLE concealed (hash TEXT PRIMARY KEY, mtime DATE, content TEXT)",
    """CREATE TABLE mlink (mid INTEGER, fid INTEGER, pmid INTEGER, pid INTEGER, fnid INTEGER, pfnid INTEGER,
       mperm INTEGER, isaux BOOLEAN DEFAULT 0)""",
    "CREATE TABLE plink (pid INTEGER, cid INTEGER, isprim BOOLEAN, mtime DATETIME, baseid INTEGER)",
)
