"""xferzone zone: add, list, remove, import, export, check."""

from collections.abc import Callable
from functools import partial

import click

from xferzone.cli import sources
from xferzone.cli.committing import Act, Writing, commit, commit_all, on_branch, writing, writing_on
from xferzone.cli.conditions import if_exists, if_missing, unless_gone, unless_there
from xferzone.cli.input import hinting, read_input, source
from xferzone.cli.newname import new_zone
from xferzone.cli.output import as_faults, record_as_json, show_json, show_warnings
from xferzone.cli.settings import Settings, now_ms, reading
from xferzone.cli.sources import Found, zone_of, zone_said
from xferzone.cli.terminal import show_table
from xferzone.edit.appending import Commit
from xferzone.edit.commit import Edit
from xferzone.errors import Exists, Fault, NotFound, UsageError, ZoneInvalid
from xferzone.hashing import short
from xferzone.history import content as served_text
from xferzone.history.revision import resolve
from xferzone.publish.serials import serial_in
from xferzone.refs import DEFAULT_BRANCH, BranchName, LocalRefs, State
from xferzone.store import Writer
from xferzone.wording import counted
from xferzone.zone import checks
from xferzone.zonefile import names, text
from xferzone.zonefile.whole import ZoneText

#: What a zone's text says, and what it is warned of.
_Checked = tuple[ZoneText, list[str]]
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


@zone.command(cls=hinting("the zone's file is named by --from FILE"))
@click.argument("name", metavar="[ZONE]", required=False)
@click.option("--from", "file", metavar="FILE|-", help="Its records: a zone file, or what `dig AXFR` prints.")
@click.option("--from-dir", "directory", metavar="DIR", help="All zones whose files lie in DIR.")
@click.option("--from-named-conf", "conf", metavar="FILE", help="All primary zones of a named.conf.")
@if_missing
@writing
@click.pass_obj
def add(
    settings: Settings, name: str | None, file: str | None, directory: str | None, conf: str | None
) -> None:
    """Begin to serve a zone, or many at once.

    Without --from it has an SOA and one name server, ns1 in the zone, for you to change. A zone that was removed begins
    so too; its old records come back by `xferzone reset ZONE main~1` instead.

    Of many zones all are added, or none if one cannot be served. In DIR, a file is of the zone that its SOA and $ORIGIN
    say, else of the one in its name, as example.com, example.com.zone or db.example.com. A file without an SOA record
    is passed over with a warning.

    \b
    Examples:
      xferzone zone add example.com --from example.com.zone
      xferzone zone add --from-dir /var/lib/bind
      xferzone zone add --from-named-conf /etc/bind/named.conf
    """
    if name is None and directory is not None and file is conf is None:
        _add_all(settings, sources.in_directory(directory), directory)
    elif name is None and conf is not None and file is directory is None:
        _add_all(settings, sources.in_named_conf(conf), conf)
    elif name is None or directory is not None or conf is not None:
        raise UsageError(
            "which zones? give ZONE, with or without --from FILE, or --from-dir DIR, or --from-named-conf FILE"
        )
    else:
        zone_id = new_zone(name)
        content = _NEW_ZONE.encode() if file is None else read_input(file)
        commit(settings, on_branch(zone_id), unless_there(_adding(_ahead(zone_id, content, file))))


def _add_all(settings: Settings, found: Found, where: str) -> None:
    """Add the zones that were found there. Raises ZoneInvalid with the faults of all of them."""
    if not found.files:
        raise NotFound("\n".join([f"{where} has no zones to add", *found.warnings]))

    with reading(settings) as (_, refs):
        new = [one for one in found.files if not _is_served(refs, on_branch(one.zone)(refs))]
    ahead = {one: _ahead(one.zone, one.content, one.file) for one in new}

    def plan(refs: LocalRefs) -> list[tuple[BranchName, Act]]:
        acts: list[tuple[BranchName, Act]] = []
        faults: list[Fault] = []
        for one in found.files:
            branch = on_branch(one.zone)(refs)
            read = ahead.get(one) or partial(_checked, one.zone, one.content, one.file)
            if not _is_served(refs, branch):
                try:
                    read()
                except ZoneInvalid as exc:
                    faults += exc.faults
            acts.append((branch, unless_there(_adding(read))))
        if faults:
            raise ZoneInvalid(faults)
        return acts

    commit_all(settings, plan, found.warnings)


def _ahead(zone_id: str, content: bytes, file: str | None) -> Callable[[], _Checked]:
    """`_checked`, now: others may write meanwhile. The call gives or raises what came of it."""
    try:
        checked = _checked(zone_id, content, file)
    except ZoneInvalid as exc:
        faults = exc.faults

        def fail() -> _Checked:
            raise ZoneInvalid(faults)

        return fail
    return lambda: checked


def _adding(read: Callable[[], _Checked]) -> Act:
    """Add a zone with what `read` returns."""

    def act(change: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        if _is_served(refs, change.branch):
            raise Exists(
                f"{change.branch} is there already: `xferzone zone import {change.zone} FILE` replaces its records, "
                "`--if-missing` leaves them"
            )
        given, warnings = read()
        done = change.replace(given, Writing.given().message or f"add zone {change.zone}")
        return done.warned(warnings)

    return act


def _is_served(refs: LocalRefs, branch: BranchName) -> bool:
    ref = refs.get(branch)
    return ref is not None and ref.state is not State.REMOVED


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
    read = _ahead(zone_id, read_input(file), file)

    def act(change: Edit, writer: Writer, refs: LocalRefs) -> Commit:
        ref = refs.get(change.branch)
        if ref is None or ref.state is State.REMOVED:
            raise NotFound(
                f"{change.branch} is not served here: `xferzone zone add {name} --from {file}` adds it"
            )
        given, warnings = read()
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
        show_table([[name, str(serial), short(checkin)] for name, serial, checkin in rows], (2, "yellow"))


@zone.command(cls=hinting("a version or a branch is named by --at REV"))
@click.argument("name", metavar="ZONE")
@click.option("--at", "revision", metavar="REV", default="", help="A version of it; else what is served.")
@click.pass_obj
def export(settings: Settings, name: str, revision: str) -> None:
    """Print a zone with its comments, in canonical form.

    An $ORIGIN line above names the zone. The serial is the one that is served.

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
        read = text.read_zone(content, origin)
        answer: dict[str, object] = {"zone": origin.to_text(), "checkin": checkin, "serial": serial}
        answer["default_ttl"] = None if read.default is None else read.default.ttl
        show_json(answer | {"records": [record_as_json(each, origin) for each in read.records]})
    else:
        click.echo(content, nl=False)


@zone.command(cls=hinting("the zone is named by --zone ZONE"))
@click.argument("file", metavar="FILE|-")
@click.option("--zone", "name", metavar="ZONE", help="The zone; else what the file's SOA or name says.")
@click.option("--strict", is_flag=True, help="Take a warning for a fault: exit code 6.")
@click.pass_obj
def check(settings: Settings, file: str, name: str | None, strict: bool) -> None:
    """Say whether a zone file could be served.

    Also what looks wrong in it. Needs no repository.

    \b
    Example:
      xferzone zone check example.com.zone --zone example.com
    """
    content = read_input(
        file, f"a zone of a repository is checked by `xferzone zone export {file} | xferzone zone check -`"
    )
    zone_id = names.parse_zone(name) if name is not None else zone_of(content, file)
    try:
        read, warnings = _checked(zone_id, content, file)
    except ZoneInvalid as exc:
        if name is None:
            exc.args = (
                f"{exc}\n{source(file)} was taken for zone {names.zone_name(zone_id)}, --zone says another",
            )
        raise
    if strict and warnings:
        raise as_faults(warnings, "not valid")
    show_warnings(warnings)
    if settings.json:
        zone_name = names.zone_name(zone_id).to_text()
        show_json({"zone": zone_name, "records": len(read.records), "warnings": warnings})
    else:
        counts = f"{counted(len(read.records), 'record')}, {counted(len(warnings), 'warning')}"
        click.echo(f"{names.zone_name(zone_id)} {counts}")


def _checked(zone_id: str, content: bytes, file: str | None) -> _Checked:
    """What a file says, or (None) the template, and what it is warned of. Raises ZoneInvalid."""
    try:
        return checks.check(zone_id, content, "" if file is None else source(file))
    except ZoneInvalid:
        said = zone_said(content)
        if said is None or names.zone_name(said).is_subdomain(names.zone_name(zone_id)):
            raise
    reason = f"the file is of {names.zone_name(said)}, not of {names.zone_name(zone_id)}"
    raise ZoneInvalid([Fault(source(file or ""), 0, reason)])
