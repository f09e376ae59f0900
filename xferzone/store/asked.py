"""What each login is asked for of what is missing here, so that nobody is asked for it for ever.

    rows first ... last     named for the first time in one request of the login: it is asked for them MAX_TIMES
                            times, as many at a time as a reply holds. `position` is the last one asked for now
    first = 0               all that others named: MAX_OTHERS in each reply, each once; `position` as above

Phantoms are numbered in the order in which they were named, so a few numbers say what was asked for. A phantom that
must be asked for again is named again (phantoms.py). Anybody may name what nobody has, such as in a cluster: that costs
whoever did so the bytes, and others next to nothing.
"""

from typing import Final

from xferzone.hashing import ArtifactId
from xferzone.store.chains import id_of
from xferzone.store.phantoms import Expecting
from xferzone.store.sql import storable

MAX_TIMES: Final = 3  # a reply may be lost on its way
MAX_OTHERS: Final = 20  # artifacts a reply; somebody else may have what whoever named it did not send
MAX_RANGES: Final = 100  # of a login that are remembered; of the oldest it is asked as of what others named

_OTHERS: Final = 0
_NO_END: Final = 2**62


def note_named(writer: Expecting, login: str) -> None:
    """What was named for the first time in this transaction was so by `login`."""
    if writer.named is None:
        return
    first, last = writer.named
    login = storable(login)
    writer.db.execute("INSERT OR REPLACE INTO asked VALUES (?, ?, ?, ?, 0)", (login, first, last, first - 1))
    query = """DELETE FROM asked WHERE login = ?1 AND first <> ?2 AND first NOT IN
               (SELECT first FROM asked WHERE login = ?1 ORDER BY first DESC LIMIT ?3)"""
    writer.db.execute(query, (login, _OTHERS, MAX_RANGES))


def next_for(writer: Expecting, login: str, limit: int) -> list[ArtifactId]:
    """At most `limit` artifacts that are missing here, for `login` to be asked for now, oldest first."""
    login = storable(login)
    query = "SELECT first, last, position, times FROM asked WHERE login = ? AND first <> ? ORDER BY first"
    found: dict[ArtifactId, None] = {}
    for first, last, position, times in writer.db.execute(query, (login, _OTHERS)).fetchall():
        if len(found) >= limit:
            break
        some = _missing(writer, position, last, limit - len(found))
        found |= dict.fromkeys(artifact for _, artifact in some)
        if len(found) >= limit:
            _remember(writer, login, (first, last, some[-1][0], times))
        elif times + 1 < MAX_TIMES and _missing(writer, first - 1, last, 1):
            _remember(writer, login, (first, last, first - 1, times + 1))
        else:
            writer.db.execute("DELETE FROM asked WHERE login = ? AND first = ?", (login, first))
    found |= dict.fromkeys(_of_others(writer, login, min(MAX_OTHERS, limit - len(found))))
    return list(found)


def _of_others(writer: Expecting, login: str, limit: int) -> list[ArtifactId]:
    query = "SELECT position FROM asked WHERE login = ? AND first = ?"
    row = writer.db.execute(query, (login, _OTHERS)).fetchone()
    some = _missing(writer, 0 if row is None else row[0], _NO_END, limit)
    if some:
        _remember(writer, login, (_OTHERS, _NO_END, some[-1][0], 0))
    return [artifact for _, artifact in some]


def _missing(writer: Expecting, after: int, last: int, limit: int) -> list[tuple[int, ArtifactId]]:
    """The first phantoms behind row `after`, up to row `last`, with their rows; none shunned, no delta kept aside."""
    query = """SELECT rid, hash FROM blob WHERE content IS NULL AND rid > ? AND rid <= ?
               AND rid NOT IN (SELECT rid FROM aside) AND hash NOT IN (SELECT hash FROM shun) ORDER BY rid LIMIT ?"""
    return [(rid, id_of(raw)) for rid, raw in writer.db.execute(query, (after, last, limit)).fetchall()]


def _remember(writer: Expecting, login: str, row: tuple[int, int, int, int]) -> None:
    writer.db.execute("INSERT OR REPLACE INTO asked VALUES (?, ?, ?, ?, ?)", (login, *row))
