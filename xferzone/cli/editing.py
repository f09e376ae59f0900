"""The verbs that change records: set, add, delete, reset."""

from dataclasses import replace

import click

from xferzone.cli import which
from xferzone.cli.committing import Writing, commit, on_branch, writing
from xferzone.cli.conditions import if_exists, is_given
from xferzone.cli.input import WordsCommand
from xferzone.cli.settings import Settings, now_ms
from xferzone.edit.appending import Commit
from xferzone.edit.commit import Edit
from xferzone.edit.naming import zone_branch
from xferzone.errors import UsageError
from xferzone.hashing import short
from xferzone.history.revision import resolve
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Writer
from xferzone.zone import changes
from xferzone.zonefile import names

MAX_COMMENT = 200  # letters of a command line that are kept as a comment


@click.command("set", cls=WordsCommand)
@click.argument("name")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[TTL] TYPE RDATA...")
@which.zone_option
@writing
@click.pass_obj
def set_(settings: Settings, name: str, words: tuple[str, ...], chosen: str | None) -> None:
    """Replace an RRset.

    Names are absolute, with or without the final dot. Without TTL it is the RRset's, else 3600. The record goes to the
    deepest zone here that holds NAME; a DS of a zone here goes to the zone above it, if that is here too. RDATA may be
    given several times; where its end does not show, as in TXT, put --and between.

    \b
    Examples:
      xferzone set www.example.com. 300 A 192.0.2.1
      xferzone set www.example.com A 192.0.2.1 192.0.2.2
      xferzone set example.com TXT v=spf1 mx -all --and token=1
      xferzone set sub.example.com NS ns1.example.net. -z example.com
    """
    _change(settings, "set", (name, *words), chosen)


@click.command(cls=WordsCommand)
@click.argument("name")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[TTL] TYPE RDATA...")
@which.zone_option
@writing
@click.pass_obj
def add(settings: Settings, name: str, words: tuple[str, ...], chosen: str | None) -> None:
    """Add records to an RRset.

    \b
    Examples:
      xferzone add www.example.com AAAA 2001:db8::1
      xferzone add '*.example.com' A 192.0.2.1         quoted: the shell would put files in place of *
    """
    if name.lower() == "zone" and len(words) == 1:
        raise UsageError(f"add adds a record: `xferzone zone add {words[0]}` adds a zone")
    _change(settings, "add", (name, *words), chosen)


@click.command(cls=WordsCommand)
@click.argument("name")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[TYPE [RDATA...]]")
@which.zone_option
@if_exists
@writing
@click.pass_obj
def delete(settings: Settings, name: str, words: tuple[str, ...], chosen: str | None) -> None:
    """Delete a name, an RRset or records.

    \b
    Examples:
      xferzone delete old.example.com
      xferzone delete www.example.com A
      xferzone delete www.example.com A 192.0.2.1
    """
    _change(settings, "delete", (name, *words), chosen)


@click.command()
@click.argument("name", metavar="ZONE")
@click.argument("revision", metavar="REV")
@writing
@click.pass_obj
def reset(settings: Settings, name: str, revision: str) -> None:
    """Serve an older version again, as a new check-in; the undo.

    REV of another branch, as a canary's name, brings that branch's content to main; what main got since is dropped,
    where `fossil merge` in a check-out of main would keep both. A removed zone comes back by main~1.

    \b
    REV: a check-in's id or its beginning, a branch, a tag, any of these with ~N, @DATE or @-2h (UTC);
         without a name before ~ or @ it is of the branch worked on, main

    \b
    Examples:
      xferzone reset example.com main~1
      xferzone reset example.com @2026-11-01
      xferzone reset example.com canary
    """
    zone = names.parse_zone(name)

    def act(edit: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        to = resolve(writer, refs, zone, revision, now_ms(), Writing.given().branch)
        return edit.reset(to, Writing.given().message or f"reset to {short(to)}")

    commit(settings, on_branch(zone), act)


def _change(settings: Settings, verb: str, words: tuple[str, ...], chosen: str | None) -> None:
    """Commit the change of one command line, which is the check-in's comment unless -m gives one."""
    try:
        wanted = replace(changes.parse_change(verb, words), if_exists=is_given())
    except UsageError as exc:
        if which.are_files(words[:2]):
            exc.args = (f"{exc}; {' and '.join(words[:2])} are files here: {which.QUOTE}",)
        raise

    def act(edit: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        return edit.change([wanted], Writing.given().message or _shortened(" ".join((verb, *words))))

    def target(refs: LocalRefs) -> BranchName:
        branch = Writing.given().branch
        zone = which.zone_of(refs, wanted.name, which.named(chosen), branch, is_ds=wanted.is_ds)
        return zone_branch(zone, branch)

    commit(settings, target, act)


def _shortened(comment: str) -> str:
    return comment if len(comment) <= MAX_COMMENT else f"{comment[:MAX_COMMENT]}..."
