"""Pushes that have begun and not ended, each known by a token that its sender gets in a cookie card, and sends back.

    begun      with the first artifact that is new here
    goes on    over as many requests as bring the token with the login that it was given to
    told       nothing more of it is to come, and its sender has been told that not all of it is served
    ended      all of it is served, or the sender has sent back the token that came with what he was told

A login is not enough: several people and machines may push with one at once. Whoever goes on without the token has
begun another push. What a push has brought bears its number (store/brought.py).

A reply may be lost, and stock takes for sent what it has sent. So a repository is told again until it sends the token
back. It is known by its server code, which stock names in each push. Source: Fossil 2.21, src/xfer.c client_sync().
"""

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from xferzone.store.reader import Reader
from xferzone.store.sql import storable
from xferzone.store.writer import Writer

MAX_OPEN: Final = 1_000  # pushes of one login that are remembered, the last to begin; ours
MAX_AGAIN: Final = 10  # of which a repository is told again at once; ours

_COLUMNS: Final = "number, token, row, first"


class Push(NamedTuple):
    """A push that has not ended.

    Fields:
        number: never used twice.
        row: the last one before it (`Reader.last_row`).
        first: where the first is that it has brought: it may have filled a phantom.
    """

    number: int
    token: str
    row: int
    first: int


def going_on(reader: Reader, login: str, tokens: Iterable[str]) -> Push | None:
    """The push of `login` that one of the tokens was given to. None: there is none, as far as is known."""
    query = f"SELECT {_COLUMNS} FROM pushing WHERE token = ? AND login = ? AND NOT is_told"  # noqa: S608 our own text
    for token in tokens:
        for row in reader.db.execute(query, (token, storable(login))):
            return Push(*row)
    return None


def begin(writer: Writer, login: str, peer: str, token: str) -> Push:
    """Note that a push of `login` begins, from the repository `peer`. The last MAX_OPEN of a login are remembered."""
    login, row = storable(login), writer.last_row()
    query = f"""INSERT INTO pushing (token, login, peer, row, first, is_told) VALUES (?, ?, ?, ?, ?, 0)
                RETURNING {_COLUMNS}"""  # noqa: S608 our own text
    (made,) = writer.db.execute(query, (token, login, peer, row, row + 1)).fetchall()
    oldest = "SELECT number FROM pushing WHERE login = ? ORDER BY number DESC LIMIT 1 OFFSET ?"
    query = f"DELETE FROM pushing WHERE login = ? AND number <= ({oldest})"  # noqa: S608 the same
    writer.db.execute(query, (login, login, MAX_OPEN))
    return Push(*made)


def reach(writer: Writer, number: int, row: int) -> None:
    """Note that the push has brought something into that row."""
    writer.db.execute("UPDATE pushing SET first = min(first, ?) WHERE number = ?", (row, number))


def unheard(writer: Writer, login: str, peer: str, tokens: Collection[str]) -> list[Push]:
    """Of those that `login` and `peer` were told of, what they have not heard: they sent none of its tokens back.

    What they have heard has ended.
    """
    query = f"SELECT {_COLUMNS} FROM pushing WHERE login = ? AND peer = ? AND is_told ORDER BY number"  # noqa: S608 the same
    told = [Push(*row) for row in writer.db.execute(query, (storable(login), peer)).fetchall()]
    for each in told:
        if each.token in tokens:
            end(writer, each)
    return [each for each in told if each.token not in tokens][-MAX_AGAIN:]


def tell(writer: Writer, push: Push, token: str) -> None:
    """Note that its sender is told what became of it, with that token."""
    query = "UPDATE pushing SET is_told = 1, token = ? WHERE number = ?"
    writer.db.execute(query, (token, push.number))


def end(writer: Writer, push: Push) -> None:
    """Note that it has ended."""
    writer.db.execute("DELETE FROM pushing WHERE number = ?", (push.number,))
