"""Accounts: who may log in, and what each may do."""

from dataclasses import dataclass
from typing import Final

from xferzone.cards.session import shared_secret
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer

NOBODY: Final = "nobody"
#: Letters that stand for those of another account.
INHERITED: Final = {"u": "reader", "v": "developer"}


@dataclass(frozen=True, slots=True)
class User:
    """An account.

    Fields:
        secret: 40 hex digits, the SHA-1 of "PROJECT-CODE/LOGIN/PASSWORD" as Fossil stores it; empty: the account
            cannot log in. Source: Fossil 2.21, src/sha1.c sha1_shared_secret().
        caps: capability letters.
    """

    login: str
    secret: str
    caps: str


def user(reader: Reader, login: str) -> User | None:
    """The account of that login; None: there is no such account."""
    row = reader.db.execute("SELECT login, secret, caps FROM user WHERE login = ?", (login,)).fetchone()
    return None if row is None else User(*row)


def letters(reader: Reader, login: str) -> frozenset[str]:
    """What an account may do: its letters and nobody's, where they exist, and what their u and v stand for."""
    own = {letter for one in (NOBODY, login) for letter in _caps(reader, one)}
    stand_ins = [stood_for for letter, stood_for in INHERITED.items() if letter in own]
    return frozenset(own.union(*(_caps(reader, one) for one in stand_ins)))


def _caps(reader: Reader, login: str) -> str:
    found = user(reader, login)
    return "" if found is None else found.caps


def users(reader: Reader) -> list[User]:
    """All accounts, by login."""
    return [User(*row) for row in reader.db.execute("SELECT login, secret, caps FROM user ORDER BY login")]


def put_user(writer: Writer, login: str, password: str | None, caps: str) -> None:
    """Make or replace an account. With `password` None it cannot log in."""
    secret = "" if password is None else shared_secret(writer.project_code, login, password)
    writer.db.execute("INSERT OR REPLACE INTO user VALUES (?, ?, ?)", (login, secret, caps))


def set_caps(writer: Writer, user: User, caps: str) -> None:
    writer.db.execute("UPDATE user SET caps = ? WHERE login = ?", (caps, user.login))


def remove_user(writer: Writer, user: User) -> None:
    writer.db.execute("DELETE FROM user WHERE login = ?", (user.login,))
