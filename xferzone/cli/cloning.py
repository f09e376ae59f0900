"""xferzone clone: a new repository, copied from another one.

The first request is always the same. It is sent before the rest of the program is loaded (cloned.py).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xferzone.cli import passwords
from xferzone.cli.reached import reached
from xferzone.cli.settings import Settings
from xferzone.env import SYSTEM
from xferzone.errors import Exists, UsageError
from xferzone.serve.process import ending_in_order
from xferzone.sync.client.opening import first_request
from xferzone.sync.client.options import Account
from xferzone.transport.sooner import Sooner
from xferzone.transport.url import credentials

if TYPE_CHECKING:  # of an extra, and 0.1 s
    from xferzone.transport.http import HTTP
    from xferzone.transport.nats import NATS


@click.command()
@click.argument("url")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option("-u", "--unversioned", is_flag=True, help="Take unversioned files, too.")
@click.option(
    "--private", is_flag=True, help="Private artifacts come along. The account needs the right x there."
)
@click.option(
    "--resume", is_flag=True, help="Go on where such a clone has ended; keep what comes for the next one."
)
@click.option(
    "--invite-file",
    metavar="FILE",
    help="First become the account in the URL, by the invitation whose token is its first line; - is stdin. The "
    "password is the one that the account gets.",
)
@click.option("--invite", metavar="TOKEN", help="The same; other users of this machine can see the token.")
@click.option("--no-tables", is_flag=True, help="Leave synced tables out.")
@passwords.password_options
@click.pass_obj
# many: click gives each option as an argument
def clone(
    settings: Settings,
    url: str,
    file: Path | None,
    unversioned: bool,
    private: bool,
    resume: bool,
    invite_file: str | None,
    invite: str | None,
    no_tables: bool,
    password_file: str | None,
    save_password: bool,
) -> None:
    """Copy a repository from URL into a new FILE.

    Without FILE it is the one that -R names. `sync` then knows where it came from. A password in the URL is not
    remembered. XFERZONE_PASSWORD may hold it, too.

    A clone that fails leaves no file. With --resume it leaves FILE.partial, and the same command goes on with it.

    \b
    Examples:
      xferzone clone https://ops@dns.example.net/ zones.xferzone
      xferzone clone --save-password --password-file secret https://ops@dns.example.net/
      xferzone clone --resume https://dns.example.net/ zones.xferzone
      xferzone clone --invite-file token https://ann@dns.example.net/ zones.xferzone
    """
    path = file or settings.repository
    if path.exists():
        raise Exists(f"{path} exists already and was left as it is: give another FILE")
    if save_password:
        passwords.check_may_save(path)
    address, _, _ = credentials(url)
    account = _account(path, url, _token(invite_file, invite), password_file)
    way = reached(path, address, with_login=account is not None)
    with ending_in_order(), way, _asked(way, goes_on=resume) as asked:
        from xferzone.cli import cloned  # which takes 0.1 s

        wish = cloned.Wish(url, path, account, save_password, unversioned, private, resume, not no_tables)
        cloned.take(settings, wish, way, asked)


def _token(file: str | None, token: str | None) -> str | None:
    """The token of the invitation; None: there is none. It is read before the password, if both come by stdin."""
    if file is None:
        return token
    if token is not None:
        raise UsageError("the token of the invitation is given twice: leave out --invite")
    return passwords.first_line(file, "invitation file", holds="token").strip()


def _account(path: Path, url: str, token: str | None, password_file: str | None) -> Account | None:
    """The account that clones, which the invitation with that token has made, if there is one."""
    if token is None:
        return passwords.account(path, url, password_file)
    from xferzone.transport import forms  # other clones do without

    account = passwords.invited(url, password_file)
    login, password = account.login, account.password
    fields = {"t": token, "u": login, "n1": password, "n2": password}
    said = forms.post(credentials(url)[0], "invite", fields)
    click.echo(f"{said}; from now on it needs no invitation", err=True)
    return account


@contextmanager
def _asked(way: "HTTP | NATS", *, goes_on: bool) -> Iterator[Sooner | None]:
    """`way`, already asked for the first part of a clone. None: it may be another part that is wanted."""
    if goes_on:
        yield None
    else:
        with Sooner(way, first_request(SYSTEM)) as asked:
            yield asked
