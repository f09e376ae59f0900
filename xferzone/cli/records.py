"""The verbs that change records and branches: set, add, delete, apply, edit, reset, branch, tag."""

import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import click
import dns.name

from xferzone.cli.common import (
    SHORT,
    Writing,
    commit,
    now_ms,
    on_branch,
    read_input,
    reading,
    show_json,
    when,
    writing,
)
from xferzone.cli.main import Settings
from xferzone.errors import Fault, NotFound, UsageError, ZoneInvalid
from xferzone.refs import LocalRefs
from xferzone.store import Writer
from xferzone.zone import changes, form, names, text
from xferzone.zone import edit as zone_edit
from xferzone.zone.changes import Change
from xferzone.zone.edit import DEFAULT_BRANCH, Commit, Edit
from xferzone.zone.revision import resolve

# Data such as "-all" is no option; what looks like an option of ours still is.
_WORDS = {"ignore_unknown_options": True}


@click.command("set", context_settings=_WORDS)
@click.argument("name")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[TTL] TYPE RDATA...")
@writing
@click.pass_obj
def set_(settings: Settings, name: str, words: tuple[str, ...]) -> None:
    """Replace an RRset by one record.

    Names are absolute, with or without the final dot. Without TTL it is the RRset's, else 3600.

    \b
    Examples:
      xferzone set www.example.com. A 300 192.0.2.1
      xferzone set example.com TXT v=spf1 mx -all
    """
    _change(settings, [changes.parse_change("set", (name, *words))], f"set {' '.join((name, *words))}")


@click.command(context_settings=_WORDS)
@click.argument("name")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[TTL] TYPE RDATA...")
@writing
@click.pass_obj
def add(settings: Settings, name: str, words: tuple[str, ...]) -> None:
    """Add one record to an RRset.

    \b
    Example:
      xferzone add www.example.com AAAA 2001:db8::1
    """
    _change(settings, [changes.parse_change("add", (name, *words))], f"add {' '.join((name, *words))}")


@click.command(context_settings=_WORDS)
@click.argument("name")
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[TYPE [RDATA...]]")
@writing
@click.pass_obj
def delete(settings: Settings, name: str, words: tuple[str, ...]) -> None:
    """Delete a name, an RRset or one record.

    \b
    Examples:
      xferzone delete old.example.com
      xferzone delete www.example.com A
      xferzone delete www.example.com A 192.0.2.1
    """
    _change(settings, [changes.parse_change("delete", (name, *words))], f"delete {' '.join((name, *words))}")


@click.command()
@click.argument("name", metavar="ZONE")
@click.argument("file", metavar="FILE|-")
@writing
@click.pass_obj
def apply(settings: Settings, name: str, file: str) -> None:
    """Do many changes as one check-in: lines of set, add and delete; # and ; begin comments.

    \b
    Example:
      printf 'set www.example.com A 192.0.2.7\\ndelete old.example.com\\n' | xferzone apply example.com -
    """
    wanted: list[Change] = []
    for number, line in enumerate(read_input(file).decode("utf-8", "surrogateescape").splitlines(), 1):
        try:
            change = changes.parse_line(line)
        except ZoneInvalid as exc:
            raise ZoneInvalid([Fault(file, number, fault.reason) for fault in exc.faults]) from exc
        except UsageError as exc:
            raise UsageError(f"{file} line {number}: {exc}") from exc
        if change is not None:
            wanted.append(change)
    zone = names.parse_zone(name)
    for change in wanted:
        changes.owner_in(change.name, zone)

    def act(edit: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        return edit.change(wanted, Writing.given().message or f"apply {len(wanted)} changes to {name}")

    commit(settings, on_branch(zone), act)


@click.command()
@click.argument("name", metavar="ZONE")
@writing
@click.pass_obj
def edit(settings: Settings, name: str) -> None:
    """Open a zone in VISUAL or EDITOR, and commit what you saved.

    If somebody else publishes meanwhile, your version is kept on a fork branch and the exit code is 4.

    \b
    Example:
      EDITOR=nano xferzone edit example.com
    """
    zone = names.parse_zone(name)
    options = Writing.given()
    with reading(settings) as (reader, refs):
        ref = refs.get(f"{zone}/{options.branch}")
        if ref is None or not ref.numbers:
            raise NotFound(f"{zone}/{options.branch} is not served here: `xferzone zone list` shows what is")
        base = ref.checkin
        before = text.write(form.read_all(reader, zone, reader.files(base)), names.zone_name(zone))
    after, draft = _edited(before, f"{zone}.zone")
    if after == before:
        click.echo(f"{zone}/{options.branch}: nothing changed", err=True)
        return

    def act(change: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        records, _ = zone_edit.check(zone, after, str(draft))
        return change.replace(records, options.message or f"edit {name}", base)

    commit(settings, on_branch(zone), act)
    draft.unlink()
    draft.parent.rmdir()


@click.command()
@click.argument("name", metavar="ZONE")
@click.argument("revision", metavar="REV")
@writing
@click.pass_obj
def reset(settings: Settings, name: str, revision: str) -> None:
    """Serve an older version again, as a new check-in; the undo.

    \b
    Examples:
      xferzone reset example.com main~1
      xferzone reset example.com @2026-11-01
    """
    zone = names.parse_zone(name)

    def act(edit: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        to = resolve(writer, refs, zone, revision, now_ms())
        return edit.reset(to, Writing.given().message or f"reset to {to[:SHORT]}")

    commit(settings, on_branch(zone), act)


@click.command()
@click.argument("name", metavar="ZONE")
@click.argument("new", metavar="[NAME]", required=False)
@click.argument("revision", metavar="[REV]", default="")
@click.option("--close", is_flag=True, help="Close the branch NAME instead of making it.")
@writing
@click.pass_obj
def branch(settings: Settings, name: str, new: str | None, revision: str, close: bool) -> None:
    """List a zone's branches, begin one at REV, or close one.

    \b
    Examples:
      xferzone branch example.com
      xferzone branch example.com test main~1
      xferzone branch example.com test --close
    """
    zone = names.parse_zone(name)
    if new is None:
        _list_branches(settings, zone)
        return
    chosen = f"{zone}/{new.removeprefix(f'{zone}/')}"

    def act(edit: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        if close:
            return edit.close()
        at = resolve(writer, refs, zone, revision, now_ms())
        return edit.fork_off(at, Writing.given().message or f'Create new branch named "{chosen}"')

    commit(settings, lambda refs: chosen, act)


@click.command()
@click.argument("name", metavar="ZONE")
@click.argument("tag_name", metavar="NAME")
@click.argument("revision", metavar="[REV]", default="")
@writing
@click.pass_obj
def tag(settings: Settings, name: str, tag_name: str, revision: str) -> None:
    """Give a check-in a name that stays.

    \b
    Example:
      xferzone tag example.com before-move main~2
    """
    zone = names.parse_zone(name)

    def act(edit: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        return edit.mark(
            f"{zone}/{tag_name.removeprefix(f'{zone}/')}", resolve(writer, refs, zone, revision, now_ms())
        )

    commit(settings, on_branch(zone), act)


def _change(settings: Settings, wanted: list[Change], comment: str) -> None:
    def act(edit: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        return edit.change(wanted, Writing.given().message or comment)

    def target(refs: LocalRefs) -> str:
        branch = Writing.given().branch
        return f"{zone_of(refs, wanted[0].name, branch)}/{branch}"

    commit(settings, target, act)


def zone_of(refs: LocalRefs, name: dns.name.Name, branch: str = DEFAULT_BRANCH) -> str:
    """The longest zone with that branch in the repository that contains `name`. Raises NotFound if none does."""
    at = name
    while True:
        zone = names.zone_id(at)
        ref = refs.get(f"{zone}/{branch}")
        if ref is not None and ref.numbers:
            return zone
        if at == dns.name.root:
            raise NotFound(
                f"no zone here contains {name}: `xferzone zone list` shows them, `zone add` adds one"
            )
        at = at.parent()


def _list_branches(settings: Settings, zone: str) -> None:
    with reading(settings) as (reader, refs):
        listed = [reader.placed(ref.checkin) for ref in refs.of_zone(zone)]
        rows = [(each, reader.tags(each.id)) for each in listed if each is not None]
    if not rows:
        raise NotFound(f"{zone} is not in this repository: `xferzone zone list` shows what is")
    if settings.json:
        show_json([{"branch": tip.branch, "checkin": tip.id, "closed": _closed(tags)} for tip, tags in rows])
        return
    for tip, tags in rows:
        click.echo(f"{tip.branch} {tip.id[:SHORT]} {when(tip.date_ms)}{' closed' if _closed(tags) else ''}")


def _closed(tags: dict[str, tuple[str, str | None]]) -> bool:
    return tags.get("closed", ("-", None))[0] != "-"


def _edited(before: bytes, file: str) -> tuple[bytes, Path]:
    """What people make of the text in their editor, and where the draft lies until it is committed."""
    draft = Path(tempfile.mkdtemp(prefix="xferzone-")) / file
    draft.write_bytes(before)
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    ended = subprocess.run([*shlex.split(command), str(draft)], check=False)
    if ended.returncode != 0:
        raise UsageError(
            f"{command} ended with {ended.returncode}: nothing was stored; your text is in {draft}"
        )
    return draft.read_bytes(), draft
