"""xferzone group: join, leave, remove, status; serving is in serving.py, check, restore and clobber in mending.py.

What is decided is in xferzone/exchange/group; options and the configuration are in grouped.py.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from pathlib import Path

import click

from xferzone.cli import grouped, mending
from xferzone.cli.conditions import if_exists, is_given, tell_nothing
from xferzone.cli.configuration import config_option
from xferzone.cli.group_settings import remedies
from xferzone.cli.grouped import Given, etcd_options, sound
from xferzone.cli.output import printable, show_json, show_list
from xferzone.cli.serving import differing, serving
from xferzone.cli.settings import Settings, occasion, own_login
from xferzone.cli.terminal import show_table
from xferzone.exchange.group import joining, leaving, overview
from xferzone.exchange.group.copied import copy_if_empty
from xferzone.exchange.group.http import HTTPFellows
from xferzone.exchange.group.joining import Joined, Terms
from xferzone.exchange.group.leaving import Left
from xferzone.exchange.group.overview import Overview
from xferzone.exchange.mirror.following import Following, Ways
from xferzone.hashing import short
from xferzone.refs import Door
from xferzone.refs.keys import Keys
from xferzone.refs.membership import Membership
from xferzone.refs.reached import reached
from xferzone.refs.roster import Member, check_name, known_fellows
from xferzone.serve.helpers import compile_in_parallel, compiling, verifying
from xferzone.serve.process import ending_in_order
from xferzone.serve.running import listeners
from xferzone.store import Store, schema
from xferzone.transport.http import HTTP
from xferzone.transport.url import parse_member
from xferzone.transport.walk_http import WalkHTTP
from xferzone.wording import counted


@click.group()
def group() -> None:
    """Several primaries that agree by etcd; any takes changes.

    docs/group.md says what they do when they cannot reach each other, or etcd.

    \b
    Examples:
      xferzone group join --etcd http://127.0.0.1:2379 --name a --url http://192.0.2.1:8080/
      xferzone group status
    """


@group.command()
@etcd_options
@click.option(
    "--name",
    callback=sound(check_name),
    metavar="NAME",
    help="What this member is called.  [default: the host's name]",
)
@click.option(
    "--url",
    callback=sound(parse_member),
    metavar="URL",
    help="Where the other members reach this repository.",
)
@click.option(
    "--copies",
    type=click.IntRange(1, 16),
    metavar="K",
    help="How many members must hold a change before it is accepted, this one included; for the whole group.",
)
@config_option
@click.pass_obj
# many: click gives each option as an argument
def join(
    settings: Settings,
    etcd: Sequence[str],
    prefix: str | None,
    user: str | None,
    password_file: Path | None,
    ca: Path | None,
    name: str | None,
    url: str | None,
    copies: int | None,
    file: Path | None,
) -> None:
    """Make the repository a member of the group of its project.

    A primary begins the group. A clone or a mirror joins one; where there is no file yet it is copied from a member.
    In a member it changes where etcd is, --url and --copies. Whatever interrupts it, the same command goes on.

    \b
    Examples:
      xferzone group join --etcd http://etcd1:2379 --etcd http://etcd2:2379 --url http://a.example.net:8080/
      xferzone -R new.xferzone group join --etcd http://etcd1:2379 --name b --url http://b.example.net:8080/
    """
    loaded = grouped.read(settings.repository, file)
    given = Given(etcd, prefix, name, url, user, password_file, ca)
    wish = grouped.share_wished(settings.repository, given, loaded)
    with ending_in_order(), closing(reached(wish, remedies(wish, given.options, loaded))) as keys:
        done = _joined(settings.repository, keys, wish, copies or loaded.config.group.copies)
    _show_joined(settings, done)


def _warn(shortage: str) -> None:
    if shortage:
        click.echo(
            f"warning: {shortage}: no change is accepted until another one joins; `xferzone group join --copies K` "
            "asks for fewer",
            err=True,
        )


# many: what joins, by what, as what
def _joined(repository: Path, keys: Keys, wish: Membership, copies: int | None) -> Joined:
    with ExitStack() as held:
        following = Following(compiler=compile_in_parallel, helping=verifying, beginning=compiling)
        copy_if_empty(repository, keys, wish, Ways(WalkHTTP, HTTP), following)
        store = held.enter_context(Store.open(repository))
        with store.reader() as reader:
            project = reader.project_code

        def reach(share: Membership, fellows: Mapping[str, Member]) -> HTTPFellows:
            return held.enter_context(closing(HTTPFellows(share, project, lambda: fellows)))

        return joining.join(store, keys, wish, Terms(reach, copies, own_login(), compile_in_parallel))


def _show_joined(settings: Settings, done: Joined) -> None:
    share, roster = done.share, done.roster
    copies = 1 if roster.rules is None else roster.rules.copies
    moved = done.followed.moved
    _warn(roster.shortage())
    if settings.json:
        show_json(
            {
                "name": share.name,
                "url": share.url,
                "group": share.group,
                "was": done.was,
                "begun": done.has_begun,
                "copies": copies,
                "members": sorted(roster.members),
                "moved": [{"branch": str(one.branch), "to": one.new, "serial": one.serial} for one in moved],
                "dropped": list(done.dropped),
            }
        )
        return
    show_list([f"{one.branch} {short(one.new)} serial {one.serial or '-'}" for one in moved])
    for login in done.dropped:
        click.echo(printable(f"account {login} was removed here: the group does not have it"), err=True)
    what = "begun by" if done.has_begun else "joined as"
    number = counted(len(roster.members), "member")
    click.echo(
        f"group of {number} {what} {share.name} at {share.url}, which was a {done.was}; copies: {copies}",
        err=True,
    )


@group.command()
@config_option
@click.pass_obj
def leave(settings: Settings, file: Path | None) -> None:
    """Leave the group: be a clone of another member.

    Another member has to answer, and holds all that was published here before this one leaves. It is refused where too
    few members that are alive would stay for --copies. The last member becomes a primary, and the group ends.

    \b
    Example:
      xferzone group leave
    """
    with grouped.member(settings.repository, file) as own, ExitStack() as held:

        def reach(share: Membership, fellows: Mapping[str, Member]) -> HTTPFellows:
            return held.enter_context(closing(HTTPFellows(share, own.project, lambda: fellows)))

        left = leaving.leave(own.store, own.keys, reach, occasion(Door.CLI))
    assert left is not None
    _show_left(settings, left, _of_servers(settings.repository, left.origin))


def _of_servers(repository: Path, origin: str) -> list[str]:
    """That servers which run here follow nobody any more, if it is a clone of `origin` now."""
    running = sorted({(each.verb, each.pid) for each in listeners(repository)}) if origin else []
    return [
        f"warning: `xferzone {verb}`, pid {pid}, runs here and answers with what this clone has: nothing new comes any "
        f"more. End it; `xferzone -R NEW-FILE up --primary {origin}` follows the group as a mirror"
        for verb, pid in running
    ]


def _show_left(settings: Settings, left: Left, told: Sequence[str]) -> None:
    notices = [*left.notices, *told]
    role = schema.CLONE if left.origin else schema.PRIMARY
    if settings.json:
        show_json(
            {
                "role": role,
                "origin": left.origin or None,
                "pending": left.pending,
                "notices": notices,
            }
        )
        return
    for notice in notices:
        click.echo(printable(notice), err=True)
    if left.origin:
        waits = (
            f"; `xferzone push` sends {counted(left.pending, 'check-in')} not decided yet"
            if left.pending
            else ""
        )
        click.echo(printable(f"left: this is a clone of {left.origin} now{waits}"), err=True)
    else:
        click.echo("left: nobody else was in the group, which has ended; this is a primary now", err=True)


@group.command()
@click.argument("name")
@if_exists
@config_option
@click.pass_obj
def remove(settings: Settings, name: str, file: Path | None) -> None:
    """Take out member NAME, whose repository is lost.

    It is refused while that member is alive.

    \b
    Example:
      xferzone group remove b
    """
    with grouped.member(settings.repository, file) as own:
        with own.store.reader() as reader:
            known = known_fellows(reader)
        removed = leaving.remove(own.keys, own.space, name, known)
    if removed is None and not is_given():
        raise leaving.not_there(name)
    if removed is not None:
        _warn(removed.shortage)
    if settings.json:
        show_json({"name": name, "changed": removed is not None})
    elif removed is None:
        tell_nothing(name)
    else:
        click.echo(printable(f"{name} at {removed.member.url} is no longer in the group"), err=True)


@group.command()
@config_option
@click.pass_obj
def status(settings: Settings, file: Path | None) -> None:
    """Who is in the group, who is alive, and what is behind.

    \b
    Example:
      xferzone group status
    """
    with grouped.member(settings.repository, file) as own:
        found = overview.overview(own.store, own.keys)
        assert found is not None
        others = differing(own, file, found.serving)
    if settings.json:
        show_json({**_in_json(found), "differing": others})
    else:
        _show_overview(found)
        if others:
            click.echo("served otherwise than in the group:")
            show_list(list(map(printable, others)), "  ")


def _in_json(found: Overview) -> Mapping[str, object]:
    share, roster = found.share, found.roster
    members = {} if roster is None else roster.members
    rules = None if roster is None else roster.rules
    return {
        "name": share.name,
        "prefix": share.prefix,
        "etcd": list(share.etcd),
        "group": share.group,
        "copies": None if rules is None else rules.copies,
        "members": [
            {
                "name": name,
                "url": each.url,
                "alive": roster is not None and roster.is_alive(name),
                "this": name == share.name and each.life == share.life,
            }
            for name, each in sorted(members.items())
        ],
        "branches": found.branches,
        "behind": [
            {
                "branch": str(each.branch),
                "checkin": each.stands,
                "group_checkin": each.tip.checkin,
                "group_serial": each.tip.serial,
                "here": each.is_here,
            }
            for each in found.behind
        ],
        "off": list(map(str, found.off)),
        "hold": found.why if found.is_held else None,
        "unreachable": None if found.is_held or not found.why else found.why,
    }


def _show_overview(found: Overview) -> None:
    share, roster = found.share, found.roster
    click.echo(printable(f"member: {share.name}"))
    click.echo(printable(f"etcd: {' '.join(share.etcd)}, keys below {share.prefix}"))
    if roster is None or found.why:
        remedy = f": {found.remedy}" if found.remedy else ""
        click.echo(printable(f"{'on hold' if found.is_held else 'unreachable'}: {found.why}{remedy}"))
    if roster is None:
        return
    if roster.rules is not None:
        click.echo(f"copies: {roster.rules.copies}")
    click.echo("members:")
    rows = [
        [
            f"  {printable(name)}",
            printable(each.url),
            "alive" if roster.is_alive(name) else "away",
            "(this one)" if (name, each.life) == (share.name, share.life) else "",
        ]
        for name, each in sorted(roster.members.items())
    ]
    show_table(rows)
    if roster.rules is not None and roster.rules.life == share.group and share.name not in roster.members:
        click.echo(f"{printable(share.name)} is not registered: `xferzone group join`, or start its servers")
    click.echo(f"branches: {found.branches}, {len(found.behind)} behind")
    show_list(
        [
            f"{each.branch}: the group is at {short(each.tip.checkin)} from {each.tip.member}"
            + ("" if each.is_here else ", which is not here yet")
            for each in found.behind
        ],
        "  ",
    )
    if found.off:
        click.echo("not on the group's line (`xferzone group check` says what to do):")
        show_list(list(map(str, found.off)), "  ")


for _command in (serving, mending.check, mending.restore, mending.clobber):
    group.add_command(_command)
