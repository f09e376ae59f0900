"""Verbs that commit: their options, and the one transaction in which they do it."""

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import click

from xferzone.cli import locking
from xferzone.cli.output import (
    MAX_SHOWN,
    as_faults,
    changes_as_json,
    default_ttl_as_json,
    printable,
    show_changes,
    show_difference,
    show_json,
    show_warnings,
)
from xferzone.cli.settings import Settings, committing, now_ms, own_login
from xferzone.edit.appending import Author, Commit
from xferzone.edit.commit import Edit
from xferzone.edit.naming import check_utf8, zone_branch
from xferzone.errors import DatedAhead, RecordsLost, RefConflict, Refused
from xferzone.hashing import short
from xferzone.refs import DEFAULT_BRANCH, BranchName, LocalRefs
from xferzone.repository import clock
from xferzone.store import Store, Writer, schema
from xferzone.zone.difference import Difference
from xferzone.zone.loss import MAX_LOST
from xferzone.zonefile import names

_META = "xferzone.writing"
#: The option with which a commit goes on where it was refused.
_ALLOWING: Mapping[type[Refused], str] = {RecordsLost: "--allow-loss", DatedAhead: "--allow-older"}
_Command = TypeVar("_Command", bound=Callable[..., object])
#: What a verb does to a branch.
Act = Callable[[Edit, Writer, LocalRefs], Commit]


@dataclass(frozen=True, slots=True)
class Writing:
    """The options of all that write."""

    branch: str
    message: str | None
    dry_run: bool
    login: str | None
    strict: bool
    allow_older: bool
    allow_loss: bool = False
    override_lock: bool = False

    @classmethod
    def given(cls) -> "Writing":
        """As the command line of the running verb gives them."""
        given = cls(**click.get_current_context().meta[_META])
        check_utf8(given.branch)
        return given


class _DryRun(Exception):
    """Rolls the transaction back, with success."""


def writing(command: _Command) -> _Command:
    """Give a verb -b, -m, --strict, --allow-loss, --allow-older, --dry-run and --as; Writing.given() reads them."""
    # Large steps of the serial needed this option once; scripts still give it.
    jump = click.option("--serial-jump", is_flag=True, hidden=True, expose_value=False)
    on = f"The zone's branch; {DEFAULT_BRANCH} is the one served."
    return jump(_with_options(command, on, may_lose=True))


def writing_on(branch: str) -> Callable[[_Command], _Command]:
    """The same for a verb that takes no records from a zone that stays; `branch` says what its -b means."""
    return lambda command: _with_options(command, branch, may_lose=False)


def _with_options(command: _Command, branch: str, *, may_lose: bool) -> _Command:
    lost = f"Store it though over {MAX_LOST} % of the zone's records go."
    strict = "Take a warning for a fault: exit code 6, nothing stored."
    older = "Follow a check-in that is dated over 5 minutes ahead, 1 ms after it."
    options = [
        _option("-b", "branch", metavar="BRANCH", default=DEFAULT_BRANCH, text=branch),
        _option("-m", "message", metavar="TEXT", text="The check-in's comment."),
        _option("--dry-run", text="Show what would change, and store nothing."),
        _option("--strict", text=strict),
        *([_option("--allow-loss", text=lost)] if may_lose else ()),
        _option("--allow-older", text=older),
        _option(
            "--override-lock", text="In a clone: commit though somebody else is about to, and ask no remote."
        ),
        _option("--as", "login", metavar="LOGIN", text="The author; else XFERZONE_USER, else you."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _option(
    *words: str, text: str, metavar: str | None = None, default: str | None = None
) -> Callable[[_Command], _Command]:
    """An option that Writing.given() reads; without a `metavar` it is a flag."""

    def keep(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
        assert parameter.name is not None
        ctx.meta.setdefault(_META, {})[parameter.name] = value

    is_flag = metavar is None
    return click.option(
        *words,
        default=False if is_flag else default,
        is_flag=is_flag,
        metavar=metavar,
        expose_value=False,
        callback=keep,
        help=text,
    )


def commit(
    settings: Settings,
    target: Callable[[LocalRefs], BranchName],
    act: Act,
    again: Sequence[str] | None = None,
) -> None:
    """Do `act` on the `target` branch, in one transaction, and print what it did.

    `again`: the words of the command that would do it once more. None: those of the command line that runs.

    Raises:
        RefConflict: it lost a race against another check-in; the work is kept on a fork branch.
        Locked: in a clone, somebody else is about to commit there.
        RecordsLost, DatedAhead: the message has the command that does it all the same.
    """
    ((done, is_unsent),) = _committed(settings, lambda refs: [(target(refs), act)], again)
    options = Writing.given()
    if options.dry_run:
        click.echo("dry run: nothing was stored", err=True)
    if settings.json:
        show_warnings(done.warnings)
        show_json(_as_json(done, is_dry=options.dry_run))
    else:
        _show(done, MAX_SHOWN, is_dry=options.dry_run)
        if is_unsent:
            click.echo("not sent yet: xferzone sync", err=True)
    if done.fork is not None and not options.dry_run:
        raise _beaten(done)


def commit_all(
    settings: Settings,
    plan: Callable[[LocalRefs], Sequence[tuple[BranchName, Act]]],
    warnings: Sequence[str] = (),
) -> None:
    """Do what the plan has for each branch, in one transaction: all of it or nothing. Print what was done.

    `warnings`: of all of it.

    Raises:
        RecordsLost, DatedAhead: the message has the command that does it all the same.
    """
    options = Writing.given()
    if options.strict and warnings:
        raise as_faults(warnings, "nothing was stored")
    all_done = _committed(settings, plan)
    if options.dry_run:
        click.echo("dry run: nothing was stored", err=True)
    if settings.json:
        commits = [_as_json(done, is_dry=options.dry_run) for done, _ in all_done]
        show_warnings([*warnings, *(warning for done, _ in all_done for warning in done.warnings)])
        show_json({"commits": commits, "warnings": warnings})
        return
    show_warnings(warnings)
    left = MAX_SHOWN
    for done, _ in all_done:
        left -= _show(done, left, is_dry=options.dry_run)
    if any(is_unsent for _, is_unsent in all_done):
        click.echo("not sent yet: xferzone sync", err=True)


def _committed(
    settings: Settings,
    plan: Callable[[LocalRefs], Sequence[tuple[BranchName, Act]]],
    again: Sequence[str] | None = None,
) -> list[tuple[Commit, bool]]:
    """Carry out the plan in one transaction, or see what it would do. Returns each commit, and whether it waits for a
    sync."""
    options, all_done = Writing.given(), list[Commit]()
    is_free = options.dry_run or options.override_lock

    def ask(store: Store) -> None:
        locking.ask(store, lambda refs: [branch for branch, _ in plan(refs)])

    try:
        with committing(settings, options.login, None if is_free else ask) as (writer, refs):
            acts = plan(refs)
            is_joint = len({branch for branch, _ in acts}) > 1
            author = Author(own_login(options.login), now_ms(), options.allow_older, is_joint)
            late = clock.doubts(writer, author.now_ms)
            for branch, act in acts:
                edit = Edit(writer, refs, branch, author, allow_loss=options.allow_loss)
                all_done.append(act(edit, writer, refs))
            doubts = [warning for done in all_done for warning in done.warnings]
            if options.strict and doubts:
                raise as_faults(doubts, "nothing was stored")
            if options.dry_run:
                raise _DryRun
            writer.make_clusters()
            is_clone = writer.role == schema.CLONE
    except _DryRun:
        is_clone = False
    except (RecordsLost, DatedAhead) as exc:
        _say_how(exc, again or sys.argv[1:])
        raise
    # Doubts about the clock, which --strict does not hold against the commits, are told once.
    at = next((at for at, done in enumerate(all_done) if done.checkin is not None), None)
    if at is not None:
        all_done[at] = all_done[at].warned(late)
    return [(done, is_clone and done.checkin is not None) for done in all_done]


def _beaten(done: Commit) -> RefConflict:
    """The error of a commit that lost a race."""
    kept = f"a newer check-in (your work is kept on branch {done.fork})"
    return RefConflict(str(done.branch), "where you began", kept)


def _say_how(exc: Refused, words: Sequence[str]) -> None:
    """Add to the error how the command of these words would do it all the same."""
    command = with_options(words, _ALLOWING[type(exc)])
    exc.args = (f"{exc}\nnothing was stored; to store it all the same: {command}",)


def with_options(words: Sequence[str], *options: str) -> str:
    """The command line of these words, with more options."""
    at = words.index("--") if "--" in words else len(words)  # what follows is data
    return shlex.join(["xferzone", *words[:at], *options, *words[at:]])


def _show(done: Commit, most: int, *, is_dry: bool) -> int:
    """Print what was done, or (`is_dry`) what would be: the warnings, at most so many lines of changes, the check-in's
    name. Returns how many lines of changes were printed."""
    show_warnings(done.warnings)
    changes = done.changes or Difference()
    count = len(changes.gone) + len(changes.come)
    if done.checkin is None:
        click.echo(f"{done.tag or done.branch}: nothing changed", err=True)
        return 0
    if is_dry:
        if (told := changes.default_told()) is not None:
            click.echo(told, err=True)
        show_difference(changes, done.branch.zone)
        return 0
    show_changes(changes, done.branch.zone, most)
    serial = "" if done.serial is None else f" serial {done.serial}"
    counts = "" if most or not count else f" (-{len(changes.gone)} +{len(changes.come)})"
    name = printable(done.tag or done.fork or str(done.branch))
    click.echo(f"{name} {short(done.checkin)}{serial}{counts}")
    return min(count, most)


def tell_unchanged(settings: Settings, branch: BranchName, serial: int | None) -> None:
    """Say that there was nothing to commit on the branch, which serves `serial`."""
    done, is_dry = Commit(branch, None, serial), Writing.given().dry_run
    if settings.json:
        show_json(_as_json(done, is_dry=is_dry))
    else:
        _show(done, 0, is_dry=is_dry)


def _as_json(done: Commit, *, is_dry: bool) -> Mapping[str, object]:
    answer: dict[str, object] = {
        "zone": names.zone_name(done.branch.zone).to_text(),
        "branch": str(done.branch),
        "checkin": None if is_dry else done.checkin,
        "serial": done.serial,
        "fork": done.fork,
        "dry_run": is_dry,
        "warnings": done.warnings,
        "changes": changes_as_json(done.changes or Difference(), done.branch.zone),
        **default_ttl_as_json(done.changes or Difference()),
    }
    return answer if done.tag is None else answer | {"tag": done.tag}


def on_branch(zone: str) -> Callable[[LocalRefs], BranchName]:
    """For `commit`: the branch of `zone` that -b names."""
    return lambda refs: zone_branch(zone, Writing.given().branch)
