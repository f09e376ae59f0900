"""The verb edit: a zone's text in an editor, and what becomes of it.

the zone's text ─> editor ─> saved text ─> checked, merged into what others have published ─> committed
                     ^                       | a fault, or a conflict
                     +───── edit again <─────+─────> quit: the text is kept, and the command that resumes it told
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from xferzone.cli.committing import Writing, commit, on_branch, tell_unchanged, with_options, writing
from xferzone.cli.output import printable
from xferzone.cli.settings import Settings, now_ms, reading
from xferzone.edit.appending import Commit
from xferzone.edit.commit import Edit
from xferzone.edit.naming import zone_branch
from xferzone.errors import LostRace, NotFound, UsageError, XferzoneError, ZoneInvalid
from xferzone.hashing import ArtifactId, short
from xferzone.history.revision import resolve
from xferzone.publish import served
from xferzone.refs import LocalRefs, State, lookup
from xferzone.store import Writer
from xferzone.zone import checks
from xferzone.zonefile import names, text


@dataclass(frozen=True, slots=True)
class _Draft:
    """A text that is being edited.

    Fields:
        base: the version that it was made from, and `before` that version's text.
        again: the words of the command that goes on with it.
    """

    zone: str
    base: ArtifactId
    before: bytes
    path: Path
    again: tuple[str, ...]

    @property
    def told(self) -> str:
        """Where the text is, and how to go on with it."""
        return f"your text is in {self.path}\nto go on with it: {with_options(self.again)}"


@click.command()
@click.argument("name", metavar="ZONE")
@click.option("--resume", "file", metavar="FILE", help="Go on with the text that an edit has kept in FILE.")
@click.option(
    "--base", "revision", metavar="REV", help="With --resume: the version that the text was made from."
)
@writing
@click.pass_obj
def edit(settings: Settings, name: str, file: str | None, revision: str | None) -> None:
    """Open a zone in VISUAL or EDITOR, and commit what you saved.

    What others publish meanwhile stays: your changes are made on top of theirs. If both changed the same record, the
    exit code is 4, and you are shown what it was, theirs and yours. After that, or a fault, you can edit again, or
    quit: nothing is stored, your text is kept in a file, and the command that resumes it is printed.

    \b
    Example:
      EDITOR=nano xferzone edit example.com
    """
    if (file is None) != (revision is None):
        raise UsageError(
            "--resume FILE and --base REV go together: `xferzone edit ZONE --resume FILE --base REV`"
        )
    options = Writing.given()
    draft = _begun(settings, names.parse_zone(name), file, revision)
    while not _is_committed(settings, draft, options.message or f"edit {name}"):
        pass
    if options.dry_run:
        click.echo(f"your text is in {draft.path}", err=True)
    elif file is None:
        shutil.rmtree(draft.path.parent)


def _begun(settings: Settings, zone: str, file: str | None, revision: str | None) -> _Draft:
    """The draft of an edit that begins, or that goes on with a text in `file` made from `revision`."""
    options = Writing.given()
    with reading(settings) as (reader, refs):
        branch = zone_branch(zone, options.branch)
        ref = refs.get(branch)
        if ref is None or ref.state is State.REMOVED:
            raise NotFound(lookup.branch(refs, branch))
        base = ref.checkin
        if revision is not None:
            base = resolve(reader, refs, zone, revision, now_ms(), options.branch)
        read = served.read_all(reader, zone, reader.files(base))
    before = text.draft(read.records, names.zone_name(zone), read.default)
    if file is not None:
        return _Draft(zone, base, before, Path(file), tuple(sys.argv[1:]))
    path = Path(tempfile.mkdtemp(prefix="xferzone-")) / f"{zone}.zone"
    path.write_bytes(before)
    return _Draft(zone, base, before, path, (*sys.argv[1:], "--resume", str(path), "--base", short(base)))


def _is_committed(settings: Settings, draft: _Draft, comment: str) -> bool:
    """Let people edit the draft once, and commit what they saved. False: it has a fault, and they want to go on."""
    after = _saved(draft.path)
    if after == draft.before:
        with reading(settings) as (_, refs):
            branch = zone_branch(draft.zone, Writing.given().branch)
            ref = refs.get(branch)
        tell_unchanged(settings, branch, None if ref is None else ref.serial)
        return True

    def act(change: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        given, warnings = checks.check(draft.zone, after, str(draft.path))
        ref = refs.get(change.branch)
        done = change.replace(given, comment, draft.base).warned(warnings)
        if ref is not None and ref.checkin != draft.base:
            user = printable(writer.checkin(ref.checkin).user)
            click.echo(
                f"{ref.branch}: {short(ref.checkin)} ({user}) was published meanwhile and stays", err=True
            )
        return done

    try:
        commit(settings, on_branch(draft.zone), act, draft.again)
    except XferzoneError as exc:
        if isinstance(exc, ZoneInvalid | LostRace) and not settings.json:
            click.echo("\n".join(f"xferzone: {printable(line)}" for line in str(exc).split("\n")), err=True)
            if _wants_to_go_on():
                return False
            exc.args = ("nothing was stored",)
        exc.args = (f"{exc}\n{draft.told}",)
        raise
    except OSError:
        click.echo(draft.told, err=True)
        raise
    return True


def _wants_to_go_on() -> bool:
    """Whether people want to edit again; the end of their input, or Ctrl-C, quits."""
    while True:
        click.echo("edit again, or quit and keep the text? [E/q] ", nl=False, err=True)
        try:
            answer = sys.stdin.readline()
        except KeyboardInterrupt:
            answer = ""
        if not answer:
            click.echo(err=True)
        if answer.strip().lower() in ("", "e", "edit", "q", "quit"):
            return bool(answer) and not answer.strip().lower().startswith("q")


def _saved(path: Path) -> bytes:
    """What people make of the draft in their editor."""
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        code = _ended([*shlex.split(command), str(path)])
        if code == 0:
            return path.read_bytes()
        reason = f"it ended with {code}"
    except OSError as exc:
        reason = f"{exc.strerror}: set VISUAL or EDITOR"
    except ValueError as exc:
        reason = str(exc)
    raise XferzoneError(f"{command}: {reason}; nothing was stored, your text is in {path}")


def _ended(command: Sequence[str]) -> int:
    """The exit code of an editor. Ctrl-C is for the editor while it runs, and must not cost the text."""
    # A handler, not SIG_IGN, which the editor would inherit.
    before = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        return subprocess.run(command, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)
