"""The option and the output that `restore` and `promote` share: a new life of serials."""

from collections.abc import Mapping, Sequence

import click

from xferzone.cli.output import show_list
from xferzone.publish.new_life import STEP, Stepped

no_serial_step = click.option(
    "--no-serial-step",
    is_flag=True,
    help=f"Leave serials as they are; by default each goes up by {STEP:,}, past those that others may have seen.",
)


def show_stepped(stepped: Stepped | None) -> None:
    """A line for each zone whose serial was stepped."""
    refs = () if stepped is None else stepped.refs
    show_list([f"{ref.branch} serial {ref.serial}" for ref in refs])


def stepped_json(stepped: Stepped | None) -> Sequence[Mapping[str, object]]:
    """The same as JSON."""
    refs = () if stepped is None else stepped.refs
    return [{"branch": str(ref.branch), "checkin": ref.checkin, "serial": ref.serial} for ref in refs]
