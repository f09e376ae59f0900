"""The password for a remote: where it comes from, and FILE.passwords beside the repository (mode 0600) that keeps it.

the URL > --password-file > XFERZONE_PASSWORD > what --save-password kept > a question on the terminal
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from xferzone.errors import Denied, Refused, UsageError, XferzoneError
from xferzone.sync.client.options import Account
from xferzone.transport.url import credentials, without_password

_Command = TypeVar("_Command", bound=Callable[..., object])

VARIABLE = "XFERZONE_PASSWORD"
#: What lies at the top of a check-out of Fossil, git, Mercurial or Subversion.
_CHECK_OUTS = (".fslckout", "_FOSSIL_", ".fos", ".git", ".hg", ".svn")
MAX_PASSWORD = 10_000  # bytes; ours; a longer first line of a password file is cut


def password_options(command: _Command) -> _Command:
    save = click.option(
        "--save-password", is_flag=True, help="Keep the password in FILE.passwords, for you alone to read."
    )
    given = click.option(
        "--password-file", metavar="FILE", help="The password is its first line; - is stdin."
    )
    return given(save(command))


def account(repository: Path, url: str, password_file: str | None, *, asks: bool = True) -> Account | None:
    """The login in `url` and its password; None: `url` has no login. `asks`: it may be asked for on the terminal.

    Raises:
        UsageError: a password file without a login.
        Denied: the password of the login is not known.
        XferzoneError: the password file cannot be read.
    """
    bare, login, password = credentials(url)
    if not login:
        if password_file is not None:
            raise UsageError(
                f"--password-file without a login: put the login into the URL, {bare.replace('://', '://LOGIN@', 1)}"
            )
        return None
    if password is None and password_file is not None:
        password = first_line(password_file)
    password = password or os.environ.get(VARIABLE) or _saved(repository).get(without_password(url))
    if not password and asks and sys.stdin.isatty():
        password = click.prompt(f"password for {login} at {bare}", hide_input=True, err=True)
    if not password:
        raise Denied(
            f"the password of {login} at {bare} is not known: give it with --password-file or in {VARIABLE}"
        )
    return Account(login, password)


def invited(url: str, password_file: str | None) -> Account:
    """The login in `url` and the password, both of which somebody who is invited chooses.

    Raises:
        UsageError: `url` has no login, or there is no password.
        XferzoneError: the password file cannot be read.
    """
    bare, login, password = credentials(url)
    if not login:
        raise UsageError(
            f"which login? put the one that you choose into the URL, {bare.replace('://', '://LOGIN@', 1)}"
        )
    chosen = password if password_file is None else None
    chosen = chosen or (os.environ.get(VARIABLE) if password_file is None else None)
    return Account(login, chosen or new(f"password for {login} at {bare}", password_file, "--password-file"))


def new(question: str, file: str | None, option: str) -> str:
    """A password that is chosen now: the first line of `file`, or asked for on the terminal, twice.

    Raises:
        UsageError: there is neither; the message names `option`.
        XferzoneError: the file cannot be read.
    """
    if file is not None:
        return first_line(file)
    if not sys.stdin.isatty():
        raise UsageError(f"{question}: give a file that holds it, with {option}")
    chosen: str = click.prompt(question, hide_input=True, confirmation_prompt=True, err=True)
    return chosen


def first_line(file: str, what: str = "password file", holds: str = "password") -> str:
    """The first line of `file`, or the next one of stdin for "-", without its end. Raises XferzoneError: there is none.

    `what`: what the file is called in messages, `holds`: what its line is.
    """
    try:
        if file == "-":
            line = sys.stdin.buffer.readline(MAX_PASSWORD)
        else:
            with Path(file).open("rb") as opened:
                line = opened.readline(MAX_PASSWORD)
    except OSError as exc:
        remedy = f"give a file whose first line is the {holds}, or - to read it from standard input"
        raise XferzoneError(f"the {what} {file} cannot be read: {exc.strerror}: {remedy}") from exc
    text = line.rstrip(b"\r\n").decode("utf-8", "surrogateescape")
    if not text:
        raise XferzoneError(f"the first line of the {what} {file} is empty")
    return text


def saved(repository: Path, url: str) -> Account | None:
    """The login in `url`, where --save-password kept its password; None: it has not."""
    _, login, _ = credentials(url)
    password = _saved(repository).get(without_password(url))
    return Account(login, password) if login and password else None


def check_may_save(repository: Path) -> None:
    """Raise Refused if `repository` lies in a check-out, where the passwords beside it could be committed."""
    file = _file(repository)
    for directory in file.parents:
        if any((directory / marker).exists() for marker in _CHECK_OUTS):
            raise Refused(
                f"the password is not kept: {file} would lie in the check-out {directory}, and could be committed "
                f"with it. Keep the repository elsewhere, or use --password-file or {VARIABLE} instead"
            )


def save(repository: Path, url: str, password: str) -> None:
    """Keep the password for `url`."""
    kept = _saved(repository) | {without_password(url): password}
    file = _file(repository)
    # A new file, for its owner alone: in a directory that others can write to, someone may have put one there.
    descriptor, scratch = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            json.dump(kept, out, indent=2)
            out.write("\n")
        Path(scratch).replace(file)
    except BaseException:
        Path(scratch).unlink()
        raise


def _saved(repository: Path) -> dict[str, str]:
    file = _file(repository)
    try:
        kept = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        raise XferzoneError(f"{file} cannot be read: {exc}: remove it and save the passwords again") from exc
    return {str(url): str(password) for url, password in kept.items()} if isinstance(kept, dict) else {}


def _file(repository: Path) -> Path:
    real = Path(os.path.realpath(repository))  # one file, whatever link leads to the repository
    return real.with_name(f"{real.name}.passwords")
