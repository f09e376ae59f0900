"""xferzone group: check, restore and clobber, for a group in which something is wrong."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import click

from xferzone.cli import grouped
from xferzone.cli.configuration import config_option
from xferzone.cli.grouped import Own
from xferzone.cli.output import printable, show_json
from xferzone.cli.serving import differing
from xferzone.cli.settings import Settings, own_login
from xferzone.cli.terminal import agreed
from xferzone.env import SYSTEM
from xferzone.errors import UsageError
from xferzone.exchange.group import clobbering, overview, restoring
from xferzone.exchange.group.asked import Asking
from xferzone.exchange.group.asking import heard_of
from xferzone.exchange.group.checking import Checked, Problem, problems
from xferzone.exchange.group.clobbering import Loss
from xferzone.exchange.group.deciding import Group
from xferzone.exchange.group.http import HTTPFellows
from xferzone.hashing import short
from xferzone.refs import DEFAULT_BRANCH, BranchName
from xferzone.refs.consensus import SharedRefs, Tip
from xferzone.refs.roster import Member, Roster, known_fellows, registered
from xferzone.wording import counted


@click.command()
@config_option
@click.pass_obj
def check(settings: Settings, file: Path | None) -> None:
    """Say what is wrong with the group, and what mends it.

    Each member is asked, and each key compared. The exit code is 1 if anything is wrong.

    \b
    Example:
      xferzone group check
    """
    with grouped.member(settings.repository, file) as own:
        found = _problems(own, file)
    if settings.json:
        show_json({"problems": [{"what": each.what, "remedy": each.remedy} for each in found]})
    else:
        for each in found:
            click.echo(printable(f"{each.what}: {each.remedy}"))
        click.echo(counted(len(found), "problem"), err=True)
    if found:
        raise click.exceptions.Exit(1)


def _problems(own: Own, file: Path | None) -> list[Problem]:
    stands = overview.overview(own.store, own.keys)
    assert stands is not None
    with own.store.reader() as reader:
        known = known_fellows(reader)
    members = known if stands.roster is None else stands.roster.members
    fellows = {name: each for name, each in members.items() if name != own.share.name}
    lacked = [each.tip for each in stands.behind if not each.is_here]
    if lacked:
        with closing(HTTPFellows(own.share, own.project, lambda: members)) as way:
            way.fetch(own.store, lacked)
        stands = overview.overview(own.store, own.keys)
        assert stands is not None
    heard, unheard = heard_of(fellows, Asking(own.store, own.share, own.project, SYSTEM))
    checked = Checked(stands, own.project, heard, unheard, differing(own, file, stands.serving))
    with own.store.reader() as reader:
        return list(problems(reader, own.keys, checked))


@click.command()
@click.option(
    "--without", "excused", multiple=True, metavar="NAME", help="A member that is lost, and need not answer."
)
@click.option("--copies", type=click.IntRange(1, 16), metavar="K", help="As of `group join`.")
@config_option
@click.pass_obj
def restore(settings: Settings, excused: Sequence[str], copies: int | None, file: Path | None) -> None:
    """Write the keys again, after etcd was emptied or restored from a backup.

    Every other member is asked where its branches stand. Where all stand on one line, its end is written, and the group
    begins another life; the others join it with `xferzone group join`. Where they do not, both ends are named, and
    nothing is written.

    \b
    Example:
      xferzone group restore
    """
    with grouped.member(settings.repository, file) as own, ExitStack() as held:

        def known() -> Mapping[str, Member]:
            with own.store.reader() as reader:  # the restore comes to know of more
                return known_fellows(reader)

        way = held.enter_context(closing(HTTPFellows(own.share, own.project, known)))
        asking = Asking(own.store, own.share, own.project, SYSTEM)
        done = restoring.restore(own.store, own.keys, restoring.Terms(asking, way, SYSTEM, excused, copies))
    if settings.json:
        show_json(
            {"group": done.share.group, "branches": len(done.roster.tips()), "others": list(done.others)}
        )
        return
    click.echo(
        f"{counted(len(done.roster.tips()), 'branch')} written; this is another life of the group", err=True
    )
    for name in done.others:
        click.echo(printable(f"next, at {name}: xferzone group join"), err=True)


@click.command()
@click.argument("branch", metavar="ZONE/BRANCH")
@click.option("--yes", is_flag=True, help="Do it without asking.")
@click.option(
    "--accept-clobber",
    "accepts",
    is_flag=True,
    help="In a member that has what was lost: go where the group went.",
)
@config_option
@click.pass_obj
def clobber(settings: Settings, branch: str, yes: bool, accepts: bool, file: Path | None) -> None:
    """Let a branch go on although what its key names is lost.

    It shows what is lost, and asks. What comes then goes on from the newest version that a member has, with a serial
    above the lost one. Where no member has any, the branch begins anew, without a zone: add it again.

    \b
    Example:
      xferzone group clobber example.com/main
    """
    named = BranchName.parse(branch if "/" in branch else f"{branch}/{DEFAULT_BRANCH}")
    if named is None:
        raise UsageError(f"{branch!r} is not a branch of a zone: give ZONE/BRANCH")
    if settings.json and not (yes or accepts):
        raise UsageError("--format json asks nothing: give --yes, too")
    with grouped.member(settings.repository, file) as own, ExitStack() as held:
        roster = Roster.read(own.keys, own.space)
        way = held.enter_context(
            closing(HTTPFellows(own.share, own.project, lambda: registered(own.keys, own.space)))
        )
        group = Group(own.share.name, SharedRefs(own.keys, own.space, own.share.group), way)
        if accepts:
            tip: Tip | None = clobbering.accept(own.store, group, named, own_login(), SYSTEM)
        else:
            asking = Asking(own.store, own.share, own.project, SYSTEM)
            terms = clobbering.Terms(
                roster.fellows(own.share.name), asking, lambda loss: _agrees(loss, yes), own_login(), SYSTEM
            )
            tip = clobbering.clobber(own.store, group, named, terms)
    if tip is None:
        raise click.Abort
    if settings.json:
        show_json({"branch": str(named), "checkin": tip.checkin, "serial": tip.serial})
    else:
        click.echo(f"{printable(str(named))} {short(tip.checkin)} serial {tip.serial or '-'}")


def _agrees(loss: Loss, yes: bool) -> bool:
    serial = "" if loss.lost.serial is None else f", serial {loss.lost.serial}"
    told = [
        f"lost: {short(loss.lost.checkin)}{serial}, published by {loss.lost.member}",
        f"nobody that answers has a version of {loss.branch}: it begins anew, without a zone"
        if loss.base is None
        else f"{loss.branch} goes on from {short(loss.base)}; what came between is lost, too",
        *(f"{name} was not asked, and may have it: {why}" for name, why in loss.unheard.items()),
    ]
    for line in told:
        click.echo(printable(line), err=True)
    return yes or agreed("go on without it?")
