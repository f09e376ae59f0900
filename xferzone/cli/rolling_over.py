"""xferzone rollover: a new project with what this one serves."""

from pathlib import Path

import click

from xferzone.cli.output import printable, show_json, show_list
from xferzone.cli.repository import DEFAULT_ADMIN
from xferzone.cli.restore import check_not_served
from xferzone.cli.settings import Settings, occasion
from xferzone.hashing import short
from xferzone.refs import Door
from xferzone.repository import rollover as rolling_over
from xferzone.serve.process import ending_in_order
from xferzone.store import Store
from xferzone.wording import counted


@click.command()
@click.argument("newfile", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--admin", metavar="LOGIN", default=DEFAULT_ADMIN, show_default=True, help="The account made.")
@click.pass_obj
def rollover(settings: Settings, newfile: Path, admin: str) -> None:
    """Begin a new project in NEWFILE with what this one serves.

    Each branch that is served goes on with one check-in, and with its serial. It is refused while servers run; serve
    NEWFILE instead from then on. This file stays as it is. Clones of it must be made anew.

    \b
    Example:
      xferzone rollover zones-2027.xferzone
    """
    check_not_served(settings.repository)
    with ending_in_order(), Store.open(settings.repository) as store:
        done = rolling_over.roll_over(store, newfile, admin, occasion(Door.CLI))
    left = [str(branch) for branch in done.left]
    if settings.json:
        branches = [
            {"branch": str(ref.branch), "checkin": ref.checkin, "serial": ref.serial} for ref in done.refs
        ]
        said = {"left": left, "accounts": done.logins, "notices": done.notices}
        counts = {"unversioned": done.files, "shunned": done.shunned, "rows": done.rows}
        made = {"repository": str(newfile), "project": done.project_code, "branches": branches}
        show_json(made | said | counts | {"admin": admin, "password": done.password})
        return
    click.echo(f"admin: {admin}\npassword: {done.password}")
    show_list([f"{ref.branch} {short(ref.checkin)} serial {ref.serial}" for ref in done.refs])
    for notice in done.notices:
        click.echo(printable(notice), err=True)
    if done.files:
        click.echo(f"{counted(done.files, 'unversioned file')} came along", err=True)
    if done.rows:
        click.echo(f"{counted(done.rows, 'row')} of synced tables came along", err=True)
    if left:
        click.echo(printable(f"only in {settings.repository}: {', '.join(left)}"), err=True)
    if done.logins:
        names = ", ".join(done.logins)
        click.echo(
            printable(f"need a password, `xferzone -R {newfile} user passwd LOGIN`: {names}"), err=True
        )
