"""One history: a primary, two clones and two mirrors, many steps, then an end of all faults.

    primary <── ann, bob      clones, whose people edit and push
    primary <── east <── west mirrors, the second one of the first

Everything comes from the seed: who acts, what goes wrong, what the clocks say.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from unittest import mock

from tests.simulation import acts, rest, upkeep
from tests.simulation.acts import Act
from tests.simulation.facts import Facts, must
from tests.simulation.luck import Luck
from tests.simulation.network import Network, WalkWay, Way
from tests.simulation.node import EDITORS, READER, RIGHTS, Node
from tests.simulation.process import Death
from tests.simulation.story import Story
from xferzone.errors import CorruptArtifact, XferzoneError
from xferzone.refs import LocalRefs
from xferzone.repository import make
from xferzone.store import Reader, Store, turns, writer
from xferzone.store.accounts import put_user
from xferzone.store.check import faults

NOW_MS: Final = 1_800_000_000_000
STEPS: Final = 45
ROUNDS: Final = 6  # of all nodes, after the end of faults, until all must be equal
TRIES: Final = 60  # until a node has its first copy
CHECKED: Final = 0.3  # of the crashes after which all of a node is checked, which takes longer than the step
_PAUSE_MS: Final = 20_000  # between two steps, at most
_CLUSTERED: Final = (6, 100)  # unclustered artifacts from which clusters are made; the second is what ships
_MIRRORS: Final = (("east", "primary"), ("west", "east"))


class World:
    """The nodes of a history, and what is between them."""

    def __init__(self, seed: int, level: int, directory: Path) -> None:
        self.luck = Luck(seed, level)
        self.story = Story()
        self.story.now_ms = NOW_MS
        self.facts = Facts()
        self.network = Network(self.luck, self.story, self.meanwhile)
        self.nodes: dict[str, Node] = {}
        self._directory = directory
        self._depth = 0
        self._is_quiet = False  # nobody acts meanwhile
        self.steps = 0
        self.rounds = 0
        self.crashes = 0

    # -- the history

    def run(self) -> None:
        """Live through it. Raises Broken, or whatever the product should not have raised."""
        with (
            mock.patch.object(secrets, "token_hex", lambda size: self.luck.octets(size).hex()),
            mock.patch.object(secrets, "randbelow", self.luck.below),
            mock.patch.object(turns, "clock", self.clock),
            mock.patch.object(turns, "rest"),
            mock.patch.object(writer, "CLUSTER_FROM", self.luck.one_of(_CLUSTERED)),
        ):
            try:
                self._is_quiet = True
                self._begin()
                self._is_quiet = False
                self.live()
                self._come_to_rest()
            finally:
                self.facts.close()
                for node in self.nodes.values():
                    node.end()

    def live(self) -> None:
        """All that happens before the end of faults."""
        for _ in range(STEPS):
            self.step()

    def clock(self) -> float:
        """Seconds of the machines' clocks; a slow machine takes long between two looks at it."""
        if self.luck.strikes("machine.slow", 0.02):
            self.story.now_ms += 700
        return self.story.now_ms / 1_000

    def step(self) -> None:
        """Somebody does something."""
        self.story.now_ms += self.luck.below(_PAUSE_MS)
        node = self.luck.one_of(list(self.nodes.values()))
        self.act(_chosen(self.luck, self.acts_of(node)), node)

    def acts_of(self, node: Node) -> Sequence[tuple[Act, int]]:
        """What a node may do, and how often."""
        if node.origin is None:
            return acts.AT_PRIMARY
        return acts.AT_CLONE if node.name in EDITORS else acts.AT_MIRROR

    def meanwhile(self) -> None:
        """Somebody does something while a message is on its way."""
        if self._depth < 2 and self.nodes and not self._is_quiet:
            self.story.deeper()
            self.step()
            self.story.higher()

    def act(self, act: Act, node: Node) -> None:
        """One act, what came of it, and whether all facts hold."""
        self.steps += 1
        self._depth += 1
        try:
            told = act(self, node)
        except Death:
            told = "dies"
        except CorruptArtifact:
            if not node.is_rotten:
                raise
            told = "meets what its disk has damaged"
        except XferzoneError as exc:
            told = f"{type(exc).__name__}: {str(exc)[:150]}"
        finally:
            self._depth -= 1
        self.story.tell(node.name, told.replace("\n", " | ").replace(f"{self._directory}/", ""))
        self.look()

    def look(self) -> None:
        """Look at all nodes, the primary first: the facts about others depend on where it stood."""
        for node in self.nodes.values():
            self.facts.look(node)
            if node.crashed:
                node.crashed = False
                self.crashes += 1
                if self.luck.chance(CHECKED):
                    self.facts.check(node)

    def way(self, client: Node, server: Node) -> Way:
        """How the client reaches the server."""
        return Way(self.network, client.name, server.name, server.answer)

    def walk_way(self, client: Node, server: Node) -> WalkWay:
        """The same, for the walk."""
        return WalkWay(self.network, client.name, server.name, server.respond)

    # -- its beginning and its end

    def _begin(self) -> None:
        primary = self._node("primary", None)
        make.make(primary.path, admin="ops", project_code=f"{7:040x}", now_ms=NOW_MS - 1_000)
        with Store.open(primary.path) as store, store.writer() as made:
            for login in (*EDITORS, *(name for name, _ in _MIRRORS)):
                put_user(made, login, "pw", RIGHTS.get(login, READER))
        for _ in range(TRIES):
            self.act(acts.add_zone, primary)
            if self.facts.has_moved(primary):  # nobody follows a mirror of what is empty
                break
        for name in EDITORS:
            self._cloned(name)
        for name, origin in _MIRRORS:
            self._mirrored(name, origin)
        self.story.tell("", "all nodes are there")

    def _node(self, name: str, origin: str | None) -> Node:
        skew = (self.luck.below(40) - 20) * 1_000
        node = Node(name, self._directory / f"{name}.xferzone", self.luck, self.story, skew)
        node.origin = None if origin is None else self.nodes[origin]
        if origin is None:
            node.login = "ops"
            self.nodes[name] = node
        return node

    def _cloned(self, name: str, origin: str = "primary") -> None:
        """A clone; what goes wrong on the way is tried again."""
        node = self._node(name, origin)
        for _ in range(TRIES):
            if node.path.exists():
                break
            self.act(acts.clone, node)
        else:
            raise rest.Unequal(f"{name} has not begun after {TRIES} clones")
        self.story.tell(name, f"is a clone of {origin}")
        self.nodes[name] = node
        self.look()

    def _mirrored(self, name: str, origin: str) -> None:
        """A mirror, which begins with nothing."""
        node = self._node(name, origin)
        node.via = self.luck.one_of(("walk", "walk", "xfer"))
        if origin != "primary" and self.luck.chance(0.5):
            node.others.append(self.nodes["primary"])
        make.make_mirror(node.path)
        self.nodes[name] = node
        for _ in range(TRIES):
            if self._is_of_the_project(node):
                break
            for each in (node.origin, node):  # a mirror that lacks anything lets nobody follow
                if each is not None and each.is_mirror:
                    self.act(acts.pull, each)
        else:
            raise rest.Unequal(f"{name} has not begun after {TRIES} pulls")
        with Store.open(node.path) as store, store.writer() as made:
            for login, _ in _MIRRORS:
                put_user(made, login, "pw", READER)
        self.story.tell(name, f"is a mirror of {origin}, by {node.via}")

    def _is_of_the_project(self, node: Node) -> bool:
        with Store.open(node.path) as store, store.reader() as reader:
            return reader.setting("project-code") is not None

    def _come_to_rest(self) -> None:
        """End all faults; the nodes become equal within ROUNDS, or the history is broken."""
        self._end_faults()
        primary = self.nodes["primary"]
        self.act(upkeep.mend, primary)
        self.act(upkeep.restore_rights, primary)
        differences: Sequence[str] = ()
        for self.rounds in range(1, ROUNDS + 1):
            for node in self.nodes.values():
                self.act(rest.caught_up, node)
            differences = rest.differences(list(self.nodes.values()))
            if not differences:
                break
            self.story.tell("", f"not equal yet: {'; '.join(differences[:3])}")
        if differences:
            raise rest.Unequal(f"after {ROUNDS} rounds: {'; '.join(differences[:5])}")
        for node in self.nodes.values():
            self.facts.check(node)
            self.facts.settled(node)
        self.story.tell("", f"all are equal after {self.rounds} rounds")
        self._tell_refs()

    def _end_faults(self) -> None:
        self.story.tell("", "no more faults")
        self.luck.end()
        self._is_quiet = True
        self.network.heal()

    def _rest_when_equal(self, act: Act, told: Callable[[Node], str]) -> None:
        """Let every copy do `act` with its origin until all nodes tell the same; without faults from now on.

        Raises:
            rest.Unequal: they still do not after ROUNDS rounds.
        """
        self._end_faults()
        found: Mapping[str, str] = {}
        for self.rounds in range(1, ROUNDS + 1):
            for node in self.nodes.values():
                if node.origin is not None:
                    self.act(act, node)
            found = {name: told(node) for name, node in self.nodes.items()}
            if len(set(found.values())) == 1:
                return
        raise rest.Unequal(f"after {ROUNDS} rounds: {found}")

    def _look_after_crash(self, node: Node, reader: Reader) -> None:
        """Where a process of the node has died since it was looked at, see that its file is sound."""
        if node.crashed:
            node.crashed = False
            self.crashes += 1
            must(not list(faults.faults(reader)), node, "check finds faults")

    def _tell_refs(self) -> None:
        with Store.open(self.nodes["primary"].path) as store, store.reader() as reader:
            for ref in LocalRefs(reader).list():
                self.story.tell(
                    "", f"{ref.branch} stands at {ref.checkin[:10]}, serial {ref.serial}, {ref.state.name}"
                )


def _chosen(luck: Luck, weighed: Sequence[tuple[Act, int]]) -> Act:
    at = luck.below(sum(weight for _, weight in weighed))
    return next(act for act, up_to in _summed(weighed) if at < up_to)


def _summed(weighed: Sequence[tuple[Act, int]]) -> Iterator[tuple[Act, int]]:
    """The acts, each with the sum of the weights up to it."""
    total = 0
    for act, weight in weighed:
        total += weight
        yield act, total
