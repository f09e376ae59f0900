"""The merge of what somebody made of an older version of a zone into what is served now, and its conflicts in words."""

from collections.abc import Iterable, Iterator, Sequence

from xferzone.errors import LostRace
from xferzone.hashing import ArtifactId, short
from xferzone.publish import served
from xferzone.refs import Ref
from xferzone.store import Reader
from xferzone.wording import and_more, counted
from xferzone.zone.merge import Merged, merged
from xferzone.zonefile import names, rdtypes, text
from xferzone.zonefile.whole import ZoneText

MAX_CONFLICTS = 10  # that a message shows
MAX_LINES = 10  # of each side of a conflict


def onto(reader: Reader, ref: Ref, base: ArtifactId, yours: ZoneText) -> ZoneText:
    """`yours`, made from check-in `base`, and what `ref` has changed since, in one.

    Raises:
        LostRace: both changed the same, each in its way; shows base, theirs and yours.
    """
    zone = ref.branch.zone
    old, theirs = (served.read_all(reader, zone, reader.files(checkin)) for checkin in (base, ref.checkin))
    found = merged(old, theirs, yours, names.zone_name(zone))
    if found.conflicts or found.defaults:
        raise LostRace("\n".join(_told(reader, ref, found)))
    return ZoneText(found.records, found.default)


def _told(reader: Reader, ref: Ref, found: Merged) -> Iterator[str]:
    origin = names.zone_name(ref.branch.zone)
    number = counted(len(found.conflicts) + bool(found.defaults), "conflict")
    user = reader.checkin(ref.checkin).user
    yield f"{ref.branch}: {short(ref.checkin)} ({user}) was published meanwhile: {number} with it"
    if found.defaults:
        yield "default TTL"
        yield from _sides([f"$TTL {default.ttl}"] for default in found.defaults)
    for conflict in found.conflicts[:MAX_CONFLICTS]:
        kind = "" if conflict.rdtype is None else f" {rdtypes.type_name(conflict.rdtype)}"
        yield f"{text.owner_name(conflict.owner, origin)}{kind}"
        yield from _sides(
            text.draft(records, origin, None).decode("utf-8", "replace").splitlines()
            for records in (conflict.base, conflict.theirs, conflict.yours)
        )
    if len(found.conflicts) > MAX_CONFLICTS:
        yield and_more(len(found.conflicts) - MAX_CONFLICTS)


def _sides(sides: Iterable[Sequence[str]]) -> Iterator[str]:
    for name, lines in zip(("base", "theirs", "yours"), sides, strict=True):
        yield from (f"  {name:6}  {line}" for line in lines[:MAX_LINES] or ["(nothing)"])
        if len(lines) > MAX_LINES:
            yield f"  {name:6}  {and_more(len(lines) - MAX_LINES)}"
