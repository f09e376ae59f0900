"""Everything derived, made again: links, places, serials and the served indexes of every ref."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, zip_longest

from xferzone.errors import NotFound
from xferzone.hashing import ArtifactId
from xferzone.publish.foreign import are_zones
from xferzone.publish.publish import publish
from xferzone.publish.serials import serial_of
from xferzone.publish.served import numbers
from xferzone.refs import BranchName, LocalRefs, Occasion, State
from xferzone.repository import check
from xferzone.store import Reader, Writer, ancestry, places, schema, tables, unversioned
from xferzone.store.check import faults as inspect
from xferzone.store.check.relink import relink
from xferzone.zone.cut import is_zone_file


def rebuild(writer: Writer, refs: LocalRefs, occasion: Occasion) -> int:
    """Derive everything again; how many artifacts there are. The refs stay where they stand."""
    count = relink(writer)
    resettle(writer, refs)
    for ref in refs.list():
        serial_of(writer, ref.branch.zone, ref.checkin)
        if ref.state is State.DEFERRED:
            continue
        moves = [move.checkin for move in islice(refs.publications(ref.branch), 3)] or [ref.checkin]
        # A move to where the ref stood removed the zone (publish/follow.py).
        latest, *previous = [
            () if to == before else _numbers(writer, ref.branch.zone, to)
            for to, before in zip_longest(moves[:2], moves[1:])
            if to is not None
        ]
        state = State.SERVED if latest else State.REMOVED
        refs.repack(replace(ref, state=state, numbers=latest), previous[0] if previous else ())
    publish(writer, refs, occasion)
    tables.count_anew(writer)
    return count


def left(reader: Reader) -> Iterator[str]:
    """What is wrong still, a line each, as `check` says it, after everything was derived again."""
    yield from inspect.quick(reader)
    yield from check.rows(reader)
    yield from inspect.told(unversioned.faults(reader))
    yield from inspect.told(tables.faults(reader))


def resettle(writer: Writer, refs: LocalRefs) -> None:
    """Mark every ancestor of every ref published, after places were lost."""
    standing = refs.list()
    for ref in standing:
        if places.placed(writer, ref.checkin) is None:
            raise NotFound(
                f"{ref.branch} points to {ref.checkin}, which is not a check-in: `xferzone restore FILE` puts a backup "
                "in the repository's place"
            )
    places.settle(writer, [ref.checkin for ref in standing])
    for leaf in places.passed_leaves(writer) if writer.role in schema.DECIDING else ():
        # Another branch alone has passed it: publishing decides again what it is on its own.
        branch = BranchName.parse(leaf.branch)
        if branch is not None and not branch.is_fork:
            own = refs.get(branch)
            holding = places.that_may_hold(writer, str(branch), branch.zone)
            if own is None and not are_zones(writer, branch, holding):
                continue
            beyond = ancestry.beyond(writer, leaf.id, None if own is None else own.checkin)
            placed = filter(None, (places.placed(writer, at) for at in beyond))
            places.reconsider(writer, [each for each in placed if each.branch == leaf.branch])


def _numbers(writer: Writer, zone: str, checkin: ArtifactId) -> tuple[int, ...]:
    """The indexes of a check-in that was published; empty if it removed the zone."""
    files = writer.files(checkin)
    if not any(is_zone_file(zone, name) for name in files):
        return ()
    return numbers(writer, zone, files)
