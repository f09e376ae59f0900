"""The verb `apply`: many lines of set, add and delete, as one check-in of each zone that they touch.

apply FILE|-              each line goes to the zone that its record belongs to (which.py)
apply -z ZONE FILE|-      all of them go to ZONE;  apply ZONE FILE|-  says the same
"""

from collections.abc import Iterator
from dataclasses import replace

import click

from xferzone.cli import which
from xferzone.cli.committing import Act, Writing, commit, commit_all, writing
from xferzone.cli.conditions import if_exists, is_given
from xferzone.cli.input import read_input, source
from xferzone.cli.settings import Settings
from xferzone.cli.which import Named
from xferzone.edit.appending import Commit
from xferzone.edit.commit import Edit
from xferzone.edit.naming import zone_branch
from xferzone.errors import Fault, NotFound, UsageError, ZoneInvalid
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Writer
from xferzone.wording import counted
from xferzone.zone import changes
from xferzone.zone.changes import Change
from xferzone.zonefile import names

_NO_FILE = "the changes are read from a file, or with - from standard input"


@click.command()
@click.argument("words", nargs=-1, metavar="[ZONE] FILE|-")
@which.zone_option
@if_exists
@writing
@click.pass_obj
def apply(settings: Settings, words: tuple[str, ...], chosen: str | None) -> None:
    """Do many changes at once: lines of set, add and delete.

    Each line goes to the deepest zone here that holds its name, or to ZONE if that is given. Every zone gets one
    check-in, all of them in one transaction: if a line is wrong, nothing is stored.

    A line that begins with # or ; is a comment. Quotes are as in a zone file, and can be left out as on the
    command line. A script that may run twice gives --if-exists: then a line that deletes what is gone changes nothing.

    \b
    Examples:
      printf 'set www.example.com A 192.0.2.7\\ndelete old.example.org\\n' | xferzone apply -
      xferzone apply -z example.com changes
    """
    named, file = _meant(words, which.named(chosen))
    wanted = list(_changes(file))
    if named is None:
        commit_all(settings, lambda refs: [(branch, _act(own)) for branch, own in _by_branch(refs, wanted)])
        return
    commit(settings, lambda refs: _named_branch(refs, wanted, named), _act(wanted))


def _meant(words: tuple[str, ...], named: Named | None) -> tuple[Named | None, str]:
    """The zone and the file that `[ZONE] FILE` and -z mean. Raises UsageError: they name two zones, or no file."""
    if len(words) not in (1, 2):
        raise UsageError("apply what? apply [-z ZONE] FILE, or - for standard input")
    *zone, file = words
    if not zone:
        return named, file
    given = Named(names.parse_zone(zone[0]), "ZONE")
    if named is not None and named.by != which.VARIABLE and named.zone != given.zone:
        raise UsageError(f"{given.zone} and {named.by} {named.zone} are two zones: give one of them")
    return given, file


def _changes(file: str) -> Iterator[Change]:
    """The changes of a batch, each with its place. Raises ZoneInvalid with the faults of all lines; UsageError."""
    faults: list[Fault] = []
    for number, line in enumerate(
        read_input(file, _NO_FILE).decode("utf-8", "surrogateescape").split("\n"), 1
    ):
        try:
            change = changes.parse_line(line)
        except ZoneInvalid as exc:
            faults += [Fault(source(file), number, fault.reason) for fault in exc.faults]
            continue
        except UsageError as exc:
            raise UsageError(f"{source(file)} line {number}: {exc}") from exc
        if change is not None:
            yield replace(change, place=f"{source(file)} line {number}", if_exists=is_given())
    if faults:
        raise ZoneInvalid(faults)


def _named_branch(refs: LocalRefs, wanted: list[Change], named: Named) -> BranchName:
    """The branch of the zone that was chosen. Raises NotFound: no such zone; UsageError: a line is outside it."""
    named.check(refs)
    for change in wanted:
        try:
            named.owner(change.name)
        except UsageError as exc:
            raise UsageError(f"{change.place}: {exc}") from exc
    return zone_branch(named.zone, Writing.given().branch)


def _by_branch(refs: LocalRefs, wanted: list[Change]) -> list[tuple[BranchName, list[Change]]]:
    """The changes of each branch, all in the order of the batch. Raises as which.zone_of does, with the line."""
    found: dict[BranchName, list[Change]] = {}
    branch = Writing.given().branch
    for change in wanted:
        try:
            zone = which.zone_of(refs, change.name, None, branch, is_ds=change.is_ds)
        except (NotFound, UsageError) as exc:
            exc.args = (f"{change.place}: {exc}",)
            raise
        found.setdefault(zone_branch(zone, branch), []).append(change)
    return list(found.items())


def _act(wanted: list[Change]) -> Act:
    def act(edit: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        told = f"apply {counted(len(wanted), 'change')} to {edit.zone}"
        return edit.change(wanted, Writing.given().message or told)

    return act
