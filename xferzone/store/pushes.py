"""Pushes that have begun and not ended, each known by a token that its sender gets in a cookie card, and sends back.

    begun      with the first artifact that is new here
    goes on    over as many requests as bring the token with the login that it was given to
    ended      when nothing more of it is to come, and all of it is decided about

A login is not enough: several people and machines may push with one at once. Whoever goes on without the token has
begun another push. What a push has brought bears its number (store/brought.py).
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from xferzone.store.reader import Reader
from xferzone.store.sql import storable
from xferzone.store.writer import Writer

MAX_OPEN: Final = 1_000  # pushes of one login that are remembered, the last to begin; ours


class Push(NamedTuple):
    """A push that has not ended.

    Fields:
        number: never used twice.
        row: what it has brought came into later rows (`Reader.last_row`), but for phantoms that it has filled.
    """

    number: int
    token: str
    row: int


def going_on(reader: Reader, login: str, tokens: Iterable[str]) -> Push | None:
    """The push of `login` that one of the tokens was given to. None: there is none, as far as is known."""
    query = "SELECT number, token, row FROM pushing WHERE token = ? AND login = ?"
    for token in tokens:
        for row in reader.db.execute(query, (token, storable(login))):
            return Push(*row)
    return None


def begin(writer: Writer, login: str, token: str) -> Push:
    """Note that a push of `login` begins. Of those with this login, only the last MAX_OPEN are remembered."""
    login, row = storable(login), writer.last_row()
    query = "INSERT INTO pushing (token, login, row) VALUES (?, ?, ?) RETURNING number"
    ((number,),) = writer.db.execute(query, (token, login, row)).fetchall()
    oldest = "SELECT number FROM pushing WHERE login = ? ORDER BY number DESC LIMIT 1 OFFSET ?"
    writer.db.execute(
        f"DELETE FROM pushing WHERE login = ? AND number <= ({oldest})",  # noqa: S608 our own text
        (login, login, MAX_OPEN),
    )
    return Push(number, token, row)


def end(writer: Writer, push: Push) -> None:
    """Note that it has ended."""
    writer.db.execute("DELETE FROM pushing WHERE number = ?", (push.number,))
