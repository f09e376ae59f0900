"""Histories of a group that are told beforehand: what chance seldom brings together. The seed chooses the rest.

    set-back     a member that sees the keys, and is cut off from its fellows, edits where etcd has been set back
    clobber      a branch is clobbered, and the transaction that moves its key arrives when nobody waits any more
    waiting      a clone pushes its own work along with somebody's, of which a part is nowhere but with him
    meanwhile    the group program decides about what a push has just brought, before the push hears from etcd

Nothing goes wrong in them but what is told here. Mutants that these find name them as the kind of their histories.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.refs.model import Fault
from tests.simulation import acts
from tests.simulation.group import acts as group_acts
from tests.simulation.group import upheaval
from tests.simulation.group.member import MemberNode
from tests.simulation.group.world import GroupWorld
from tests.simulation.network import Network
from tests.simulation.node import Node
from tests.simulation.world import World
from xferzone.hashing import ArtifactId
from xferzone.refs import BranchName, LocalRefs, State
from xferzone.store import Store
from xferzone.zone.changes import parse_change

_LONG_MS: Final = 10**9
_DUE_MS: Final = 31_000  # after which the group program looks at what is pending


class Directed(GroupWorld):
    """A group in which one member suffices to hold what is accepted. The level counts for nothing."""

    def __init__(self, seed: int, _level: int, directory: Path) -> None:
        super().__init__(seed, 0, directory)
        self.copies = 1

    @property
    def branch(self) -> BranchName:
        """The one that the history is about."""
        with Store.open(self.nodes["a"].path) as store, store.reader() as reader:
            refs = LocalRefs(reader).list()
        return next(ref.branch for ref in refs if ref.branch.is_main and ref.state is State.SERVED)

    def other_than(self, branch: BranchName) -> BranchName:
        """Another one that is served."""
        with Store.open(self.nodes["a"].path) as store, store.reader() as reader:
            return next(ref.branch for ref in LocalRefs(reader).list() if ref.branch != branch)

    def meanwhile(self) -> None:
        """As World has it: nobody acts but those that are told of here."""

    def member(self, name: str) -> MemberNode:
        member = self.nodes[name]
        assert isinstance(member, MemberNode)
        return member

    def edit(self, node: Node, branch: BranchName) -> None:
        """Somebody changes a record of the branch."""

        def edit(_world: World, node: Node) -> str:
            change = parse_change("set", [f"plain.{branch.zone}", "A", f"198.51.100.{self.luck.below(250)}"])
            with node.writing("edit") as writer:
                done = acts._edit(node, writer, branch).change([change], "directed")
            return acts._made(self, node, done, "set plain")

        self.act(edit, node)

    def _synced(self, node: Node, *, pull: bool = False) -> None:
        def both(world: World, node: Node) -> str:
            return acts.synced(world, node, pull=pull, push=True)

        self.act(both, node)

    def turn(self, *names: str) -> None:
        """The group programs of these have their turn."""
        for name in names:
            self.act(group_acts.turn, self.nodes[name])

    def cut_off(self, name: str) -> None:
        """Nothing goes between that member and its fellows."""
        for other in self.members:
            if other.name != name:
                self.network.part(name, other.name, self.story.now_ms + _LONG_MS)


class SetBack(Directed):
    """See above."""

    def live(self) -> None:
        """As World has it."""
        branch = self.branch
        self.turn("a", "b", "c")
        self.etcd_backup = self.cluster.snapshot()
        self.cut_off("c")
        self.edit(self.nodes["a"], branch)
        self.turn("b", "c")
        self.is_set_back = True
        self.cluster.set_back(self.etcd_backup, "2")
        self.edit(self.nodes["c"], branch)


class LateClobber(Directed):
    """See above."""

    def live(self) -> None:
        """As World has it."""
        branch = self.branch
        self.turn("a", "b", "c")
        self.cut_off("a")
        self.edit(self.nodes["a"], branch)
        self.wipe(self.member("a"))
        self.turn("b", "c")
        self.forced.append(Fault.LATE)
        self.act(upheaval.clobber, self.nodes["b"])
        self.forced.clear()
        self.act(group_acts.deliver, self.nodes["b"])


class Waiting(Directed):
    """See above."""

    def live(self) -> None:
        """As World has it."""
        first, ann, bob = self.branch, self.nodes["ann"], self.nodes["bob"]
        self.turn("a", "b", "c")
        second = self.other_than(first)
        for node in (ann, bob):
            node.origin = self.nodes["b"]
            self._synced(node)
        self.edit(bob, first)
        self.edit(bob, first)

        def push_last(world: World, node: Node) -> str:
            with Store.open(node.path) as store, store.reader() as reader:
                ref = LocalRefs(reader).get(first)
            assert ref is not None
            return acts.push_these(world, node, [ref.checkin])

        self.act(push_last, bob)
        self._synced(ann, pull=True)
        self.edit(ann, second)
        ann.origin = self.nodes["c"]
        self._synced(ann)


class DecidedMeanwhile(Directed):
    """See above."""

    def __init__(self, seed: int, level: int, directory: Path) -> None:
        super().__init__(seed, level, directory)
        self.network: Network = _Interrupted(self.luck, self.story, self.meanwhile)
        self._awaited: ArtifactId | None = None

    def live(self) -> None:
        """As World has it."""
        branch, ann = self.branch, self.nodes["ann"]
        self.turn("a", "b", "c")
        ann.origin = self.nodes["b"]
        self._synced(ann)
        self.cut_off("a")
        self.edit(self.nodes["a"], branch)
        self.edit(ann, branch)
        with Store.open(ann.path) as store, store.reader() as reader:
            ref = LocalRefs(reader).get(branch)
        assert ref is not None
        self._awaited = ref.checkin
        self._synced(ann)

    def meanwhile(self) -> None:
        """As World has it: the program of b decides once, as soon as b has what is awaited."""
        if self._awaited is None or not self.facts.has(self.nodes["b"], self._awaited):
            return
        self._awaited = None
        self.network.heal()
        self.story.now_ms += _DUE_MS
        self.story.deeper()
        self.turn("b", "b")
        self.story.higher()


class _Interrupted(Network):
    """Others act whenever anything is waited for."""

    def wait(self) -> None:
        """As Network has it."""
        super().wait()
        self._meanwhile()


DIRECTED: Final[dict[str, Callable[[int, int, Path], Directed]]] = {
    "set-back": SetBack,
    "clobber": LateClobber,
    "meanwhile": DecidedMeanwhile,
    "waiting": Waiting,
}
