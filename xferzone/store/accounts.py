"""Accounts: who may log in, and what each may do; and invitations, each an account that is still to be made.

ann                                         an account
invite:SHA-256 of TOKEN, in hex             whoever brings TOKEN may become an account with these rights, until it
                                            expires; nobody logs in with it, since it has no secret
setting removed:ann                         such an account was removed: what it wrote is still called its, so nobody
                                            who is invited becomes it. Whoever administers may make it again
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from xferzone.cards.session import shared_secret
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer

NOBODY: Final = "nobody"
#: Letters that stand for those of another account.
INHERITED: Final = {"u": "reader", "v": "developer"}

#: What the logins of invitations begin with, and of nothing else.
INVITE: Final = "invite:"

_REMOVED: Final = "removed:"

_ALL: Final = "SELECT login, secret, caps, zones, expires FROM user"


@dataclass(frozen=True, slots=True)
class User:
    """An account.

    Fields:
        secret: 40 hex digits, the SHA-1 of "PROJECT-CODE/LOGIN/PASSWORD" as Fossil stores it; empty: the account
            cannot log in. Source: Fossil 2.21, src/sha1.c sha1_shared_secret().
        caps: capability letters.
        zones: ids of the zones that it may write to; empty: all.
        expires_ms: milliseconds since 1970 from which it cannot log in; None: never.
    """

    login: str
    secret: str
    caps: str
    zones: tuple[str, ...] = ()
    expires_ms: int | None = None

    def may_log_in(self, clock_ms: Callable[[], int]) -> bool:
        """Whether it can log in now; the clock tells milliseconds since 1970."""
        return bool(self.secret) and not self.is_expired(clock_ms)

    def is_expired(self, clock_ms: Callable[[], int]) -> bool:
        """Whether it has ended at the clock's time."""
        return self.expires_ms is not None and clock_ms() >= self.expires_ms

    @property
    def is_invite(self) -> bool:
        """Whether it is an invitation."""
        return self.login.startswith(INVITE)


def user(reader: Reader, login: str) -> User | None:
    """The account of that login; None: there is no such account."""
    row = reader.db.execute(f"{_ALL} WHERE login = ?", (login,)).fetchone()
    return None if row is None else _user(*row)


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
    return [each for each in rows(reader) if not each.is_invite]


def invites(reader: Reader) -> list[User]:
    """All invitations, expired ones among them."""
    return [each for each in rows(reader) if each.is_invite]


def rows(reader: Reader) -> list[User]:
    """All accounts and invitations, by login."""
    return [_user(*row) for row in reader.db.execute(f"{_ALL} ORDER BY login")]


def invited_by(token: str) -> str:
    """The login of the invitation that has this token."""
    return INVITE + hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def _user(login: str, secret: str, caps: str, zones: str, expires_ms: int | None) -> User:
    return User(login, secret, caps, tuple(zones.splitlines()), expires_ms)


def put_user(writer: Writer, login: str, password: str | None, caps: str) -> None:
    """Make or replace an account. With `password` None it cannot log in."""
    secret = "" if password is None else shared_secret(writer.project_code, login, password)
    put_stored(writer, User(login, secret, caps))


def put_stored(writer: Writer, user: User, changed_at: int | None = None) -> None:
    """Make or replace an account, with the secret as it is stored.

    `changed_at`: when it got these rights, in seconds since 1970. None: now, unless it has them already.
    """
    row = (user.login, user.secret, user.caps, "\n".join(user.zones), user.expires_ms)
    # The clock is SQLite's: accounts are changed in many places, and one that forgot the time would let an older list
    # of accounts undo its change.
    query = """INSERT OR REPLACE INTO user (login, secret, caps, zones, expires, mtime) VALUES (?, ?, ?, ?, ?,
               coalesce(?, (SELECT mtime FROM user WHERE login = ? AND caps = ?),
                        CAST(strftime('%s', 'now') AS INTEGER)))"""
    writer.db.execute(query, (*row, changed_at, user.login, user.caps))
    writer.remove_setting(_REMOVED + user.login)


def set_caps(writer: Writer, user: User, caps: str) -> None:
    put_stored(writer, replace(user, caps=caps))


def changed_at(reader: Reader, login: str) -> int:
    """When an account got its rights, in seconds since 1970; 0: before that was noted, or there is no such account."""
    row = reader.db.execute("SELECT mtime FROM user WHERE login = ?", (login,)).fetchone()
    return 0 if row is None else int(row[0])


def remove_user(writer: Writer, user: User) -> None:
    """Remove an account, whose login is remembered, or an invitation."""
    writer.db.execute("DELETE FROM user WHERE login = ?", (user.login,))
    if not user.is_invite:
        note_removed(writer, user.login)


def note_removed(writer: Writer, login: str) -> None:
    """Remember that an account of that login was removed."""
    writer.set_setting(_REMOVED + login, "1")


def was_removed(reader: Reader, login: str) -> bool:
    """Whether there was an account of that login, and no other since."""
    return reader.setting(_REMOVED + login) is not None


def removed(reader: Reader) -> list[str]:
    """The logins of which that is true."""
    query = "SELECT substr(name, length(?1) + 1) FROM setting WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name"
    return [str(login) for (login,) in reader.db.execute(query, (_REMOVED,))]
