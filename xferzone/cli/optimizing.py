"""xferzone optimize: the same repository in less room."""

import click

from xferzone.cli.output import show_json
from xferzone.cli.restore import check_not_served
from xferzone.cli.settings import Settings
from xferzone.repository import optimize as repacking
from xferzone.serve.process import ending_in_order
from xferzone.wording import counted


@click.command()
@click.pass_obj
def optimize(settings: Settings) -> None:
    """Make the file smaller; what it holds stays.

    It is refused while servers run. For a moment it takes three times the room of the file. A kill leaves what is there
    sound.

    \b
    Example:
      xferzone optimize
    """
    check_not_served(settings.repository)
    with ending_in_order():
        done = repacking.optimize(settings.repository)
    if settings.json:
        show_json(
            {
                "before": done.before,
                "after": done.after,
                "repacked": done.repacked.smaller,
                "damaged": done.repacked.damaged,
            }
        )
        return
    click.echo(
        f"{settings.repository}: {done.before:,} bytes before, {done.after:,} now, "
        f"{counted(done.repacked.smaller, 'artifact')} repacked",
        err=True,
    )
    if done.repacked.damaged:
        click.echo(f"{counted(done.repacked.damaged, 'artifact')} damaged: run `xferzone check`", err=True)
