"""What publishing has written down, compared with what it was made from.

    each ref       its zone is read again, cut and compiled: the compiled indexes must be the same
    each index     opens, and is of the zone and the file that its row names, also where a ref stood before
    each serial    is the published one, and never behind its parent's
    each row       about a ref could have been written by us (refs/sound.py)

Each fault is a line that says where it is and what repairs it. store/check/faults.py checks what needs no zones.
"""

from collections.abc import Iterator, Mapping

from xferzone.errors import CorruptArtifact, NotFound, XferzoneError, ZoneInvalid
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.publish import served
from xferzone.refs import LocalRefs, Ref, State, indexes, sound
from xferzone.refs.serials import steps
from xferzone.store import Reader
from xferzone.store.check import faults as inspect
from xferzone.store.check.faults import told
from xferzone.store.check.layout import REBUILD
from xferzone.zone import cut, serial
from xferzone.zone.compile import IndexRow, check, number_of
from xferzone.zone.index import Index, compile_index
from xferzone.zonefile import names, text


def everything(reader: Reader, refs: LocalRefs) -> Iterator[str]:
    """All that `check` finds, a line each: what needs no zones, then what does."""
    yield from inspect.faults(reader)
    yield from faults(reader, refs)


def faults(reader: Reader, refs: LocalRefs) -> Iterator[str]:
    """Everything that is wrong, a line each. Nothing: what is served is what the check-ins say."""
    for part in (_compiled(reader), _all_served(reader, refs)):
        yield from told(part)
    yield from rows(reader)


def rows(reader: Reader) -> Iterator[str]:
    """What is wrong with rows about refs, nothing being compiled."""
    for part in (sound.branches, sound.indexes_before, sound.serials, _serials):
        yield from told(part(reader))


def _compiled(reader: Reader) -> Iterator[str]:
    for zone, row, read in indexes.everything(reader):
        try:
            index = Index(read())
            sound = index.origin == names.zone_name(zone).to_wire()
        except (TypeError, ValueError, XferzoneError):
            sound = False
        if not sound or row.number != number_of(zone, row.file):
            yield f"table zone_index: a compiled file of zone {zone} is damaged: {REBUILD}"


def _all_served(reader: Reader, refs: LocalRefs) -> Iterator[str]:
    for ref in refs.list():
        yield from _served(reader, ref)


def _served(reader: Reader, ref: Ref) -> Iterator[str]:
    zone = ref.branch.zone
    known = {row.number: row for row in indexes.of_zone(reader, zone).values()}
    try:
        if ref.state is State.DEFERRED:
            read = served.read_all(reader, zone, reader.files(ref.checkin))
            check(read.records, names.zone_name(zone), "", has_apex=True)
            return
        is_served = ref.state is State.SERVED
        expected = _made_again(reader, zone, reader.files(ref.checkin)) if is_served else {}
    except (CorruptArtifact, NotFound):
        return  # the fault of an artifact, which is reported by its own name
    except ZoneInvalid as exc:
        yield f"ref {ref.branch} stands on a zone that is not valid: {exc.faults[0]}"
        return
    if tuple(expected) != ref.numbers:
        yield f"ref {ref.branch}: the compiled files that it names are not its zone's: {REBUILD}"
    for number, (row, content) in expected.items():
        if known.get(number) != row or not _is(reader, number, content):
            yield f"table zone_index: what is served of {ref.branch} is not what its check-in says: {REBUILD}"


def _made_again(
    reader: Reader, zone: str, everything: Mapping[str, ArtifactId]
) -> dict[int, tuple[IndexRow, bytes]]:
    """The rows and compiled files that serve these files, by number, in owner order."""
    origin = names.zone_name(zone)
    made = {}
    read = served.read_all(reader, zone, everything)
    for _, content in cut.cut(zone, read.records, read.default):
        piece = text.read(content, origin)
        compiled, file = compile_index(piece, origin), artifact_id(content)
        opened, soa = Index(compiled), serial.scan(content, origin)
        row = IndexRow(number_of(zone, file), file, opened.first, opened.last, soa, len(piece))
        made[row.number] = row, compiled
    return made


def _is(reader: Reader, number: int, content: bytes) -> bool:
    try:
        return indexes.content(reader, number) == content
    except (TypeError, ValueError, XferzoneError):
        return False


def _serials(reader: Reader) -> Iterator[str]:
    for step in steps(reader):
        has_lost = step.before is not None and step.serial is None
        goes_back = (
            step.before is not None
            and step.serial not in (None, step.before)
            and not serial.is_ahead(step.serial, step.before)
        )
        if has_lost or goes_back or step.is_strange or step.published not in (None, step.serial):
            yield f"table serial: the serial of check-in {step.checkin} in zone {step.zone} is wrong: {REBUILD}"
