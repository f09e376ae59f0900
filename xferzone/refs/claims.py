"""Since when a repository has had each zone: by that a server of many decides which of them a zone is served from.

publication log      the first move of the zone's main branch, by this machine's clock
setting claim:ZONE   that of the project with which this one goes on (repository/rollover.py); the earlier counts
"""

import sqlite3
from typing import Final

from xferzone.refs.branch import DEFAULT_BRANCH, BranchName
from xferzone.store import Reader, Writer

_CLAIM: Final = "claim:"
#: Milliseconds by which a project that goes on comes after the one before, so that while both files lie in a directory
#: the old one answers.
_AFTER_MS: Final = 1


def begun(db: sqlite3.Connection, zone: str) -> int:
    """When a zone was published here first, in milliseconds since 1970; 0: never."""
    query = """SELECT min(time_ms) FROM (SELECT time_ms FROM publication WHERE branch = ?
               UNION ALL SELECT CAST(value AS INTEGER) FROM setting WHERE name = ? AND CAST(value AS INTEGER) > 0)"""
    (time_ms,) = db.execute(query, (str(BranchName(zone, DEFAULT_BRANCH)), _CLAIM + zone)).fetchone()
    return int(time_ms or 0)


def carry(reader: Reader, writer: Writer) -> None:
    """Let another repository have the claims of this one, whether or not it has the zones by now."""
    query = """SELECT substr(branch, 1, instr(branch, '/') - 1) FROM publication
               WHERE branch = substr(branch, 1, instr(branch, '/')) || ?1
               UNION SELECT substr(name, length(?2) + 1) FROM setting WHERE substr(name, 1, length(?2)) = ?2"""
    for (zone,) in reader.db.execute(query, (DEFAULT_BRANCH, _CLAIM)).fetchall():
        if time_ms := begun(reader.db, zone):
            writer.set_setting(_CLAIM + zone, str(time_ms + _AFTER_MS))
