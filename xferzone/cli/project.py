"""xferzone config pull, push, list: the project's configuration, as Fossil's `config` exchanges it."""

from collections.abc import Callable
from functools import wraps

import click

from xferzone.cli import passwords
from xferzone.cli.output import iso, printable, show_json, when
from xferzone.cli.settings import Settings, reading
from xferzone.cli.talking import Manner, Talk, quiet_option, talk
from xferzone.cli.terminal import show_table
from xferzone.exchange import Options, Outcome, sync_configuration
from xferzone.store import Store
from xferzone.sync.configuration import AREAS, rows_of
from xferzone.wording import counted

_SHOWN = 60  # letters of a row


def _exchanging(command: Callable[[Settings, str, str | None, Manner], None]) -> Callable[..., None]:
    """A command that exchanges an AREA with a remote, with the options of an exchange."""

    @click.argument("area", type=click.Choice(list(AREAS)), metavar="AREA")
    @click.argument("remote", metavar="[URL|NAME]", required=False)
    @quiet_option
    @passwords.password_options
    @click.pass_obj
    @wraps(command)
    # many: click gives each option as an argument
    def exchanging(
        settings: Settings,
        area: str,
        remote: str | None,
        quiet: bool,
        password_file: str | None,
        save_password: bool,
    ) -> None:
        command(settings, area, remote, Manner(password_file, save_password, quiet))

    return exchanging


@click.command()
@_exchanging
def pull(settings: Settings, area: str, remote: str | None, manner: Manner) -> None:
    """Take an AREA of the project's configuration from a remote: the one named, else origin.

    \b
    AREA is all, or one of
      project    name, description and settings     ticket      tables, pages and reports of tickets
      skin, css  how web pages look                 alias       paths of web pages
      interwiki  prefixes of links                  email       addresses that tickets conceal
      xfer       scripts of transfers               subscriber  who gets mail
      shun       artifacts that are to be gone      user        accounts, without passwords

    Newer rows count. Nothing of it changes zones. An account that comes has no password until `xferzone user passwd`.

    \b
    Examples:
      xferzone config pull skin
      xferzone config pull all https://ops@dns.example.net/
    """
    _exchange(settings, area, Talk(remote, manner), pulls=True)


@click.command()
@_exchanging
def push(settings: Settings, area: str, remote: str | None, manner: Manner) -> None:
    """Send an AREA of the project's configuration to a remote; `config pull --help` has the areas.

    The account there must be an administrator's: a or s, for shun and user s.

    \b
    Example:
      xferzone config push skin https://ops@dns.example.net/
    """
    _exchange(settings, area, Talk(remote, manner), pulls=False)


@click.command("list")
@click.argument("area", type=click.Choice(list(AREAS)), metavar="[AREA]", default="all")
@click.pass_obj
def list_(settings: Settings, area: str) -> None:
    """Show an AREA of the project's configuration, else all of it: what others can take from here.

    \b
    Example:
      xferzone config list skin
    """
    with reading(settings, may_be_empty=True) as (reader, _):
        rows = list(rows_of(reader, AREAS[area], with_accounts=True))
    if settings.json:
        told = [
            {
                "table": row.table,
                "key": row.key,
                "changed_at": iso(row.mtime * 1000),
                "fields": row.written().decode("utf-8", "replace").strip(),
            }
            for row in rows
        ]
        show_json({"rows": told})
        return
    lines = [
        [
            row.table,
            printable(row.key),
            when(row.mtime * 1000),
            row.written().decode("utf-8", "replace").strip(),
        ]
        for row in rows
    ]
    show_table([[*line[:-1], printable(" ".join(line[-1].split()))[:_SHOWN]] for line in lines])


def _exchange(settings: Settings, area: str, asked: Talk, *, pulls: bool) -> None:
    options = Options(pull=pulls, push=not pulls)
    with Store.open(settings.repository) as store:
        done = talk(store, asked, options, lambda *of: sync_configuration(of[0], of[1], [area], of[2]))
    _show(settings, done, area, quiet=asked.manner.quiet, pulls=pulls)


def _show(settings: Settings, done: Outcome, area: str, *, quiet: bool, pulls: bool) -> None:
    for why in done.config_left_out:
        click.echo(printable(why), err=True)
    if settings.json:
        show_json(
            {
                "remote": done.peer,
                "area": area,
                "received": done.config_received,
                "sent": done.config_sent,
                "left_out": done.config_left_out,
                "messages": done.messages,
            }
        )
    elif not quiet:
        told = (
            f"pulled {area} from {done.peer}: {counted(done.config_received, 'row')} newer"
            if pulls
            else f"pushed {area} to {done.peer}: {counted(done.config_sent, 'row')}"
        )
        click.echo(told)
