"""xferzone restore: a backup takes the repository's place."""

from pathlib import Path

import click

from xferzone.cli.new_life import no_serial_step, show_stepped, stepped_json
from xferzone.cli.output import printable, show_json
from xferzone.cli.settings import Settings, occasion
from xferzone.errors import Refused
from xferzone.refs import Door
from xferzone.repository import restore as putting_back
from xferzone.serve.process import ending_in_order
from xferzone.serve.running import listeners, sweep
from xferzone.store import schema


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@no_serial_step
@click.pass_obj
def restore(settings: Settings, file: Path, no_serial_step: bool) -> None:
    """Put the backup FILE in the repository's place.

    It is refused while servers run. The backup is copied and checked, and takes the place in one step; the file that
    was there is kept under another name. Each zone's serial goes up by 1,000, past what secondaries may have seen.

    \b
    Examples:
      xferzone restore zones-monday.xferzone
      xferzone -R zones.xferzone restore zones.xferzone      a backup was put there by hand, beside another file's log
    """
    check_not_served(settings.repository)
    with ending_in_order():
        done = putting_back.restore(settings.repository, file, occasion(Door.CLI), steps=not no_serial_step)
    sweep(settings.repository)
    notices = () if done.stepped is None else done.stepped.notices
    if settings.json:
        show_json(
            {
                "repository": str(settings.repository),
                "from": str(file),
                "kept": None if done.kept is None else str(done.kept),
                "role": done.role,
                "stepped": stepped_json(done.stepped),
                "notices": notices,
            }
        )
        return
    show_stepped(done.stepped)
    for notice in notices:
        click.echo(printable(notice), err=True)
    kept = "" if done.kept is None else f"; what was there is kept in {done.kept}"
    click.echo(f"{settings.repository} restored from {file}{kept}", err=True)
    if done.role == schema.MEMBER:
        click.echo("it is a member of a group: its fellows bring what is missing once it is served", err=True)
    elif done.role != schema.PRIMARY:
        click.echo(f"it is a {done.role}: `xferzone pull` brings what is missing from its remote", err=True)


def check_not_served(repository: Path) -> None:
    """Raise Refused while servers of the repository run."""
    for one in listeners(repository):
        raise Refused(f"{repository} is served by `xferzone {one.verb}`, pid {one.pid}: end it first")
