"""xferzone uv: put, get, cat, ls, rm, sync: files without a history, of which the newest counts."""

import base64
import stat
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

import click

from xferzone.cards.unversioned import check_name
from xferzone.cli import passwords, synced
from xferzone.cli.conditions import if_exists, is_given, tell_nothing
from xferzone.cli.output import iso, printable, show_json, when
from xferzone.cli.settings import Settings, changing, now_ms, reading
from xferzone.cli.talking import Manner, Talk, quiet_option, talk
from xferzone.cli.terminal import show_table
from xferzone.errors import NotFound, Refused, UsageError
from xferzone.exchange import Options, sync_unversioned
from xferzone.hashing import short
from xferzone.store import Reader, Store, schema, unversioned
from xferzone.store.remotes import origin_of
from xferzone.store.unversioned import MAX_NAME, MAX_SIZE, Unversioned
from xferzone.wording import counted

_STDIN: Final = "-"


@click.group()
def uv() -> None:
    """Unversioned files: of each the newest counts.

    They lie beside the zones and keep no history: what was there before is gone, everywhere. Members of a group share
    them; other repositories get them with `uv sync`, `sync -u` and `clone -u`, never otherwise. Fossil's `uv` commands
    work with the same files.

    \b
    Examples:
      xferzone uv put handbook.pdf
      xferzone uv sync
    """


@uv.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True)
@click.option("--as", "name", metavar="NAME", help="Its name in the repository; else it is FILE as given.")
@click.pass_obj
def put(settings: Settings, files: tuple[str, ...], name: str | None) -> None:
    """Keep files, each in the place of what has its name; - is stdin.

    \b
    Examples:
      xferzone uv put notes.txt maps/site.svg
      xferzone uv put /tmp/report-7.pdf --as report.pdf
    """
    if name is not None and len(files) > 1:
        raise UsageError("--as names one file: give one FILE")
    names = [_checked(name or file) for file in files]
    contents = [_read(file) for file in files]
    with changing(settings) as (writer, _):
        _check_takes(writer)
        changed = [
            unversioned.put_own(writer, each, content, now_ms() // 1000)
            for each, content in zip(names, contents, strict=True)
        ]
        known = [unversioned.file(writer, each) for each in names]
    if settings.json:
        rows = [_as_json(state) for state in known if state is not None]
        show_json({"files": [row | {"changed": is_} for row, is_ in zip(rows, changed, strict=True)]})
        return
    for each, content, is_changed in zip(names, contents, changed, strict=True):
        if is_changed:
            click.echo(f"{printable(each)}: put, {counted(len(content), 'byte')}")
        else:
            tell_nothing(each)


@uv.command()
@click.argument("name")
@click.argument("file", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def get(settings: Settings, name: str, file: Path | None) -> None:
    """Write the content of NAME to FILE, else to standard output.

    \b
    Examples:
      xferzone uv get report.pdf /tmp/report.pdf
      xferzone uv get notes.txt
    """
    with reading(settings) as (reader, _):
        content, state = unversioned.content(reader, name), unversioned.file(reader, name)
    assert state is not None
    if file is not None:
        file.write_bytes(content)
    if settings.json:
        where = {"file": str(file)} if file else {"content_base64": base64.b64encode(content).decode()}
        show_json(_as_json(state) | where)
    elif file is None:
        click.echo(content, nl=False)


@uv.command()
@click.argument("name")
@click.pass_context
def cat(ctx: click.Context, name: str) -> None:
    """Write the content of NAME to standard output; `uv get NAME`.

    \b
    Example:
      xferzone uv cat notes.txt
    """
    ctx.invoke(get, name=name, file=None)


@uv.command()
@click.argument("patterns", metavar="[PATTERN]...", nargs=-1)
@click.pass_obj
def ls(settings: Settings, patterns: tuple[str, ...]) -> None:
    """Hash, date of the last change, size in bytes and name of each.

    With PATTERNs of those alone whose name fits one of them: * is any text, slashes too, ? a letter, [a-z] a range.

    \b
    Examples:
      xferzone uv ls
      xferzone uv ls 'maps/*'
    """
    with reading(settings, may_be_empty=True) as (reader, _):
        known = unversioned.files(reader)
    if patterns:
        known = [each for each in known if any(fnmatchcase(each.name, pattern) for pattern in patterns)]
    if settings.json:
        show_json({"files": [_as_json(each) for each in known]})
    elif patterns and not known:
        click.echo("no unversioned file has such a name", err=True)
    elif not known:
        click.echo("there are no unversioned files: `xferzone uv put FILE` keeps one", err=True)
    else:
        show_table(
            [
                [short(each.artifact or ""), when(each.mtime * 1000), str(each.size), printable(each.name)]
                for each in known
            ]
        )


@uv.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@if_exists
@click.pass_obj
def rm(settings: Settings, names: tuple[str, ...]) -> None:
    """Delete files, here and wherever the next syncs lead. Their content is gone.

    \b
    Example:
      xferzone uv rm notes.txt
    """
    gone: list[str] = []
    with changing(settings) as (writer, _):
        _check_takes(writer)
        for name in dict.fromkeys(names):
            try:
                unversioned.put_own(writer, name, None, now_ms() // 1000)
                gone.append(name)
            except NotFound:
                if not is_given():
                    raise
                tell_nothing(name)
    if settings.json:
        show_json({"removed": gone})
        return
    for name in gone:
        click.echo(f"{printable(name)}: removed")


@uv.command()
@click.argument("remote", metavar="[URL|NAME]", required=False)
@quiet_option
@passwords.password_options
@click.pass_obj
def sync(
    settings: Settings, remote: str | None, quiet: bool, password_file: str | None, save_password: bool
) -> None:
    """Exchange unversioned files, and nothing else, with a remote; it is the one named, else origin.

    The newest state of each file goes to where an older one is. A mirror only takes. To send any, the account at a
    remote needs the capability y.

    \b
    Examples:
      xferzone uv sync
      xferzone uv sync https://ops@dns.example.net/
    """
    asked = Talk(remote, Manner(password_file, save_password, quiet))
    with Store.open(settings.repository) as store:
        done = talk(store, asked, Options(), sync_unversioned)
    if settings.json or not quiet:
        synced.show(settings, [done], "synced with", with_files=True, with_artifacts=False)
    synced.complain_of_files(done)


def _checked(name: str) -> str:
    try:
        check_name(name)
    except ValueError as exc:
        raise UsageError(
            f"{printable(name[:MAX_NAME])!r} cannot be the name of an unversioned file: give --as NAME, a relative "
            "path without blanks, backslashes, empty parts, `.` and `..`"
        ) from exc
    if len(name.encode()) > MAX_NAME:
        raise UsageError(f"{printable(name[:60])}... is too long: a name may have {MAX_NAME} bytes")
    return name


def _read(file: str) -> bytes:
    if file == _STDIN:
        content = sys.stdin.buffer.read(MAX_SIZE + 1)
    else:
        path = Path(file)
        if not path.exists():
            raise NotFound(f"there is no file {printable(file)}")
        if stat.S_ISDIR(path.stat().st_mode):
            raise UsageError(f"{printable(file)} is a directory: name its files")
        with path.open("rb") as opened:
            content = opened.read(MAX_SIZE + 1)
    if len(content) > MAX_SIZE:
        raise Refused(f"{printable(file)} is too large: an unversioned file may have {MAX_SIZE:,} bytes")
    return content


def _check_takes(reader: Reader) -> None:
    if reader.role == schema.MIRROR:
        raise Refused(
            f"this is a mirror{origin_of(reader, ' of ')}: change unversioned files there; `xferzone uv sync` brings "
            "them"
        )


def _as_json(state: Unversioned) -> dict[str, object]:
    return {
        "name": state.name,
        "hash": state.artifact,
        "size": state.size,
        "changed_at": iso(state.mtime * 1000),
    }
