"""What [nats] of the configuration says, for servers and clients. What speaks NATS is loaded where it is used."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from xferzone.cli.configuration import Files
from xferzone.cli.group_settings import file_of
from xferzone.errors import UsageError
from xferzone.transport.url import credentials, parse_subject
from xferzone.transport.ways import check_nats

if TYPE_CHECKING:
    from xferzone.config import Config, Nats
    from xferzone.loading import Loaded
    from xferzone.serve.responding import Asked
    from xferzone.transport.nats import Login


def account(repository: Path) -> "Login | None":
    """The account at NATS servers that the configuration of the repository has. Raises as `account_of`."""
    return account_of(Files(repository, None, {}).read().config.nats)


def account_of(found: "Nats") -> "Login | None":
    """The account that [nats] has, with whom to trust; None: none.

    Raises:
        UsageError: a user without a password, or the other way round, or beside a token; one is not where it is said to
            be; a file cannot be used; what speaks NATS is not installed.
    """
    check_nats()
    from xferzone.transport.nats import Login

    if (found.user is None) != (found.password is None):
        raise UsageError("[nats] user and password: give both, or neither")
    if found.user is not None and found.token is not None:
        raise UsageError("[nats] user and token: give one of them")
    if found.key is not None and found.certificate is None:
        raise UsageError("[nats] key: there is no certificate that it belongs to: give certificate, too")
    login = Login(
        found.user or "",
        "" if found.password is None else found.password.reveal(os.environ),
        "" if found.token is None else found.token.reveal(os.environ),
        *("" if each is None else file_of(each) for each in (found.ca, found.certificate, found.key)),
    )
    login.context()
    return None if login == Login() else login


def asked(loaded: "Loaded[Config]") -> "Asked | None":
    """Where a server takes requests by NATS; None: nowhere.

    Raises:
        UsageError: it is not a URL of a subject, or as `account_of`.
    """
    found = loaded.config.nats
    if found.url is None:
        return None
    try:
        _, login, _ = credentials(found.url)
        parse_subject(found.url)
    except UsageError as exc:
        raise loaded.fault("nats", "url", why=exc) from exc
    if login is not None:
        # The URL is not shown: a password may be in it.
        raise loaded.fault("nats", "url", why="it has a login: give user and password in [nats]")
    account = account_of(found)
    from xferzone.serve.responding import Asked

    return Asked(found.url, account)
