"""The tables, and which of them can be derived again from the others.

primary    setting       project-code, server-code, role, epoch
           user          logins, secrets as Fossil stores them, capability letters, the zones that each is held to;
                         mtime: since when it has its letters, in seconds
           configuration the project's, as stock has it: kind is the table there, key its key, mtime in seconds, fields
                         the rest of the row as cards have it (cards/rows.py). Of an account what `user` does not have
           blob          an artifact: raw hash, size in bytes, zstd of its content or, with a `source`, of a
                         Fossil delta against that artifact; content NULL: a phantom. A rid is a clone's
                         position and never used twice. `stack`: the most deltas that lie on this row.
           large         the frame of a blob whose content is empty there: tips are large and shrink to deltas, and
                         rows of their own leave no holes (50 commits to a 109 kB zone: 54 kB, with holes 237)
           aside         deltas whose source has not arrived, in order of arrival; not artifacts yet. `stored`: bytes of
                         the frame; `made`: bytes that the delta makes
           private       private artifacts, each whole: raw hash, size in bytes, frame of its content. None of them is a
                         blob, and no other table knows of them (store/private.py)
           shun          names whose content is not kept here, and not taken: when it was shunned, and why
                         (store/shunned.py)
           asked         what each login is still to be asked for of what is missing (store/asked.py)
           pushing       pushes that have not ended: a token, whose, and after which row it began (store/pushes.py)
           ref           (zone, branch) -> check-in, its indexes in owner order (8 bytes each, big endian), and those
                     before its last move: responders may open them late
           publication   every move of a ref, numbered, with login and door; a responder reads those after
                         a number
           remote        repositories that this one syncs with
           remote_epoch  up to which move the refs of a remote are known, in each of its epochs met; beside it, of a
                         remote that was walked: up to which position its controls are, and that move's check-in
           brought       login and door of whoever brought an artifact in a push, and that push's number
           past          from which branches each address has answered DNS (refs/past.py)
           checkin_lock  who is about to commit on a leaf, and since when (locks.py)
           unsent        artifacts made here and not pushed yet; empty in a primary
           acknowledged  the serial of a zone that a target of NOTIFY has acknowledged last
           unversioned   files without a history (store/unversioned.py): mtime, raw hash, size in bytes, zstd of the
                         content; hash and content NULL: deleted then
           synced_table  tables that peers share (store/tables.py): since when, the definition, how many rows it has and
                         what they sum up to
           synced_row    the rows of all of them: raw key hash, mtime, raw hash of the content, whose it is, canonical
                         JSON; hash NULL: deleted then, and the key is left

derived    checkin       date, branch (inherited along first parents), place (below), zones (store/zoned.py)
           parent        position 0 is the first parent
           tag           every tag set directly on an artifact, and the artifact that sets it; the newest date counts,
                         then the lowest hash
           awaited       artifacts that a check-in names and that are not here, and its baseline while that waits
                         itself: it waits until none is left
           unclustered   artifacts in no cluster
           unchained     check-ins that came in a push, and whose chains of deltas are still to be turned round
                         (rechaining.py)
           invalid       check-ins of a zone branch found invalid when publishing, with the reason
           serial        the serial of a check-in for a zone (law 3), where it was computed
           zone_index    the served form of one zone file that a ref stands on or stood on before its last move

place      0  complete, and not settled: publishing looks at those that are on a branch
           1  published: a ref stands on it or on a descendant
           2  recorded invalid
           3  not on a zone's branch: looked at again once the branch holds a zone's files; in a clone also what its
              refs have not passed
           4  waits: it awaits something, or its first parent waits (behind.py)
"""

from typing import Final

HEAD: Final = "0022"  # the newest revision in migrations/versions; a test compares
APPLICATION_ID: Final = 0x787A6F6E  # "xzon", in the file's header

#: Values of the setting "role" (law 5).
PRIMARY: Final = "primary"
CLONE: Final = "clone"
MIRROR: Final = "mirror"
MEMBER: Final = "member"
#: The setting that names the project with which this one goes on (repository/rollover.py).
PROJECT_BEFORE: Final = "project-before"
#: Roles of repositories that take work and decide what is served: alone, or together with others.
DECIDING: Final = frozenset({PRIMARY, MEMBER})

UNPLACED: Final = 0
PUBLISHED: Final = 1
INVALID: Final = 2
ELSEWHERE: Final = 3
WAITING: Final = 4

#: Derived tables in the order in which `rebuild` empties them.
DERIVED: Final = (
    "awaited",
    "tag",
    "parent",
    "unclustered",
    "unchained",
    "serial",
    "zone_index",
    "invalid",
    "checkin",
)
