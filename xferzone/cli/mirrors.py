"""Mirrors as the command line begins them: the file, and whom it follows.

no file                     made, of role mirror and without anything; the first URL is its origin
a mirror                    its origin is the first URL; without URLs, its origin is followed
a primary or a clone        refused: its refs have another authority
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from xferzone.cli import passwords
from xferzone.config import Replicate
from xferzone.errors import NotFound, Refused, UsageError
from xferzone.exchange.known import known_remote
from xferzone.repository.make import make_mirror
from xferzone.serve.following import Primaries
from xferzone.store import Store, schema
from xferzone.store.remotes import ORIGIN, Remote, origin, put_remote
from xferzone.sync.client.options import Account
from xferzone.transport.url import credentials, without_password

_NEW_FILE = "name a new file with -R, which becomes a mirror"
_REMEDIES = {
    schema.PRIMARY: f"to follow another, {_NEW_FILE}",
    schema.CLONE: f"`xferzone pull` takes what is new, once; to follow for ever, {_NEW_FILE}",
}


def role(repository: Path) -> str | None:
    """The role of the repository; None: there is no file."""
    if not repository.exists():
        return None
    with Store.open(repository) as store, store.reader() as reader:
        return reader.role


def begun(repository: Path, urls: Sequence[str]) -> list[str]:
    """Have a mirror at `repository` that knows where it comes from. Returns the URLs of its primaries, no passwords.

    Args:
        urls: of the primaries, or names of remotes; none: its origin.

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
        make_mirror(repository)
    elif found != schema.MIRROR:
        raise Refused(f"{repository} is a {found}, and does not follow by itself: {_REMEDIES[found]}")
    with Store.open(repository) as store:
        with store.reader() as reader:
            shown = [url if "://" in url else known_remote(reader, url).url for url in shown]
            shown = shown or [known_remote(reader, None).url]
            known = origin(reader)
        if known is None or known.url not in shown:
            with store.writer() as writer:
                put_remote(writer, _moved(known, shown[0]))
    return list(dict.fromkeys(shown))


def _moved(known: Remote | None, url: str) -> Remote:
    """The origin at `url`; what is known of its epochs stays, since several primaries may tell of one."""
    return Remote(ORIGIN, url) if known is None else replace(known, url=url)


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
        as `begun` and `account`.
    """
    given = [_with_login(url, settings.login) for url in settings.primaries]
    urls = begun(repository, given)
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
