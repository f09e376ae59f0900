"""Pushes that have begun and not ended, each known by a token that its sender gets in a cookie card, and sends back.

    begun      with the first artifact that is new here
    goes on    over as many requests as bring the token with the login that it was given to
    told       nothing more of it is to come, as far as is known, and its sender has been told that not all is served
    heard      he has sent back the token that came with that: what is still to be decided about is left of it
    ended      nothing is left

A login is not enough: several people and machines may push with one at once. Whoever goes on without the token has
begun another push. What a push has brought bears its number (store/brought.py).

A reply may be lost, and stock takes for sent what it has sent. So a repository is told again until it sends the token
back. It is known by its server code, which stock names in each push. Source: Fossil 2.21, src/xfer.c client_sync().

Check-ins that wait, or that a group could not decide about, may lose a race long after the push. Two pushes at once of
one stock repository share a cookie, and a request may bring only what has just come from somebody else: each looks like
the end of a push that goes on.
"""

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from xferzone.store.reader import Reader
from xferzone.store.sql import storable
from xferzone.store.writer import Writer

MAX_OPEN: Final = 1_000  # pushes of one login that are remembered, the last to begin; ours
MAX_AGAIN: Final = 10  # of which a repository is told again at once; ours

_FORK: Final = f"coalesce(branch GLOB '*-fork-{'[0-9a-f]' * 16}', 0)"
#: Whether a check-in is decided about: it does not wait, or is on a fork branch, though this repository may not have
#: looked at that.
SETTLED: Final = f"(place NOT IN (0, 4) OR {_FORK})"
#: Check-ins that wait, or are complete and on a branch (store/places.py).
_OPEN: Final = """SELECT rid, branch FROM checkin WHERE place = 4
                  UNION ALL SELECT rid, branch FROM checkin WHERE place = 0 AND branch IS NOT NULL"""


class Push(NamedTuple):
    """A push that has not ended.

    Fields:
        number: never used twice.
        row: the last one before it (`Reader.last_row`), or when its sender had heard what of it waits.
        first: where the first is that it has brought, or that is left: it may have filled a phantom.
    """

    number: int
    token: str
    row: int
    first: int


def going_on(writer: Writer, login: str, tokens: Iterable[str]) -> Push | None:
    """The push of `login` that one of the tokens was given to. None: there is none, as far as is known."""
    query = "SELECT number, token, row, first, is_told FROM pushing WHERE token = ? AND login = ?"
    for token in tokens:
        for *row, is_told in writer.db.execute(query, (token, storable(login))).fetchall():
            return _heard(writer, Push(*row)) if is_told else Push(*row)
    return None


def begin(writer: Writer, login: str, peer: str, token: str) -> Push:
    """Note that a push of `login` begins, from the repository `peer`. The last MAX_OPEN of a login are remembered."""
    login, row = storable(login), writer.last_row()
    query = """INSERT INTO pushing (token, login, peer, row, first, is_told) VALUES (?, ?, ?, ?, ?, 0)
                RETURNING number, token, row, first"""
    (made,) = writer.db.execute(query, (token, login, peer, row, row + 1)).fetchall()
    query = """DELETE FROM pushing WHERE login = ? AND number <= (
                   SELECT number FROM pushing WHERE login = ? ORDER BY number DESC LIMIT 1 OFFSET ?)"""
    writer.db.execute(query, (login, login, MAX_OPEN))
    return Push(*made)


def reach(writer: Writer, number: int, row: int) -> None:
    """Note that the push has brought something into that row."""
    writer.db.execute("UPDATE pushing SET first = min(first, ?) WHERE number = ?", (row, number))


def not_ended(writer: Writer, login: str, peer: str, tokens: Collection[str]) -> list[Push]:
    """Those of `login` and `peer` that have not ended, the last MAX_AGAIN.

    Where one of the tokens came back, what its sender was told is no longer of the push. `peer` empty: it is any of
    many, of which only the tokens tell one from the other.
    """
    query = (
        "SELECT number, token, row, first, is_told FROM pushing WHERE login = ? AND peer = ? ORDER BY number"
    )
    rows = writer.db.execute(query, (storable(login), peer)).fetchall()
    found = [(Push(*row), bool(is_told)) for *row, is_told in rows]
    kept = [(push, is_told) for push, is_told in found if peer or push.token in tokens][-MAX_AGAIN:]
    return [_heard(writer, push) if is_told and push.token in tokens else push for push, is_told in kept]


def first_left(reader: Reader, push: Push) -> int | None:
    """The first row of what it has brought that waits, or is to be decided about. None: there is none."""
    # Without the +, SQLite would walk all check-ins from there on.
    query = f"""SELECT min(rid) FROM ({_OPEN}) CROSS JOIN brought USING (rid)
                WHERE +rid >= ? AND push = ? AND NOT {_FORK}"""  # noqa: S608 the constant above, no input
    first = reader.db.execute(query, (push.first, push.number)).fetchone()[0]
    return None if first is None else int(first)


def keep(writer: Writer, push: Push, first: int) -> None:
    """Note that of what it has brought into rows before `first` nothing is to be told."""
    writer.db.execute(
        "UPDATE pushing SET first = ? WHERE number = ? AND first <> ?", (first, push.number, first)
    )


def tell(writer: Writer, push: Push, token: str) -> None:
    """Note that its sender is told what became of it so far, with that token."""
    query = f"""UPDATE brought SET push = -push WHERE rid >= ? AND push = ?
                AND EXISTS (SELECT 1 FROM checkin WHERE checkin.rid = brought.rid AND {SETTLED})"""  # noqa: S608 the constant above, no input
    writer.db.execute(query, (push.first, push.number))
    query = "UPDATE pushing SET is_told = 1, token = ? WHERE number = ?"
    writer.db.execute(query, (token, push.number))


def end(writer: Writer, push: Push) -> None:
    """Note that it has ended."""
    writer.db.execute("DELETE FROM pushing WHERE number = ?", (push.number,))


def _heard(writer: Writer, push: Push) -> Push:
    query = "UPDATE brought SET push = NULL WHERE rid >= ? AND push = -?"
    writer.db.execute(query, (push.first, push.number))
    query = "UPDATE pushing SET row = ?, is_told = 0 WHERE number = ? RETURNING number, token, row, first"
    (left,) = writer.db.execute(query, (writer.last_row(), push.number)).fetchall()
    return Push(*left)
