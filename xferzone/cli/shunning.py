"""xferzone shun: artifacts that are to be gone, and never taken again."""

from collections.abc import Sequence

import click

from xferzone.cli.output import iso, show_json, when
from xferzone.cli.settings import Settings, changing, occasion, reading
from xferzone.cli.terminal import show_table
from xferzone.errors import NotFound, UsageError
from xferzone.hashing import ArtifactId, parse_artifact_id
from xferzone.refs import Door
from xferzone.repository import shunning
from xferzone.store import shunned
from xferzone.wording import counted


@click.group(invoke_without_command=True)
@click.pass_context
def shun(ctx: click.Context) -> None:
    """Artifacts that are to be gone, and never taken again.

    \b
    Examples:
      xferzone shun
      xferzone shun add 8dabdf4b82f551971fe4c060f466d4050ad836ceaf31d1d67fc18da362aecdad
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@shun.command("list")
@click.pass_obj
def list_(settings: Settings) -> None:
    """What is shunned, since when and why.

    \b
    Example:
      xferzone shun list
    """
    with reading(settings) as (reader, _):
        found = shunned.listed(reader)
    if settings.json:
        rows = [{"id": each.id, "date": iso(each.time_ms), "comment": each.comment} for each in found]
        show_json({"shunned": rows})
    elif not found:
        click.echo("nothing is shunned", err=True)
    else:
        show_table([[each.id, when(each.time_ms), each.comment or "-"] for each in found])


@shun.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("-m", "--comment", default="", metavar="TEXT", help="Why; readers who ask for the list get it.")
@click.pass_obj
def add(settings: Settings, ids: Sequence[str], comment: str) -> None:
    """Drop the content of artifacts, and never take it again.

    Each ID is a whole hash. It may be one that is not here. What published versions of zones are made of is refused.
    Other repositories keep what they have: run it there, too.

    \b
    Example:
      xferzone shun add -m "a password" 8dabdf4b82f551971fe4c060f466d4050ad836ceaf31d1d67fc18da362aecdad
    """
    wanted = _parsed(ids)
    with changing(settings) as (writer, refs):
        gone = shunning.shun(writer, refs, wanted, comment, occasion(Door.START))
    if settings.json:
        show_json({"shunned": wanted, "dropped": gone})
    else:
        click.echo(f"{counted(len(wanted), 'artifact')} shunned, {len(gone)} dropped", err=True)


@shun.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.pass_obj
def remove(settings: Settings, ids: Sequence[str]) -> None:
    """Take artifacts again from whoever brings them.

    \b
    Example:
      xferzone shun remove 8dabdf4b82f551971fe4c060f466d4050ad836ceaf31d1d67fc18da362aecdad
    """
    wanted = _parsed(ids)
    with changing(settings) as (writer, _):
        known = shunned.among(writer, wanted)
        for each in wanted:
            if each not in known:
                raise NotFound(f"{each} is not shunned")
        shunned.remove(writer, wanted)
    if settings.json:
        show_json({"removed": wanted})
    else:
        click.echo(f"{counted(len(wanted), 'artifact')} may come again", err=True)


def _parsed(ids: Sequence[str]) -> list[ArtifactId]:
    found: dict[ArtifactId, None] = {}
    for each in ids:
        try:
            found[parse_artifact_id(each.encode())] = None
        except ValueError as exc:
            raise UsageError(
                f"{each!r} is not an artifact: give the whole hash, 40 or 64 lower-case hex digits"
            ) from exc
    return list(found)
