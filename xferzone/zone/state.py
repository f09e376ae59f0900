"""What `xferzone status` tells: what is published, what is not, and why."""

from dataclasses import dataclass

from xferzone.hashing import ArtifactId
from xferzone.refs import LocalRefs
from xferzone.store import Reader, waiting
from xferzone.zone import names
from xferzone.zone.edit import DEFAULT_BRANCH


@dataclass(frozen=True, slots=True)
class Unpublished:
    """A check-in of a zone branch that is not served."""

    id: ArtifactId
    branch: str
    reason: str


@dataclass(frozen=True, slots=True)
class Status:
    """The repository at a glance."""

    project: str
    role: str
    zones: int
    branches: int
    unpublished: tuple[Unpublished, ...]


def status(reader: Reader, refs: LocalRefs) -> Status:
    """The state of the snapshot."""
    served = [ref for ref in refs.list() if ref.numbers]
    unpublished = []
    for found in waiting.check_ins(reader):
        if names.split_ref(names.fork_of(found.branch) or found.branch) is not None:
            unpublished.append(Unpublished(found.id, found.branch, found.reason))
    for branch in reader.branches():
        home = names.fork_of(branch)
        tip = reader.branch_tip(branch) if home is not None else None
        if tip is not None and reader.tags(tip).get("closed", ("-",))[0] == "-":
            placed = reader.placed(tip)
            if placed is not None and placed.place != 1:
                unpublished.append(
                    Unpublished(tip, branch, f"lost a race for {home}: merge it there, or leave it")
                )
    return Status(
        project=reader.project_code,
        role=reader.setting("role") or "primary",
        zones=sum(ref.branch.endswith(f"/{DEFAULT_BRANCH}") for ref in served),
        branches=len(served),
        unpublished=tuple(unpublished),
    )
