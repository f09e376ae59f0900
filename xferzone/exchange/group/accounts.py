"""Accounts of all members, under the group's keys: a change goes there first, then here; other members hear of it.

    change    the key as it stands ─> compared and put ─> here
    taken     what keys say ─> here; a removed account has a key that says so, and nothing is removed by absence
    renewed   what is here ─> keys that are gone, or say what is older: etcd was emptied or set back

Where there is no group, an account is changed here alone.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xferzone.errors import Away, Exists
from xferzone.exchange.group.laying import again
from xferzone.refs import account_versions, membership
from xferzone.refs.consensus import SharedRefs
from xferzone.refs.keys import Keys
from xferzone.refs.roster import Account, Names, Roster, account_of
from xferzone.store import Reader, Store, Writer, accounts
from xferzone.store.accounts import INVITE, User

TRIES: Final = 5  # times that somebody else may change the account, or etcd not answer
#: What an account is to be, from what it is (None: it is not there) and the project code. None: it is to be removed.
Change = Callable[[User | None, str], User | None]
#: The same of several accounts, by login, each of which it gives back.
Changes = Callable[[Mapping[str, User | None], str], Mapping[str, User | None]]


def change(store: Store, login: str, wanted: Change, keys: Keys | None) -> tuple[User | None, User | None]:
    """Change an account everywhere; as it was, and as it is now. The rest is as for `change_all`."""
    before, after = change_all(
        store, (login,), lambda known, project: {login: wanted(known[login], project)}, keys
    )
    return before[login], after[login]


def change_all(
    store: Store, logins: Sequence[str], wanted: Changes, keys: Keys | None, *, fresh: str | None = None
) -> tuple[Mapping[str, User | None], Mapping[str, User | None]]:
    """Change accounts everywhere, all of them or none; as they were, and as they are now.

    Args:
        logins: of the accounts; errors name the first.
        keys: of the group that the repository is a member of; None: it is not one.
        fresh: one of the logins, of which no account may have been removed; None: it may.

    Raises:
        Exists: one of `fresh` was.
        Away: etcd cannot be reached, or the group is on hold. Nothing was changed, or the message says that this is not
            known.
    """
    with store.reader() as reader:
        share, project = membership.membership(reader), reader.project_code
        everything, last = shared(reader), membership.seen(reader)
    if share is None or keys is None:
        with store.writer() as writer:
            found = {login: accounts.user(writer, login) for login in logins}
            if fresh is not None and accounts.was_removed(writer, fresh):
                raise _was_somebodys(fresh)
            after = wanted(found, project)
            for login, user in after.items():
                _put(writer, login, user)
        return found, after
    known = {login: everything[login] for login in logins if login in everything}
    refs = SharedRefs(keys, share.space(project), share.group, last)
    before, put = _Changing(refs, project, tuple(logins), known, fresh).change(wanted)
    if put:
        with store.writer() as writer:
            taken(writer, put)
    return before, {login: _user(login, put.get(login)) for login in logins}


@dataclass(slots=True)
class _Changing:
    """Some accounts in the keys."""

    refs: SharedRefs
    project: str
    logins: tuple[str, ...]
    known: Mapping[str, Account]  # as they are here
    fresh: str | None = None
    _doubt: str = ""  # why it is not known whether they were changed

    def change(self, wanted: Changes) -> tuple[Mapping[str, User | None], Mapping[str, Account]]:
        """As they were, and the values of the keys now; of those that have one."""
        named = self.logins[0]
        for _ in range(TRIES):
            try:
                done = self._changed(wanted)
            except Away as exc:
                if self._doubt:
                    why = f"whether account {named} was changed is not known: see `xferzone user list`"
                    raise Away(f"{self._doubt}; {why}") from exc
                raise Away(f"account {named} was not changed: {exc}") from exc
            if done is not None:
                return done
        raise again(TRIES) if not self._doubt else Away(self._doubt)

    def _changed(self, wanted: Changes) -> tuple[Mapping[str, User | None], Mapping[str, Account]] | None:
        """None: not yet."""
        names = Names(self.refs.space)
        keys = {login: names.account(login) for login in self.logins}
        self.refs.rules()
        asked = {names.group: None, **dict.fromkeys(keys.values())}
        found = self.refs.keys.transact(asked, {}).found
        told = {login: account_of(key, found[key]) for login, key in keys.items() if key in found}
        there = later(self.known, told)
        before = {login: _user(login, there.get(login)) for login in self.logins}
        if self.fresh is not None and self.fresh in there and there[self.fresh].gone:
            raise _was_somebodys(self.fresh)
        after = wanted(before, self.project)
        put = {
            login: _next(there.get(login), user)
            for login, user in after.items()
            if not (user == before[login] and (login in told or user is None))
        }
        now = told | put
        if not put:
            return before, now
        try:
            expected = {key: found.get(key) for key in asked}
            puts = {keys[login]: each.encode() for login, each in put.items()}
            is_put = self.refs.keys.transact(expected, puts).succeeded
        except Away as exc:
            self._doubt = str(exc)
            return None
        return (before, now) if is_put else None


def _was_somebodys(login: str) -> Exists:
    return Exists(
        f"the login {login} was somebody's before: choose another, or have the administrator make the account"
    )


def _next(there: Account | None, user: User | None) -> Account:
    """The value of a key by which an account becomes `user`."""
    version = 1 if there is None else there.version + 1
    return Account(gone=True, version=version) if user is None else _account(user, version)


def apply(store: Store, values: Mapping[str, bytes | None], names: Names) -> list[str]:
    """Have here what these keys say of accounts; the logins that changed. Other keys are passed over.

    Raises:
        OnHold: a member did not write one of them.
    """
    told = {
        key.removeprefix(names.accounts): account_of(key, value)
        for key, value in values.items()
        if key.startswith(names.accounts) and value is not None
    }
    with store.reader() as reader:
        if not _news(reader, told):
            return []
    with store.writer() as writer:
        return taken(writer, told)


def taken(writer: Writer, told: Mapping[str, Account]) -> list[str]:
    """Have here what is told of accounts, unless something later is known; the logins that changed."""
    news = _news(writer, told)
    here = {each.login: each for each in accounts.rows(writer)}
    changed = [login for login, each in news.items() if here.get(login) != _user(login, each)]
    for login in changed:
        _put(writer, login, _user(login, news[login]))
    for login, each in news.items():
        if each.gone and not login.startswith(INVITE):
            accounts.note_removed(writer, login)  # also of those that were removed before this member joined
    account_versions.note(writer, {login: each.version for login, each in news.items()})
    return sorted(changed)


def _news(reader: Reader, told: Mapping[str, Account]) -> dict[str, Account]:
    """What is told that is not here, or not counted so."""
    here = {each.login: each for each in accounts.rows(reader)}
    known = account_versions.versions(reader)
    return {
        login: each
        for login, each in told.items()
        if each.version > known.get(login, -1)
        or (each.version == known[login] and here.get(login) != _user(login, each))
    }


def shared(reader: Reader) -> dict[str, Account]:
    """What the keys are to say of the accounts that are here, and of those that were removed."""
    known = account_versions.versions(reader)
    here = {each.login: _account(each, known.get(each.login, 0)) for each in accounts.rows(reader)}
    gone = known | {login: known.get(login, 0) for login in accounts.removed(reader)}
    return {login: Account(gone=True, version=version) for login, version in gone.items()} | here


def renewed(store: Store, refs: SharedRefs, roster: Roster) -> list[str]:
    """Let keys that say less of an account than is known here say that; their logins.

    What somebody else puts meanwhile stays: the next call looks again.

    Raises:
        Away, OnHold
    """
    with store.reader() as reader:
        known = shared(reader)
    wanted = later(known, roster.accounts)
    behind = [login for login, each in wanted.items() if roster.accounts.get(login) != each]
    for login in behind:
        key = roster.names.account(login).removeprefix(roster.space)
        refs.change({key: roster.values.get(roster.names.account(login))}, {key: known[login].encode()})
    return behind


def later(known: Mapping[str, Account], told: Mapping[str, Account]) -> dict[str, Account]:
    """Of each account the value of the later change; what is told, if there is none."""
    return {**known, **{login: each for login, each in told.items() if not _is_later(known.get(login), each)}}


def _is_later(account: Account | None, other: Account) -> bool:
    return account is not None and account.version > other.version


def _put(writer: Writer, login: str, wanted: User | None) -> None:
    if wanted is not None:
        accounts.put_stored(writer, wanted)
    elif (known := accounts.user(writer, login)) is not None:
        accounts.remove_user(writer, known)


def _user(login: str, account: Account | None) -> User | None:
    """None: there is no such account, or none any more."""
    if account is None or account.gone:
        return None
    return User(login, account.secret, account.caps, account.zones, account.expires_ms)


def _account(user: User, version: int) -> Account:
    return Account(user.caps, user.secret, user.zones, user.expires_ms, version=version)
