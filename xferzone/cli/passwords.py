"""Where the password for a remote comes from, and where it is kept: FILE.passwords beside the repository, mode 0600.

the URL > --password-file > XFERZONE_PASSWORD > what --save-password kept > a question on the terminal
"""

import json
import os
import sys
from pathlib import Path

import click

from xferzone.errors import NotFound, UsageError
from xferzone.sync.client import Account
from xferzone.transport import credentials

VARIABLE = "XFERZONE_PASSWORD"


def account(repository: Path, url: str, password_file: str | None) -> Account | None:
    """Whom `url` speaks for; None: it names nobody.

    Raises:
        UsageError: it names somebody whose password is nowhere to be had.
        NotFound: the password file cannot be read.
    """
    bare, login, password = credentials(url)
    if not login:
        if password_file is not None:
            raise UsageError(
                f"a password without a login: say whose, as in {bare.replace('://', '://LOGIN@', 1)}"
            )
        return None
    if password is None and password_file is not None:
        password = _first_line(password_file)
    password = password or os.environ.get(VARIABLE) or _saved(repository).get(without_password(url))
    if not password and sys.stdin.isatty():
        password = click.prompt(f"password for {login} at {bare}", hide_input=True, err=True)
    if not password:
        raise UsageError(
            f"the password of {login} at {bare} is not known: give it with --password-file or in {VARIABLE}"
        )
    return Account(login, password)


def without_password(url: str) -> str:
    """The URL as it may be shown and remembered: with its login."""
    bare, login, _ = credentials(url)
    if login is None:
        return bare
    userinfo = url.partition("://")[2].partition("@")[0].partition(":")[0]
    return bare.replace("://", f"://{userinfo}@", 1)


def save(repository: Path, url: str, password: str) -> None:
    """Keep the password for `url`."""
    kept = _saved(repository) | {without_password(url): password}
    file = _file(repository)
    scratch = file.with_name(f"{file.name}.new")
    with os.fdopen(
        os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
    ) as out:
        json.dump(kept, out, indent=2)
        out.write("\n")
    scratch.replace(file)


def _saved(repository: Path) -> dict[str, str]:
    file = _file(repository)
    try:
        kept = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise UsageError(f"{file} cannot be read: {exc}: remove it, and save the passwords again") from exc
    return {str(url): str(password) for url, password in kept.items()} if isinstance(kept, dict) else {}


def _file(repository: Path) -> Path:
    return repository.with_name(f"{repository.name}.passwords")


def _first_line(file: str) -> str:
    try:
        text = sys.stdin.readline() if file == "-" else Path(file).read_text("utf-8")
    except (OSError, ValueError) as exc:
        raise NotFound(f"the password file {file} cannot be read: {exc}") from exc
    password = text.partition("\n")[0].rstrip("\r")
    if not password:
        raise UsageError(f"the first line of the password file {file} is empty")
    return password
