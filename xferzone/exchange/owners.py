"""What people do about accounts of their own, over the network: become one by an invitation, and change a password.

    the token of an invitation, a login that is free, a password  ─> the account, with the rights of the invitation,
                                                                     which is gone. A login is free if nobody has
                                                                     it, had it, wrote rows of synced tables by it,
                                                                     or has one that differs by case alone
    a login, its password, another password                       ─> the account with that; it needs the right p, or
                                                                     that of an administrator, as on stock's page

In a member of a group both are compared and put in the group's keys, so that one of two members alone gives an
invitation away. What was signed with the password before is refused from then on.
Source: Fossil 2.21, src/login.c login_page(), login_set_capabilities().
"""

import hmac
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from xferzone.cards.session import shared_secret
from xferzone.env import SYSTEM, Env
from xferzone.errors import Denied, Exists, NotReady
from xferzone.exchange.group import accounts as shared
from xferzone.refs.keys import Keys
from xferzone.refs.membership import membership
from xferzone.repository.accounts import check_login, check_password
from xferzone.store import Reader, Store, accounts, tables
from xferzone.store.accounts import INHERITED, User, invited_by
from xferzone.sync.server.guessing import FREE, Guesser
from xferzone.sync.server.login import ANONYMOUS

MAY_CHANGE: Final = frozenset("pas")  # of these letters one is needed to change a password of one's own

_NO_SECRET: Final = "0" * 40  # compared in place of a missing secret, so that the answer takes as long
_WRONG: Final = "the login or the password is wrong"
_GONE: Final = (
    "there is no such invitation: it was used, has expired or was taken back; ask whoever gave it for another"
)


@dataclass(frozen=True, slots=True)
class Owners:
    """Of the accounts of one repository.

    Fields:
        keys: of the group that the repository is a member of; None: they cannot be asked here, or it is not a member.
        env: by its clock accounts and invitations expire.
        guesser: whoever asks, and may be guessing a password.
    """

    store: Store
    keys: Keys | None = None
    env: Env = SYSTEM
    guesser: Guesser = FREE

    def accept(self, token: str, login: str, password: str) -> User:
        """The account that whoever has the token of an invitation becomes.

        Raises:
            Denied: there is no such invitation.
            UsageError: no account may have that login, or the password.
            Exists: the login is somebody's, or was; the invitation still holds.
            NotReady, Away: not now.
        """
        check_login(login)
        check_password(password)
        invite = invited_by(token)
        made: User | None = None

        def accepted(known: Mapping[str, User | None], project: str) -> Mapping[str, User | None]:
            nonlocal made
            if made is not None and known == {login: made, invite: None}:
                return known  # by the attempt before, whose answer did not come
            given = known[invite]
            if given is None or given.is_expired(self.env.clock_ms):
                raise Denied(_GONE)
            if known[login] is not None:
                raise Exists(f"the login {login} is somebody's already: choose another")
            made = User(login, shared_secret(project, login, password), given.caps, given.zones)
            return {login: made, invite: None}

        self._check_ready()
        with self.store.reader() as reader:
            # Whoever guesses costs the keys nothing. A member that has not heard of one yet hears of it within 2 s.
            if accounts.user(reader, invite) is None:
                raise Denied(_GONE)
            _check_free(reader, login)
        _, after = shared.change_all(self.store, (login, invite), accepted, self.keys, fresh=login)
        account = after[login]
        assert account is not None
        return account

    def change_password(self, login: str, old: str, new: str) -> User:
        """The account with its new password.

        Raises:
            Denied: there is no such account, it cannot log in, the password is wrong, or it lacks the right.
            UsageError: no account may have the new password.
            NotReady, Away, Guessing: not now.
        """
        is_proved = False

        def changed(known: User | None, project: str) -> User:
            nonlocal is_proved
            secret = shared_secret(project, login, new)
            if is_proved and known is not None and known.secret == secret:
                return known  # by the attempt before, whose answer did not come
            account = self._proved(known, login, old, project)
            is_proved = True
            return replace(account, secret=secret)

        self._check_ready()
        with self.store.reader() as reader:
            known = accounts.user(reader, login) if _is_text(login) else None
            self._proved_slowly(
                known, login, old, reader.project_code
            )  # whoever guesses costs the keys nothing
            if MAY_CHANGE.isdisjoint(accounts.letters(reader, login)):
                raise Denied(f"{login} has not the right p: the administrator gives a new password")
        check_password(new)
        _, after = shared.change(self.store, login, changed, self.keys)
        assert after is not None
        return after

    def _proved_slowly(self, known: User | None, login: str, password: str, project: str) -> None:
        """See whose password it is. Raises Denied, and Guessing before anything is looked at."""
        guesser, now = self.guesser, self.env.monotonic()
        guesser.check(login, now)
        try:
            self._proved(known, login, password, project)
        except Denied:
            guesser.failed(login, now)
            raise
        guesser.held(login, now)

    def _proved(self, known: User | None, login: str, password: str, project: str) -> User:
        """The account, whose password this is. Raises Denied; it takes as long."""
        may = known is not None and known.may_log_in(self.env.clock_ms)
        may = may and login not in (ANONYMOUS, *INHERITED.values())
        secret = known.secret if known is not None and may else _NO_SECRET
        made = shared_secret(project, login, password)
        is_same = hmac.compare_digest(made.encode("utf-8", "surrogateescape"), secret.encode())
        if known is None or not may or not is_same:
            raise Denied(_WRONG)
        return known

    def _check_ready(self) -> None:
        """Raise NotReady where accounts cannot be changed."""
        with self.store.reader() as reader:
            if reader.emptiness:
                raise NotReady("this server has not caught up with its primary yet: try again in a while")
            if self.keys is None and membership(reader) is not None:
                raise NotReady(
                    "accounts of a group are not changed by this server: ask one that `xferzone up` runs"
                )


def _check_free(reader: Reader, login: str) -> None:
    """Raise Exists where another login looks the same, or rows of synced tables are this one's."""
    if (like := _folded(login)) in {
        _folded(each.login) for each in accounts.users(reader) if each.login != login
    }:
        raise Exists(
            f"the login {login} differs from {like!r} by the way it is written alone: choose another"
        )
    if accounts.user(reader, login) is None and tables.owned(reader, login):
        raise Exists(f"rows of synced tables are {login}'s already: choose another login")


def _folded(login: str) -> str:
    """What logins that look alike have in common: case and compatible letters do not tell them apart."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", login).casefold())


def _is_text(login: str) -> bool:
    """Whether SQLite can hold it: octets that are not UTF-8 are no login."""
    return login.isprintable()
