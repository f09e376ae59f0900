"""One history of unversioned files: four replicas, of which one is a copy of a copy.

    primary <── ann <── carl
            <── bob

After every step, of every replica: a file's state only becomes greater, its content is whole and one that somebody put.
At rest all have the same files, and none of them is older than what was acknowledged anywhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.simulation.acts import Act, part
from tests.simulation.facts import must
from tests.simulation.node import Node
from tests.simulation.world import NOW_MS, World
from xferzone import exchange
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.repository import make
from xferzone.store import Store, unversioned
from xferzone.store.accounts import put_user

NAMES: Final = ("a", "b.txt", "c/d", "e")
ORIGINS: Final = {"ann": "primary", "bob": "primary", "carl": "ann"}
_DELETED: Final = (0, "-")
MINUTE: Final = 60  # seconds
LARGEST: Final = 900  # bytes of a file; some replies have room for one


class FilesWorld(World):
    """The replicas of a history, and what was put into them."""

    def __init__(self, seed: int, level: int, directory: Path) -> None:
        super().__init__(seed, level, directory)
        self._contents: set[ArtifactId | None] = {None}
        self._made: dict[str, tuple[int, str]] = {}  # the greatest state of each file that was acknowledged
        self._ranks: dict[
            tuple[str, str], tuple[int, str]
        ] = {}  # of each file at each replica, when last looked at

    def acts_of(self, node: Node) -> Sequence[tuple[Act, int]]:
        return AT_PRIMARY if node.origin is None else AT_COPY

    def put(self, node: Node, name: str, content: bytes | None) -> str:
        """A file is changed, or deleted."""
        if content is not None:
            self._contents.add(artifact_id(content))
        with node.process("uv") as process:
            with process.store.writer() as writer:
                now_s = node.env.clock_ms() // 1_000
                # Some programs date to the minute, so that two replicas have the same date now and then.
                unversioned.put_own(writer, name, content, now_s - self.luck.below(2) * (now_s % MINUTE))
                state = unversioned.file(writer, name)
            process.dies("files.put", 0.1)
            assert state is not None
            self._made[name] = max(self._made.get(name, (0, "")), state.rank)
        return f"{'deletes' if content is None else 'puts'} {name}, dated {state.mtime}"

    def look(self) -> None:
        for node in self.nodes.values():
            with Store.open(node.path) as store, store.reader() as reader:
                for state in unversioned.files(reader, deleted=True):
                    before = self._ranks.get((node.name, state.name), (0, ""))
                    must(state.rank >= before, node, f"{state.name} goes back from {before} to {state.rank}")
                    must(state.artifact in self._contents, node, f"{state.name} has what nobody put there")
                    if state.artifact is not None:
                        unversioned.content(reader, state.name)
                    self._ranks[node.name, state.name] = state.rank
                known = {state.name for state in unversioned.files(reader, deleted=True)}
                lost = {name for at, name in self._ranks if at == node.name} - known
                must(not lost, node, f"{lost} are gone without a trace")
                self._look_after_crash(node, reader)

    def _begin(self) -> None:
        primary = self._node("primary", None)
        make.make(primary.path, admin="ops", project_code=f"{7:040x}", now_ms=NOW_MS - 1_000)
        for name, origin in ORIGINS.items():
            with Store.open(self.nodes[origin].path) as store, store.writer() as made:
                put_user(made, name, "pw", "goiy")
            self._cloned(name, origin)

    def _come_to_rest(self) -> None:
        self._rest_when_equal(exchange_files, _hash)
        self._settled()
        self.story.tell("", f"all are equal after {self.rounds} rounds")

    def _settled(self) -> None:
        """See that each file is in the greatest state that any replica knows, and that none was forgotten.

        A replica need not know that a file was deleted which it does not have.
        """
        states = {name: _states(node) for name, node in self.nodes.items()}
        for name in self._named(states):
            greatest = max(known[name] for known in states.values() if name in known)
            must(greatest >= self._made.get(name, (0, "")), self.nodes["primary"], f"{name} is forgotten")
            for at, known in states.items():
                is_there = known.get(name, _DELETED)[1] != _DELETED[1]
                is_right = known[name] == greatest if is_there else greatest[1] == _DELETED[1]
                must(is_right, self.nodes[at], f"{name} is not what it is elsewhere")

    def _named(self, states: Mapping[str, Mapping[str, tuple[int, str]]]) -> set[str]:
        return set(self._made).union(*states.values())


def put(world: World, node: Node) -> str:
    """A file is changed."""
    assert isinstance(world, FilesWorld)
    luck = world.luck
    content = luck.one_of((b"", b"one\n", luck.octets(luck.below(LARGEST))))
    return world.put(node, luck.one_of(NAMES), content)


def delete(world: World, node: Node) -> str:
    """A file is deleted."""
    assert isinstance(world, FilesWorld)
    return world.put(node, world.luck.one_of(NAMES), None)


def exchange_files(world: World, node: Node) -> str:
    """A replica exchanges files with its origin, alone or beside artifacts."""
    assert node.origin is not None
    luck = world.luck
    with node.process("uv sync") as process:
        options = replace(node.options(process, luck.one_of((700, 250_000))), unversioned=True)
        way = world.way(node, node.origin)
        run = luck.one_of((exchange.sync_unversioned, exchange.sync_unversioned, exchange.sync))
        done = run(process.store, way, options)
    counts = f"{done.traffic.uv_received} received, {done.traffic.uv_sent} sent, {done.traffic.uv_gimmes} asked for"
    return f"{run.__name__}: {'; '.join(done.errors)[:150] or counts}"


def _states(node: Node) -> dict[str, tuple[int, str]]:
    with Store.open(node.path) as store, store.reader() as reader:
        return {state.name: state.rank for state in unversioned.files(reader, deleted=True)}


def _hash(node: Node) -> str:
    with Store.open(node.path) as store, store.reader() as reader:
        return unversioned.catalogue_hash(reader)


AT_PRIMARY: Final[Sequence[tuple[Act, int]]] = ((put, 5), (delete, 2))
AT_COPY: Final[Sequence[tuple[Act, int]]] = ((put, 4), (delete, 2), (exchange_files, 8), (part, 1))
