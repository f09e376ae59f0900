"""Everything derived, made again: links, places, serials and the served indexes of every ref."""

from itertools import islice

from xferzone.hashing import ArtifactId
from xferzone.refs import LocalRefs
from xferzone.store import Writer
from xferzone.store.relink import relink
from xferzone.zone.files import is_zone_file
from xferzone.zone.form import served_form
from xferzone.zone.publish import publish, resettle
from xferzone.zone.serials import serial_of


def rebuild(writer: Writer, refs: LocalRefs, now_ms: int) -> int:
    """Derive everything again; how many artifacts there are. The refs stay where they stand."""
    count = relink(writer)
    resettle(writer, refs)
    for ref in refs.list():
        zone = ref.branch.partition("/")[0]
        serial_of(writer, zone, ref.checkin)
        moves = [move.checkin for move in islice(refs.publications(ref.branch), 2)]
        numbers, *previous = [_numbers(writer, zone, checkin) for checkin in moves]
        refs.repack(ref.branch, numbers, previous[0] if previous else ())
    publish(writer, refs, now_ms)
    return count


def _numbers(writer: Writer, zone: str, checkin: ArtifactId) -> tuple[int, ...]:
    """The indexes of a check-in that was published; none if it took the zone away."""
    files = writer.files(checkin)
    if not any(is_zone_file(zone, name) for name in files):
        return ()
    return served_form(writer, zone, files).numbers
