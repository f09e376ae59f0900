"""xferzone show: the records of a name, or a check-in.

www.example.com            records, as they are served
854f854ce5594df2           the check-in whose id begins so, unless a zone here holds a name like that
example.com/main~1         the check-in that REV means in that zone
"""

import re

import click
import dns.name

from xferzone.cli import terminal, which
from xferzone.cli.entries import changes_of, show_entries_as_json, show_whole
from xferzone.cli.input import hinting
from xferzone.cli.output import record_as_json, show_json
from xferzone.cli.settings import Settings, now_ms, reading
from xferzone.errors import NotFound, UsageError
from xferzone.hashing import ArtifactId
from xferzone.history import log
from xferzone.history.content import records_of, wildcard_above, with_serial
from xferzone.history.revision import by_id, resolve
from xferzone.publish.serials import serial_in
from xferzone.refs import DEFAULT_BRANCH, LocalRefs, lookup
from xferzone.store import Reader
from xferzone.zone import changes
from xferzone.zonefile import names, rdtypes, text
from xferzone.zonefile.record import Record

_ID = re.compile("[0-9a-f]{4,64}")
_LABEL = 63  # octets; RFC 1035 2.3.4
_SURELY_ID = 8  # digits of a word that is hardly meant as a name


@click.command(cls=hinting("a version or a branch is named by --at REV"))
@click.argument("name", metavar="NAME|CHECK-IN")
@click.argument("type_", metavar="[TYPE]", required=False)
@click.option(
    "--at", "revision", metavar="REV", default="", help="A version of the zone; else what is served."
)
@which.zone_option
@click.pass_obj
def show(settings: Settings, name: str, type_: str | None, revision: str, chosen: str | None) -> None:
    """The records of a name, or what a check-in changed.

    The records are those that are served. CHECK-IN is its id or the first 4 or more digits of it, or ZONE/REV. The DS
    of a zone here is in the zone above it.

    \b
    REV: a check-in's id or its beginning, a branch, a tag, any of these with ~N, @DATE or @-2h (UTC)

    \b
    Examples:
      xferzone show www.example.com
      xferzone show www.example.com A --at main~1
      xferzone show 854f854ce5594df2
      xferzone show example.com/main~1
    """
    with reading(settings) as (reader, refs):
        checkin = None if type_ or revision or chosen else _checkin(reader, refs, name)
        if checkin is not None:
            _show_checkin(settings, reader, refs, checkin)
            return
        asked = changes.parse_name(name)
        rdtype = None if type_ is None or type_.upper() == "ANY" else text.parse_type(type_)
        is_ds = rdtype == rdtypes.DS
        zone = which.zone_of(refs, asked, which.named(chosen), is_ds=is_ds, removed=bool(revision))
        at = resolve(reader, refs, zone, revision, now_ms())
        serial = serial_in(reader, zone, at)
        records = [with_serial(each, serial) for each in _records(reader, (zone, at), asked, rdtype)]
    if settings.json:
        origin = names.zone_name(zone)
        shown = [record_as_json(each, origin) for each in records]
        show_json({"zone": origin.to_text(), "checkin": at, "serial": serial, "records": shown})
        return
    terminal.show_table([_row(asked, each) for each in records])


def _row(name: dns.name.Name, record: Record) -> list[str]:
    return [name.to_text(), str(record.ttl), *text.shown_type_and_rdata(record.rdtype, record.rdata)]


def _records(
    reader: Reader, at: tuple[str, ArtifactId], name: dns.name.Name, rdtype: int | None
) -> list[Record]:
    """The records of a name in a zone at a check-in, all or those of one type. Raises NotFound: there are none."""
    zone, checkin = at
    owner = changes.owner_in(name, zone)
    held = records_of(reader, zone, checkin, owner)
    found = [record for record in held if rdtype in (None, record.rdtype)]
    if not found:
        if held:
            there = ", ".join(sorted({rdtypes.type_name(each.rdtype) for each in held}))
            raise NotFound(f"{name} has no such record in {zone}: it has {there}")
        wildcard = wildcard_above(reader, zone, checkin, owner)
        stands = (
            "" if wildcard is None else f": {wildcard} stands for it, `xferzone show '{wildcard}'` shows that"
        )
        raise NotFound(f"{name} has no records in {zone}{stands}")
    return found


def _show_checkin(settings: Settings, reader: Reader, refs: LocalRefs, checkin: ArtifactId) -> None:
    entry = log.of_checkin(reader, refs, checkin)
    changed = changes_of(reader, [entry])
    if settings.json:
        show_entries_as_json([entry], changed)
    else:
        show_whole(entry, changed)


def _checkin(reader: Reader, refs: LocalRefs, word: str) -> ArtifactId | None:
    """The check-in that a word means. None: it can only be a name.

    Raises:
        UsageError, NotFound: as resolve, of a word that cannot be a name here.
    """
    zone, slash, revision = word.partition("/")
    if slash and (known := _zone_here(refs, zone)) is not None:
        return resolve(reader, refs, known, revision, now_ms())
    if not _ID.fullmatch(word):
        return None
    # A whole id is longer than a label can be.
    if len(word) <= _LABEL and lookup.containing(refs, changes.parse_name(word), DEFAULT_BRANCH):
        return None
    found = by_id(reader, word)
    if found is None and len(word) >= _SURELY_ID:
        raise NotFound(f"no check-in here has an id that begins with {word}: `xferzone log` shows them")
    return found


def _zone_here(refs: LocalRefs, word: str) -> str | None:
    try:
        zone = names.parse_zone(word)
    except UsageError:
        return None
    return zone if refs.of_zone(zone) else None
