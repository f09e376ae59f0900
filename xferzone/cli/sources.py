"""Where the zones of `zone add` come from when there are many: a directory of zone files, or a named.conf.

    DIR         ─> its files, without hidden ones and those that BIND and editors leave ─> those that have an SOA record
    named.conf  ─> its primary zones, with what it includes ─> the file of each

Which zone a file is of: named.conf says so, else its SOA and $ORIGIN, else its name.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from glob import glob
from pathlib import Path
from typing import NamedTuple

from xferzone.cli.input import read_input, source
from xferzone.errors import Fault, UsageError, XferzoneError, ZoneInvalid
from xferzone.zonefile import namedconf, names
from xferzone.zonefile.namedconf import Statement

MAX_INCLUDED = 200  # files of one named.conf; ours
_ORIGIN = re.compile(rb"^\$ORIGIN[ \t]+(\S*\.)(?=\s)", re.MULTILINE | re.IGNORECASE)
_SOA = re.compile(rb"^([^\s;]\S*)?[ \t]+(?:(?:\d\S*|IN)[ \t]+)*SOA\s", re.MULTILINE | re.IGNORECASE)
_LEFT_OVER = re.compile(r"^\.|~$|\.(?:jnl|jbk|bak|orig|rej|sw[op])$")
_NAMES = re.compile(r"(?:db\.)?(?P<zone>.+?)\.?(?:\.zone|\.db|\.hosts)?", re.IGNORECASE)
_PRIMARY = {"master", "primary"}


class ZoneFile(NamedTuple):
    """A zone, its text, and the file that has it."""

    zone: str
    content: bytes
    file: str


class Found(NamedTuple):
    """What a directory or a named.conf holds, in the order of the zones' ids; `warnings`: what was passed over."""

    files: list[ZoneFile]
    warnings: list[str]


def in_directory(directory: str) -> Found:
    """The zones whose files lie in the directory itself.

    Raises:
        XferzoneError: a file cannot be read.
        ZoneInvalid: of some file it is not known which zone it is.
    """
    files: list[ZoneFile] = []
    warnings: list[str] = []
    faults: list[Fault] = []
    try:
        paths = sorted(Path(directory).iterdir())
    except OSError as exc:
        raise XferzoneError(f"{directory} cannot be read: {exc.strerror}") from exc
    for path in paths:
        if _LEFT_OVER.search(path.name) or not path.is_file():
            continue
        content = read_input(str(path))
        if _SOA.search(content) is None:
            warnings.append(f"{path} has no SOA record and was passed over")
            continue
        try:
            files.append(ZoneFile(zone_of(content, str(path)), content, str(path)))
        except UsageError as exc:
            faults.append(Fault(str(path), 0, str(exc)))
    return Found(_each_once(files, faults), warnings)


def in_named_conf(file: str) -> Found:
    """The primary zones of class IN that a named.conf has, its views and what it includes counted in.

    Raises:
        XferzoneError: a file cannot be read.
        ZoneInvalid: two files are named for one zone.
    """
    files: list[ZoneFile] = []
    others: list[str] = []
    faults: list[Fault] = []
    statements = list(_included(file, [MAX_INCLUDED]))
    directories = [*_directories(statements, file), Path(file).parent]
    for name, settings, line in _zone_statements(statements):
        kind = settings.get("type", "hint").lower()
        if kind not in _PRIMARY or "file" not in settings:
            others += [name] if kind != "hint" else []
            continue
        try:
            zone = names.parse_zone(name)
        except UsageError as exc:
            faults.append(Fault(file, line, str(exc)))
        else:
            path = _beside(settings["file"], directories)
            files.append(ZoneFile(zone, read_input(path), path))
    passed = f"{file}: passed over, since this server is not their primary: {', '.join(others)}"
    return Found(_each_once(files, faults), [passed] if others else [])


def zone_of(content: bytes, file: str) -> str:
    """The zone that a file is of: what its SOA says, else its own name. Raises UsageError: neither says it."""
    said = zone_said(content)
    if said is not None:
        return said
    named = _NAMES.fullmatch(Path(file).name)
    if file != "-" and named is not None:
        zone = names.parse_zone(named["zone"])
        # db.192.0.2 is of 2.0.192.in-addr.arpa, or of part of it.
        if not zone.rpartition(".")[2].isdigit():
            return zone
    raise UsageError(
        f"{source(file)} does not say which zone it is: its SOA is of @, and no $ORIGIN stands above it"
    )


def zone_said(content: bytes) -> str | None:
    """The owner of a file's SOA record, completed by $ORIGIN; None: it leaves that open.

    An owner without its final dot is the zone if other records have it with the dot, as in Cloudflare's exports.
    """
    soa = _SOA.search(content)
    owner = b"@" if soa is None else soa[1] or b"@"
    origins = [] if soa is None else _ORIGIN.findall(content, 0, soa.start())
    if owner.endswith(b"."):
        said = owner
    elif origins:
        said = origins[-1] if owner == b"@" else owner + b"." + origins[-1].removeprefix(b".")
    elif re.search(rb"^" + re.escape(owner) + rb"\.[ \t]", content, re.MULTILINE | re.IGNORECASE):
        said = owner
    else:
        return None
    return names.parse_zone(said.decode("ascii", "replace"))


def _each_once(files: list[ZoneFile], faults: list[Fault]) -> list[ZoneFile]:
    """The files by zone; the same file may be named twice, as by two views. Raises ZoneInvalid with all faults."""
    found: dict[str, ZoneFile] = {}
    for one in files:
        other = found.setdefault(one.zone, one)
        if other.file != one.file:
            faults.append(Fault(one.file, 0, f"{names.zone_name(one.zone)} is in {other.file}, too"))
    if faults:
        raise ZoneInvalid(faults)
    return [found[zone] for zone in sorted(found)]


def _included(file: str, left: list[int]) -> Iterator[Statement]:
    """The statements of a file, and in their places those of the files that it includes; `left`: how many may be."""
    if not left[0]:
        raise XferzoneError(f"{file}: over {MAX_INCLUDED} files are included: does one include itself?")
    left[0] -= 1
    try:
        statements = namedconf.parse(read_input(file).decode("utf-8", "surrogateescape"))
    except ValueError as exc:
        raise XferzoneError(f"{file} {exc}") from exc
    yield from _expanded(statements, file, left)


def _expanded(statements: Iterable[Statement], file: str, left: list[int]) -> Iterator[Statement]:
    for statement in statements:
        if _keyword(statement) == "include" and len(statement.words) == 2:
            pattern = str(Path(file).parent / statement.words[1])
            # glob.glob, since pathlib takes no absolute pattern.
            for path in sorted(glob(pattern)) or [pattern]:  # noqa: PTH207
                yield from _included(path, left)
        else:
            yield statement._replace(block=tuple(_expanded(statement.block, file, left)))


def _directories(statements: Iterable[Statement], file: str) -> Iterator[Path]:
    """The directory that paths are relative to, as the options have it; a relative one begins at `file`."""
    for statement in statements:
        for each in statement.block if _keyword(statement) == "options" else ():
            if _keyword(each) == "directory" and len(each.words) == 2:
                yield Path(file).parent / each.words[1]


def _zone_statements(statements: Iterable[Statement]) -> Iterator[tuple[str, Mapping[str, str], int]]:
    """Of each zone of class IN, also within views, its name, its settings of one word, and the line."""
    for statement in statements:
        for each in statement.block if _keyword(statement) == "view" else (statement,):
            if (
                _keyword(each) == "zone"
                and len(each.words) > 1
                and "".join(each.words[2:]).upper() in ("", "IN")
            ):
                settings = {_keyword(below): below.words[1] for below in each.block if len(below.words) == 2}
                yield each.words[1], settings, each.line


def _keyword(statement: Statement) -> str:
    """What a statement is about; BIND takes it in letters of either case."""
    return statement.words[0].lower() if statement.words else ""


def _beside(file: str, directories: list[Path]) -> str:
    """The file in the first directory that has it, else in the first."""
    paths = [directory / file for directory in directories]
    return str(next((path for path in paths if path.is_file()), paths[0]))
