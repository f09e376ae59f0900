"""xferzone config pull, push, list: the project's configuration, as Fossil's `config` exchanges it."""

import click

from xferzone.cli import passwords, synced
from xferzone.cli.moved import tell_move
from xferzone.cli.output import iso, printable, show_json, when
from xferzone.cli.progress import watching
from xferzone.cli.reached import reached
from xferzone.cli.remotes import quiet_option
from xferzone.cli.settings import Settings, own_login, reading
from xferzone.cli.terminal import show_table
from xferzone.exchange import Options, Outcome, sync_configuration
from xferzone.exchange.known import known_remote
from xferzone.serve.process import ending_in_order
from xferzone.store import Store
from xferzone.sync.configuration import AREAS, rows_of
from xferzone.transport.url import credentials
from xferzone.wording import counted

_SHOWN = 60  # letters of a row
area_argument = click.argument("area", type=click.Choice(list(AREAS)), metavar="AREA")


@click.command()
@area_argument
@click.argument("remote", metavar="[URL|NAME]", required=False)
@quiet_option
@passwords.password_options
@click.pass_obj
# many: click gives each option as an argument
def pull(
    settings: Settings,
    area: str,
    remote: str | None,
    quiet: bool,
    password_file: str | None,
    save_password: bool,
) -> None:
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
    _exchanged(settings, area, remote, quiet, (password_file, save_password), pulls=True)


@click.command()
@area_argument
@click.argument("remote", metavar="[URL|NAME]", required=False)
@quiet_option
@passwords.password_options
@click.pass_obj
# many: click gives each option as an argument
def push(
    settings: Settings,
    area: str,
    remote: str | None,
    quiet: bool,
    password_file: str | None,
    save_password: bool,
) -> None:
    """Send an AREA of the project's configuration to a remote; `config pull --help` has the areas.

    The account there must be an administrator's: a or s, for shun and user s.

    \b
    Example:
      xferzone config push skin https://ops@dns.example.net/
    """
    _exchanged(settings, area, remote, quiet, (password_file, save_password), pulls=False)


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


# many: what, with whom, and how, as the options say
def _exchanged(
    settings: Settings,
    area: str,
    remote: str | None,
    quiet: bool,
    how: tuple[str | None, bool],
    *,
    pulls: bool,
) -> None:
    password_file, save_password = how
    with Store.open(settings.repository) as store:
        if save_password:
            passwords.check_may_save(settings.repository)
        with store.reader() as reader:
            known = known_remote(reader, remote)
        url = remote if remote is not None and "://" in remote else known.url
        account = passwords.account(store.path, url, password_file)
        address, _, _ = credentials(known.url)
        options = Options(
            pull=pulls,
            push=not pulls,
            account=account,
            remote=known,
            observer=watching(address, tells_races=False, quiet=quiet),
            login=own_login(),
        )
        login, is_ours = account is not None, bool(known.epochs)
        with ending_in_order(), reached(store.path, address, with_login=login, is_ours=is_ours) as way:
            done = sync_configuration(store, way, [area], options)
        if done.errors:
            doubt = "is it the password, or is another project there?"
            raise synced.refusal(done, doubt, remedy=synced.remedy_of(account, known.url))
        tell_move(store.path, known, way)
        if save_password and account is not None:
            passwords.save(store.path, url, account.password)
    _show(settings, done, area, quiet=quiet, pulls=pulls)


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
