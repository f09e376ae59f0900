"""xferzone zone: add, list, remove, import, export, check."""

import re
from pathlib import Path

import click

from xferzone.cli.committing import Writing, commit, on_branch, writing, writing_on
from xferzone.cli.conditions import if_exists, if_missing, unless_gone, unless_there
from xferzone.cli.input import read_input, source
from xferzone.cli.newname import new_zone
from xferzone.cli.output import record_as_json, show_json, show_warnings
from xferzone.cli.settings import Settings, now_ms, reading
from xferzone.edit.appending import Commit
from xferzone.edit.commit import Edit
from xferzone.errors import Exists, Fault, NotFound, UsageError, ZoneInvalid
from xferzone.hashing import short
from xferzone.history import content as served_text
from xferzone.history.revision import resolve
from xferzone.publish.serials import serial_in
from xferzone.refs import DEFAULT_BRANCH, LocalRefs, State
from xferzone.store import Writer
from xferzone.wording import counted
from xferzone.zone import checks
from xferzone.zonefile import names, text
from xferzone.zonefile.whole import ZoneText

_ORIGIN = re.compile(rb"^\$ORIGIN[ \t]+(\S*\.)(?=\s)", re.MULTILINE | re.IGNORECASE)
_SOA = re.compile(rb"^([^\s;]\S*)?[ \t]+(?:(?:\d\S*|IN)[ \t]+)*SOA\s", re.MULTILINE | re.IGNORECASE)
_NEW_ZONE = """\
$TTL 3600
@ 3600 SOA ns1 hostmaster 1 7200 3600 1209600 300
@ 3600 NS ns1
"""


@click.group()
def zone() -> None:
    """Add, list, remove and exchange zones.

    \b
    Examples:
      xferzone zone add example.com --from example.com.zone
      dig @ns1.example.net example.com AXFR | xferzone zone add example.com --from -
    """


@zone.command()
@click.argument("name", metavar="ZONE")
@click.option("--from", "file", metavar="FILE|-", help="Its records: a zone file, or what `dig AXFR` prints.")
@if_missing
@writing
@click.pass_obj
def add(settings: Settings, name: str, file: str | None) -> None:
    """Begin to serve a zone.

    Without --from it has an SOA and one name server, ns1 in the zone, for you to change. A zone that was removed begins
    so too; its old records come back by `xferzone reset ZONE main~1` instead.

    \b
    Example:
      xferzone zone add example.com --from example.com.zone
    """
    zone_id = new_zone(name)
    content = _NEW_ZONE.encode() if file is None else read_input(file)

    def act(change: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        ref = refs.get(change.branch)
        if ref is not None and ref.state is not State.REMOVED:
            raise Exists(
                f"{change.branch} is there already: `xferzone zone import {name} FILE` replaces its records"
            )
        given, warnings = _checked(zone_id, content, file)
        done = change.replace(given, Writing.given().message or f"add zone {name}")
        return done.warned(warnings)

    commit(settings, on_branch(zone_id), unless_there(act))


@zone.command("import")
@click.argument("name", metavar="ZONE")
@click.argument("file", metavar="FILE|-")
@writing
@click.pass_obj
def import_(settings: Settings, name: str, file: str) -> None:
    """Replace all records of a zone.

    \b
    Example:
      xferzone zone import example.com example.com.zone
    """
    zone_id = names.parse_zone(name)
    content = read_input(file)

    def act(change: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        ref = refs.get(change.branch)
        if ref is None or ref.state is State.REMOVED:
            raise NotFound(
                f"{change.branch} is not served here: `xferzone zone add {name} --from {file}` adds it"
            )
        given, warnings = _checked(zone_id, content, file)
        done = change.replace(given, Writing.given().message or f"import {name}")
        return done.warned(warnings)

    commit(settings, on_branch(zone_id), act)


@zone.command()
@click.argument("name", metavar="ZONE")
@if_exists
@writing_on(f"The branch to take away; {DEFAULT_BRANCH} is the one served.")
@click.pass_obj
def remove(settings: Settings, name: str) -> None:
    """Stop serving a zone; its history stays.

    It goes on, and the serial with it, when the zone is added again, or brought back by `xferzone reset ZONE main~1`.

    \b
    Example:
      xferzone zone remove example.com
    """
    zone_id, options = names.parse_zone(name), Writing.given()

    removed: list[Commit] = []

    def act(change: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        removed.append(change.remove(options.message or f"remove zone {name}"))
        return removed[0]

    commit(settings, on_branch(zone_id), unless_gone(act))
    if removed and not options.dry_run:
        on = "" if options.branch == DEFAULT_BRANCH else f" -b {options.branch}"
        click.echo(f"`xferzone reset {zone_id} {options.branch}~1{on}` brings its records back", err=True)


@zone.command("list")
@click.pass_obj
def list_(settings: Settings) -> None:
    """The zones that are served: name, serial, check-in.

    \b
    Example:
      xferzone zone list
    """
    with reading(settings) as (_, refs):
        served = [ref for ref in refs.list() if ref.branch.is_main and ref.state is not State.REMOVED]
    rows = [(names.zone_name(ref.branch.zone).to_text(), ref.serial, ref.checkin) for ref in served]
    if settings.json:
        fields = "zone", "serial", "checkin"
        show_json({"zones": [dict(zip(fields, row, strict=True)) for row in rows]})
    else:
        click.echo("".join(f"{name} {serial} {short(checkin)}\n" for name, serial, checkin in rows), nl=False)


@zone.command()
@click.argument("name", metavar="ZONE")
@click.option("--at", "revision", metavar="REV", default="", help="A version of it; else what is served.")
@click.pass_obj
def export(settings: Settings, name: str, revision: str) -> None:
    """Print a zone with its comments, in canonical form, below an $ORIGIN line that names it.

    The serial is the one that is served.

    \b
    REV: a check-in's id or its beginning, a branch, a tag, any of these with ~N, @DATE or @-2h (UTC)

    \b
    Example:
      xferzone zone export example.com --at main~1
    """
    zone_id = names.parse_zone(name)
    with reading(settings) as (reader, refs):
        checkin = resolve(reader, refs, zone_id, revision, now_ms())
        content = served_text.export(reader, zone_id, checkin)
        serial = serial_in(reader, zone_id, checkin)
    if settings.json:
        origin = names.zone_name(zone_id)
        records = [record_as_json(each, origin) for each in text.read(content, origin)]
        show_json({"zone": origin.to_text(), "checkin": checkin, "serial": serial, "records": records})
    else:
        click.echo(content, nl=False)


@zone.command()
@click.argument("file", metavar="FILE|-")
@click.option("--zone", "name", metavar="ZONE", help="The zone; else what the file's SOA or name says.")
@click.pass_obj
def check(settings: Settings, file: str, name: str | None) -> None:
    """Say whether a zone file could be served.

    Also what looks wrong in it. Needs no repository.

    \b
    Example:
      xferzone zone check example.com.zone --zone example.com
    """
    content = read_input(file)
    zone_id = names.parse_zone(name) if name is not None else _zone_of(content, file)
    try:
        read, warnings = _checked(zone_id, content, file)
    except ZoneInvalid as exc:
        if name is None:
            exc.args = (
                f"{exc}\n{source(file)} was taken for zone {names.zone_name(zone_id)}, --zone says another",
            )
        raise
    show_warnings(warnings)
    if settings.json:
        zone_name = names.zone_name(zone_id).to_text()
        show_json({"zone": zone_name, "records": len(read.records), "warnings": warnings})
    else:
        counts = f"{counted(len(read.records), 'record')}, {counted(len(warnings), 'warning')}"
        click.echo(f"{names.zone_name(zone_id)} {counts}")


def _checked(zone_id: str, content: bytes, file: str | None) -> tuple[ZoneText, list[str]]:
    """What a file says, or (None) the template, and what it is warned of. Raises ZoneInvalid."""
    try:
        return checks.check(zone_id, content, "" if file is None else source(file))
    except ZoneInvalid:
        said = _zone_said(content)
        if said is None or names.zone_name(said).is_subdomain(names.zone_name(zone_id)):
            raise
    reason = f"the file is of {names.zone_name(said)}, not of {names.zone_name(zone_id)}"
    raise ZoneInvalid([Fault(source(file or ""), 0, reason)])


def _zone_of(content: bytes, file: str) -> str:
    """The zone that a file is of: what it says, else its own name."""
    said = _zone_said(content)
    if said is not None:
        return said
    if file.endswith(".zone"):
        return names.parse_zone(Path(file).name.removesuffix(".zone"))
    raise UsageError(f"{source(file)} does not say which zone it is: add --zone ZONE")


def _zone_said(content: bytes) -> str | None:
    """The owner of a file's SOA record, completed by $ORIGIN; None: it leaves that open."""
    soa = _SOA.search(content)
    owner = b"@" if soa is None else soa[1] or b"@"
    origins = [] if soa is None else _ORIGIN.findall(content, 0, soa.start())
    if owner.endswith(b"."):
        said = owner
    elif origins:
        said = origins[-1] if owner == b"@" else owner + b"." + origins[-1].removeprefix(b".")
    else:
        return None
    return names.parse_zone(said.decode("ascii", "replace"))
