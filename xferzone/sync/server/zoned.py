"""What an account that is held to zones may push: check-ins on their branches, and tags of such check-ins.

It is judged when all of a request is linked, before anything is published, and one fault refuses the request whole.

    check-in     is on a branch of one of the zones; on which, its own tags or its first parent say, which must be here
    control      each of its targets is such a check-in, and is here; the tags branch and parent move check-ins: none
    either       no tag sym-BRANCH of another zone's branch
    delta        of what is here: else nobody would judge what it makes when that comes
    wiki page, ticket, technote, forum post, attachment      none
    file, cluster                                            all
    unversioned file, configuration                          none (unversioned.py, configuring.py); rows: tables.py

An account with the setup capability is held to nothing.
"""

from collections.abc import Collection
from typing import Final

from xferzone.artifacts import CheckIn, Control, Other, Parsed, Tag
from xferzone.errors import PeerError
from xferzone.hashing import ArtifactId, short
from xferzone.refs import BranchName
from xferzone.store import Reader, places
from xferzone.store.orphans import is_aside
from xferzone.sync.server.login import Rights

_SYM: Final = "sym-"
_MOVING: Final = frozenset({"branch", "parent"})


class Zoned:
    """What of one request has to be in the zones of its sender."""

    def __init__(self, rights: Rights) -> None:
        self._rights = rights
        self._checkins: list[ArtifactId] = []
        self._targets: list[tuple[ArtifactId, ArtifactId]] = []  # control, target

    @property
    def is_held(self) -> bool:
        """Whether the sender is held to zones at all."""
        return self._rights.held

    def note(self, artifact: ArtifactId, parsed: Parsed) -> None:
        """Note what has come, to be judged; what cannot be right is refused at once. Raises PeerError."""
        if not self.is_held:
            return
        match parsed:
            case CheckIn():
                self._checkins.append(artifact)
                self._check_symbols(artifact, parsed.tags)
            case Control():
                self._check_symbols(artifact, parsed.tags)
                for tag in parsed.tags:
                    if tag.name in _MOVING:
                        raise self._fault(artifact, f"sets the tag {tag.name}")
                    if tag.target is not None:
                        self._targets.append((artifact, tag.target))
            case Other():
                raise self._fault(artifact, "is neither a check-in nor a tag")

    def judge(self, reader: Reader, names: Collection[ArtifactId]) -> None:
        """Judge what was noted, now that it is linked. `names`: of all that came. Raises PeerError: it is not right."""
        if not self.is_held:
            return
        for artifact in names:
            if is_aside(reader, artifact):
                raise self._fault(artifact, "came as a delta of what is not here: push that first")
        for artifact in self._checkins:
            self._check(reader, artifact, artifact)
        for artifact, target in self._targets:
            self._check(reader, artifact, target)

    def _check(self, reader: Reader, artifact: ArtifactId, checkin: ArtifactId) -> None:
        placed = places.placed(reader, checkin)
        which = "" if checkin == artifact else f"of {short(checkin)}, which "
        if placed is None:
            if checkin != artifact:
                raise self._fault(artifact, f"is a tag {which}is no check-in that is here: push that first")
        elif placed.branch is None:
            raise self._fault(artifact, f"{which}is on no branch, or its parent is not here: push that first")
        elif not self._may(placed.branch):
            raise self._fault(artifact, f"{'is a tag ' if which else ''}{which}is on {placed.branch}")

    def _check_symbols(self, artifact: ArtifactId, tags: Collection[Tag]) -> None:
        for tag in tags:
            named = tag.name.removeprefix(_SYM) if tag.name.startswith(_SYM) else None
            if BranchName.parse(named) is not None and not self._may(named):
                raise self._fault(artifact, f"names the branch {named}")

    def _may(self, branch: str | None) -> bool:
        name = BranchName.parse(branch)
        return name is not None and name.zone in self._rights.zones

    def _fault(self, artifact: ArtifactId, what: str) -> PeerError:
        zones = ", ".join(sorted(self._rights.zones))
        return PeerError(
            f"artifact {artifact} {what}, and {self._rights.login} may write to {zones} alone: nothing was kept"
        )
