"""Mirrors as the command line begins them: the file, and whom it follows.

no file                     made, of role mirror and without anything, once nothing speaks against it
a mirror                    without URLs its origin is followed, and what was asked after it last
any other role              refused: its refs have another authority
"""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from xferzone.cli import passwords
from xferzone.config import Replicate
from xferzone.errors import NotFound, Refused, UsageError
from xferzone.exchange.known import known_remote
from xferzone.exchange.mirror.standing import standings
from xferzone.repository.make import make_mirror
from xferzone.serve.following import Primaries
from xferzone.store import Store, schema
from xferzone.sync.client.options import Account
from xferzone.transport.url import credentials, without_password

_NEW_FILE = "name a new file with -R, which becomes a mirror"
_REMEDIES = {
    schema.PRIMARY: f"to follow another, {_NEW_FILE}",
    schema.MEMBER: f"its group brings what is new; to follow another, {_NEW_FILE}",
    schema.CLONE: f"`xferzone pull` takes what is new, once; to follow for ever, {_NEW_FILE}",
}


def role(repository: Path) -> str | None:
    """The role of the repository; None: there is no file."""
    if not repository.exists():
        return None
    with Store.open(repository) as store, store.reader() as reader:
        return reader.role


def chosen(repository: Path, urls: Sequence[str]) -> list[str]:
    """The URLs of the primaries of a mirror at `repository`, without passwords. Nothing is made or changed.

    Args:
        urls: of the primaries, or names of remotes; none: its origin, and those that were asked after it last.

    Raises:
        Refused: what is there is not a mirror.
        NotFound: there is no file and no URL, or no remote of that name.
        UsageError: one is not a URL.
    """
    shown = [without_password(url) if "://" in url else url for url in urls]
    found = role(repository)
    if found is None:
        if not shown:
            raise NotFound(
                f"no repository at {repository}: give the URL of a primary, and it becomes a mirror of that"
            )
        if names := [url for url in shown if "://" not in url]:
            raise UsageError(
                f"{names[0]!r} is not a URL, and there is no repository at {repository} that knows names"
            )
        return list(dict.fromkeys(shown))
    if found != schema.MIRROR:
        raise Refused(f"{repository} is a {found}, and does not follow by itself: {_REMEDIES[found]}")
    with Store.open(repository) as store, store.reader() as reader:
        shown = [url if "://" in url else known_remote(reader, url).url for url in shown]
        return list(dict.fromkeys(shown)) or _asked_last(repository, known_remote(reader, None).url)


def _asked_last(repository: Path, first: str) -> list[str]:
    """The primaries in the order in which they were asked last, if `first` began it; else `first` alone."""
    stood = standings(repository)
    asked = [] if stood is None else [each.url for each in stood.primaries]
    return asked if asked[:1] == [first] else [first]


def make_if_none(repository: Path) -> bool:
    """Make a mirror if there is no file; whether it was made."""
    if repository.exists():
        return False
    make_mirror(repository)
    return True


def account(
    repository: Path, urls: Sequence[str], password_file: str | None, *, asks: bool
) -> Account | None:
    """The login that the URLs have, the same for all that have one, and its password. None: they have none.

    `asks`: the password may be asked for on the terminal.

    Raises:
        UsageError: they have different logins.
        Denied: the password is not known.
    """
    logins = {login: url for url in reversed(urls) if (login := credentials(url)[1])}
    if len(logins) > 1:
        raise UsageError(
            f"the primaries have several logins, {' and '.join(sorted(logins))}: use one for all"
        )
    url = next(iter(logins.values()), urls[0])
    return passwords.account(repository, url, password_file, asks=asks)


def primaries(repository: Path, settings: Replicate, password: str | None) -> Primaries:
    """Whom `up` follows. `password`: what the setting of that name refers to; None: there is none.

    Raises:
        as `chosen` and `account`.
    """
    given = [_with_login(url, settings.login) for url in settings.primaries]
    urls = chosen(repository, given)
    if password is None:
        known = account(repository, given, None, asks=False)
    else:
        login = next((login for url in given if (login := credentials(url)[1])), None)
        if login is None:
            raise UsageError(
                "[replicate] password: there is no login: write login = ..., or https://LOGIN@..."
            )
        known = Account(login, password)
    return Primaries(urls, settings.interval.seconds, settings.via, known, settings.through_cache)


def _with_login(url: str, login: str | None) -> str:
    has_none = login is not None and credentials(url)[1] is None
    return url.replace("://", f"://{quote(login or '', safe='')}@", 1) if has_none else url
