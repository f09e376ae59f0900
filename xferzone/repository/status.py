"""What `xferzone status` reports: what is published, what is not, and why."""

from dataclasses import dataclass

from xferzone.errors import NotReady
from xferzone.hashing import ArtifactId
from xferzone.publish.foreign import holds
from xferzone.publish.kept_waiting import kept
from xferzone.refs import BranchName, LocalRefs, State
from xferzone.store import Reader, places, schema, timeline, unsent
from xferzone.store.remotes import Remote, remotes
from xferzone.store.unsent import Unsent
from xferzone.store.waiting import waiting

FRESH_MS = 14 * 86_400_000  # how long a lost race is listed; an older one has been given up


@dataclass(frozen=True, slots=True)
class Unpublished:
    """A check-in of a zone branch that is not served; `branch` is the zone alone where it is not known yet."""

    id: ArtifactId
    branch: str
    reason: str


@dataclass(frozen=True, slots=True)
class Fork:
    """The last check-in of a fork branch that is neither merged nor closed."""

    id: ArtifactId
    branch: str


@dataclass(frozen=True, slots=True)
class Status:
    """The repository at a glance.

    Fields:
        project: empty: a mirror before its first pull.
        unsent: artifacts made here and not pushed, also by branch; none in a primary, which does not count them.
        waiting: how many of `unpublished` wait for what has not come, or have a parent that is not a check-in.
        forks: those of the last FRESH_MS; `old_forks` counts the older ones.
        empty: why nothing is answered from here yet; empty: it is no mirror that waits for its first version.
    """

    project: str
    role: str
    remotes: tuple[Remote, ...]
    unsent: int
    unsent_branches: tuple[Unsent, ...]
    zones: int
    branches: int
    unpublished: tuple[Unpublished, ...]
    waiting: int
    forks: tuple[Fork, ...]
    old_forks: int
    empty: str


def status(reader: Reader, refs: LocalRefs, now_ms: int) -> Status:
    """The state of the snapshot."""
    empty = reader.emptiness
    served = [ref for ref in refs.list() if ref.state is not State.REMOVED]
    stuck = waiting(reader)
    wait = [Unpublished(each.id, each.where, each.reason) for each in kept(reader, refs, stuck)]
    unpublished = [
        Unpublished(found.id, found.branch, found.reason)
        for found in places.unsettled(reader)
        if _is_about_a_zone(reader, refs, found)
    ]
    known = {each.id for each in stuck}
    unpublished = [*(each for each in unpublished if each.id not in known), *wait]
    for placed in unsent.checkins(reader):
        branch = BranchName.parse(placed.branch)
        if placed.place == schema.ELSEWHERE and branch is not None and not branch.is_fork:
            unpublished.append(
                Unpublished(placed.id, str(branch), "made here, beside what is served: push it")
            )
    fresh, old = _forks(reader, now_ms)
    return Status(
        project=_project(reader),
        role=reader.role,
        remotes=tuple(remotes(reader)),
        unsent=len(unsent.artifacts(reader)),
        unsent_branches=tuple(unsent.by_branch(reader)),
        zones=sum(ref.branch.is_main for ref in served),
        branches=len(served),
        unpublished=tuple(unpublished),
        waiting=len(wait),
        forks=tuple(fresh),
        old_forks=old,
        empty=empty,
    )


def _project(reader: Reader) -> str:
    """The project code; empty: a mirror before its first pull."""
    try:
        return reader.project_code
    except NotReady:
        return ""


def _is_about_a_zone(reader: Reader, refs: LocalRefs, found: places.Unsettled) -> bool:
    branch = BranchName.parse(found.branch)
    if branch is None or refs.get(branch) is not None:
        return branch is not None
    placed = places.placed(reader, found.id)
    assert placed is not None
    if placed.place == schema.INVALID:
        return holds(reader, placed, branch.zone)
    return placed.may_hold(branch.zone)  # what it waits for may be its baseline


def _forks(reader: Reader, now_ms: int) -> tuple[list[Fork], int]:
    """The fresh fork branches that are still open, by name, and how many older ones there are."""
    fresh, old = [], 0
    for branch in timeline.branches(reader):
        named = BranchName.parse(branch.name)
        if named is None or not named.is_fork or branch.is_closed:
            continue
        placed = places.placed(reader, branch.tip)
        if placed is None or placed.place == schema.PUBLISHED:
            continue
        if branch.date_ms < now_ms - FRESH_MS:
            old += 1
        else:
            fresh.append(Fork(branch.tip, branch.name))
    return fresh, old
