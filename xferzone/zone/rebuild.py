"""Everything derived, made again: links, places, serials and the served indexes of every ref."""

from xferzone.refs import LocalRefs
from xferzone.store import Writer
from xferzone.store.relink import relink
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
        if ref.numbers:
            served_form(writer, zone, writer.files(ref.checkin))
    publish(writer, refs, now_ms)
    return count
