"""What people are told about a remote that has moved: a permanent redirect led to another URL."""

import shlex
from pathlib import Path

import click

from xferzone.cli.output import printable
from xferzone.cli.settings import DEFAULT_REPOSITORY
from xferzone.store.remotes import Remote
from xferzone.transport import Transport
from xferzone.transport.http import HTTP
from xferzone.transport.url import credentials, with_login


def tell_move(repository: Path, remote: Remote, way: Transport) -> None:
    """Tell of permanent redirects on the `way` to `remote`, a remote of `repository`, after a sync that ended well."""
    if isinstance(way, HTTP) and way.moved_to is not None:
        click.echo(_moved(repository, remote, way.moved_to), err=True)


def _moved(repository: Path, remote: Remote, url: str) -> str:
    """The line for people; the command in it is safe to run as it stands."""
    address, _, _ = credentials(remote.url)
    line = f"{address} has moved to {printable(url)}"
    # The server chose this URL. A query would not be remembered, and odd letters could steer a terminal.
    if "?" in url or not (url.isascii() and url.isprintable()):
        return line
    if not remote.name:
        return f"{line}: use that URL from now on"
    option = "" if repository == Path(DEFAULT_REPOSITORY) else f"-R {shlex.quote(str(repository))} "
    words = shlex.join([remote.name, with_login(url, remote.url)])
    return f"{line}: `xferzone {option}remote add --replace {words}` makes that its URL"
