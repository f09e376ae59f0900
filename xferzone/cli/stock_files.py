"""import-fossil and export-fossil: repository files of stock Fossil, both ways."""

from pathlib import Path

import click

from xferzone.cli.output import printable, show_json, show_list
from xferzone.cli.repository import DEFAULT_ADMIN
from xferzone.cli.settings import Settings, now_ms, occasion, own_login
from xferzone.hashing import short
from xferzone.refs import Door
from xferzone.repository import exporting, importing
from xferzone.serve.helpers import compile_in_parallel
from xferzone.serve.process import ending_in_order
from xferzone.store import Store
from xferzone.wording import counted

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.argument("file", type=_FILE)
@click.option("--accounts", is_flag=True, help="Accounts come too, with their passwords and rights.")
@click.option("--private", is_flag=True, help="Private artifacts come too, and stay private.")
@click.option(
    "--admin", metavar="LOGIN", default=DEFAULT_ADMIN, show_default=True, help="The account made otherwise."
)
@click.pass_obj
def import_fossil(settings: Settings, file: Path, accounts: bool, private: bool, admin: str) -> None:
    """Make a new repository of the FILE of a stock fossil.

    It keeps the project code, so that clones of that file go on with it, and is a primary: zone branches are published.
    FILE may be in use, and is not changed. What is shunned there is shunned here. Private artifacts stay behind unless
    --private is given.

    \b
    Examples:
      xferzone -R zones.xferzone import-fossil dns.fossil
      xferzone -R zones.xferzone import-fossil --accounts dns.fossil
    """
    with ending_in_order():
        done = importing.take(
            settings.repository,
            file,
            admin,
            occasion(Door.CLI),
            compile_in_parallel,
            accounts=accounts,
            private=private,
        )
    _show_imported(settings, file, admin, done)


def _files(count: int) -> str:
    return f"{counted(count, 'unversioned file')}, " if count else ""


def _private(count: int) -> str:
    return f"{counted(count, 'private artifact')}, " if count else ""


def _show_imported(settings: Settings, file: Path, admin: str, done: importing.Imported) -> None:
    invalid = [f"{one.branch}: {short(one.checkin or '')} {one.reason}" for one in done.followed.invalid]
    if settings.json:
        show_json(
            {
                "repository": str(settings.repository),
                "project": done.project_code,
                "artifacts": done.artifacts,
                "left": done.left,
                "unversioned": done.files,
                "private": done.private,
                "branches": len(done.followed.moved),
                "invalid": invalid,
                "notices": done.followed.notices,
                "admin": None if done.secret is None else admin,
                "password": done.secret,
            }
        )
        return
    if done.secret is not None:
        click.echo(f"admin: {admin}\npassword: {done.secret}")
    show_list([*invalid, *done.followed.notices])
    if done.left:
        click.echo(
            f"{counted(done.left, 'artifact')} left out: what they are deltas of is not in {file}", err=True
        )
    click.echo(
        printable(
            f"{settings.repository}: {counted(done.artifacts, 'artifact')}, {_private(done.private)}"
            f"{_files(done.files)}{counted(len(done.followed.moved), 'branch')} published"
        ),
        err=True,
    )


@click.command()
@click.argument("file", type=_FILE)
@click.option("--accounts", is_flag=True, help="Accounts go with it, with their passwords and rights.")
@click.pass_obj
def export_fossil(settings: Settings, file: Path, accounts: bool) -> None:
    """Write all artifacts into the new FILE, for stock fossil.

    The repository may be served and written meanwhile. What stock derives from artifacts is not in FILE: run
    `fossil rebuild FILE` first. Commands of stock's say so until then.

    \b
    Example:
      xferzone export-fossil dns.fossil && fossil rebuild dns.fossil && fossil ui dns.fossil
    """
    with ending_in_order(), Store.open(settings.repository) as store:
        done = exporting.export(store, file, login=own_login(), accounts=accounts, now_ms=now_ms())
    octets = file.stat().st_size
    if settings.json:
        show_json(
            {
                "file": str(file),
                "artifacts": done.artifacts,
                "accounts": done.accounts,
                "unversioned": done.files,
                "bytes": octets,
            }
        )
        return
    click.echo(
        f"{file}: {counted(done.artifacts, 'artifact')}, {_files(done.files)}{octets:,} bytes; next: fossil rebuild "
        f"{file}",
        err=True,
    )
