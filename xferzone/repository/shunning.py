"""What may be shunned, and what goes with it.

    refused    what published versions of zones are made of: their check-ins, files and baselines, and controls that
               tag check-ins of a zone's branch. Clones, mirrors and secondaries need them, and serials are
               computed from them
               a check-in that others here follow, and are not shunned with it
               the check-in that the project begins with, and clusters, which are names alone
    shunned    all others, and names that are not here

The derived tables are made again in the same transaction, so what named a shunned artifact waits for it from then on.
"""

from collections.abc import Collection, Iterator
from typing import Final

from xferzone import artifacts
from xferzone.artifacts import CheckIn, Cluster, Control
from xferzone.errors import Refused
from xferzone.hashing import ArtifactId, short
from xferzone.publish.misplaced import zone_of
from xferzone.refs import BranchName, LocalRefs, Occasion
from xferzone.repository.rebuild import rebuild
from xferzone.store import Reader, Writer, closure, places, schema, shunned
from xferzone.store.shunned import Shunned

MAX_TOLD: Final = 10  # artifacts of somebody else's list that may not be shunned; ours
_WAY_OUT: Final = "change the zone, and `xferzone rollover` begins a project without the versions before"


def shun(
    writer: Writer, refs: LocalRefs, wanted: Collection[ArtifactId], comment: str, occasion: Occasion
) -> list[ArtifactId]:
    """Shun artifacts; which of them were here, and are gone.

    Raises:
        Refused: one may not be. Nothing was changed.
    """
    here = [each for each in wanted if writer.has(each)]
    reason = next(_reasons(writer, here), None)
    if reason is not None:
        raise Refused(reason[1])
    shunned.add(writer, wanted, occasion.now_ms, comment)
    if here:
        rebuild(writer, refs, occasion)
    return here


def take(
    writer: Writer, refs: LocalRefs, wanted: Collection[Shunned], occasion: Occasion
) -> tuple[int, list[str]]:
    """Shun what somebody else's list has, each since when it says; how many are new, and why others may not be."""
    known = shunned.among(writer, [each.id for each in wanted])
    new = [each for each in wanted if each.id not in known]
    here = dict.fromkeys(each.id for each in new if writer.has(each.id))
    left: dict[ArtifactId, str] = {}
    for artifact, why in _reasons(writer, here):
        left.setdefault(artifact, why)
    _leave_parents(writer, here, left)
    taken = [each for each in new if each.id not in left]
    for each in taken:
        shunned.add(writer, [each.id], each.time_ms, each.comment)
    if any(each.id in here for each in taken):
        rebuild(writer, refs, occasion)
    return len(taken), [f"not shunned: {why}" for why in left.values()][:MAX_TOLD]


def _leave_parents(reader: Reader, here: Collection[ArtifactId], left: dict[ArtifactId, str]) -> None:
    """Leave check-ins out that those follow which are left out."""
    ahead = list(left)
    while ahead:
        child = ahead.pop()
        parsed = artifacts.parse(reader.content(child))
        for parent in parsed.parents if isinstance(parsed, CheckIn) else ():
            if parent in here and parent not in left:
                left[parent] = f"{parent} is followed by {short(child)}: shun that, too, or first"
                ahead.append(parent)


def _reasons(reader: Reader, here: Collection[ArtifactId]) -> Iterator[tuple[ArtifactId, str]]:
    """Which may not be shunned, and why."""
    if not here:
        return
    root = closure.trunk_root(reader)
    for each in here:
        placed = places.placed(reader, each)
        if placed is not None and placed.place == schema.PUBLISHED:
            why = f"clones and mirrors need it; {_WAY_OUT}"
            yield each, f"{each} is a published version on {placed.branch}: {why}"
        if root is not None and closure.rows(reader, [each]).get(each) == root:
            yield each, f"{each} is the check-in that the project begins with: stock clients need it"
        yield from ((each, why) for why in _children(reader, each, here))
        parsed = artifacts.parse(reader.content(each))
        if isinstance(parsed, Cluster):
            yield each, f"{each} is a cluster, a list of names: shun what it names"
        elif isinstance(parsed, Control):
            yield from ((each, why) for why in _tagged(reader, each, parsed))
    yield from _in_use(reader, frozenset(here))


def _children(reader: Reader, checkin: ArtifactId, here: Collection[ArtifactId]) -> Iterator[str]:
    for child in shunned.children(reader, checkin):
        if child not in here:
            yield f"{checkin} is followed by {short(child)}: shun that, too, or first"


def _tagged(reader: Reader, control: ArtifactId, parsed: Control) -> Iterator[str]:
    for tag in parsed.tags:
        placed = None if tag.target is None else places.placed(reader, tag.target)
        if placed is not None and placed.branch is not None and BranchName.parse(placed.branch) is not None:
            yield f"{control} tags {short(placed.id)} on {placed.branch}: cancel the tag instead"


def _in_use(reader: Reader, here: frozenset[ArtifactId]) -> Iterator[tuple[ArtifactId, str]]:
    """Which published versions are made of any of them."""
    for checkin in shunned.published(reader):
        parsed: CheckIn = reader.checkin(checkin)
        if parsed.baseline in here:
            yield (
                parsed.baseline,
                f"{parsed.baseline} is the baseline of the published version {short(checkin)}",
            )
        for card in parsed.files:
            if card.id in here:
                yield (
                    card.id,
                    f"{card.id} is {card.name} of the published version {short(checkin)}: {_need(card.name)}",
                )


def _need(name: str) -> str:
    """Who needs a file of a published version, and what may be done."""
    if zone_of(name) is not None:
        return f"clones, mirrors and the serials of later versions need it; {_WAY_OUT}"
    return (
        "clones and mirrors could not follow past that version; delete the file there, and `xferzone rollover` begins "
        "a project that never had it"
    )
