"""Repositories of one project that make a group, with a model of etcd, and fellows that are files beside each other."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.publish.project import Project
from tests.refs.model import Cluster, Door, Fault
from xferzone.env import SYSTEM
from xferzone.errors import PeerError
from xferzone.exchange.group import restoring
from xferzone.exchange.group.asking import Heard
from xferzone.exchange.group.fellows import Copied, nothing
from xferzone.exchange.group.joining import Joined, Terms, join
from xferzone.exchange.group.leaving import Left, leave
from xferzone.exchange.group.restoring import Restored, restore
from xferzone.hashing import ArtifactId
from xferzone.refs import BranchName, LocalRefs, Move, Occasion, membership
from xferzone.refs import Door as By
from xferzone.refs.consensus import Tip
from xferzone.refs.membership import Membership
from xferzone.refs.roster import Member, Roster, known_fellows
from xferzone.store import Store


class Files:
    """Fellows whose repositories are in this process, by name; those that are not there cannot be reached."""

    def __init__(self, stores: Mapping[str, Store]) -> None:
        self.stores = stores

    def copy(
        self,
        store: Store,
        moves: Sequence[Move],
        controls: Sequence[ArtifactId],
        copies: int,
        meanwhile: Callable[[], None] = nothing,
    ) -> Copied:
        """As Fellows has it: all that is here is theirs, too."""
        meanwhile()
        with store.reader() as here:
            contents = [here.content(each) for each in here.artifacts()]
        for there in self.stores.values():
            with there.writer() as writer:
                for content in contents:
                    writer.put(content)
        return Copied(1 + len(self.stores), "" if self.stores else "nobody answers")

    def beyond(self, store: Store, moves: Sequence[Move]) -> Mapping[BranchName, str]:
        """As Fellows has it; nobody is ever ahead."""
        return {}

    def fetch(self, store: Store, tips: Sequence[Tip], zones: Collection[str] = ()) -> None:
        for name in sorted(self.stores, key=lambda each: each not in {tip.member for tip in tips}):
            with self.stores[name].reader() as there:
                contents = [there.content(each) for each in there.artifacts()]
            with store.writer() as writer:
                for content in contents:
                    writer.put(content)


@dataclass
class Group:
    """One etcd, and the files of those that join."""

    directory: Path
    stores: dict[str, Store] = field(default_factory=dict)  # those that can be reached
    trouble: list[Fault | None] = field(default_factory=list)  # what becomes of the next transactions
    meanwhile: Callable[[], object] | None = None  # happens before the next transaction, once

    def __post_init__(self) -> None:
        self.cluster = Cluster(lambda: 0.0)
        self.keys = Door(self.cluster, self._fault)

    def put(self, key: str, value: bytes | None) -> None:
        self.cluster.transact({}, {key: value}, None)

    def values(self) -> dict[str, bytes]:
        return dict(self.cluster.values("x").values)

    def _fault(self, operation: str) -> Fault | None:
        if operation != "transact":
            return None
        act, self.meanwhile = self.meanwhile, None
        if act is not None:
            act()
        return self.trouble.pop(0) if self.trouble else None

    def project(self, name: str) -> Project:
        (self.directory / name).mkdir()
        return Project(self.directory / name)

    def copy(self, name: str, of: Project) -> Path:
        path = self.directory / f"{name}.xferzone"
        of.store.back_up(path)
        return path

    def join(self, store: Store, name: str, *, copies: int | None = None, prefix: str = "xz") -> Joined:
        wish = Membership(("http://127.0.0.1:1",), prefix, name, "", "", f"http://{name}.example/", "")
        joined = join(store, self.keys, wish, Terms(self._reach, copies, "ann"))
        self.stores[name] = store
        return joined

    def leave(self, store: Store) -> Left | None:
        return leave(store, self.keys, self._reach, Occasion(1_800_000_100_000, "ann", By.CLI))

    def restore(self, store: Store, *excused: str) -> Restored:
        terms = restoring.Terms(self.ask, Files(self.stores), SYSTEM, excused)
        return restore(store, self.keys, terms)

    def ask(self, name: str, url: str) -> Heard:
        if name not in self.stores:
            raise PeerError(f"{url} cannot be reached")
        share, store = share_of(self.stores[name]), self.stores[name]
        with store.reader() as reader:
            project, known = reader.project_code, known_fellows(reader)
        return Heard(name, share.life if share else "", project, refs_of(store), 0.0, members=known)

    def _reach(self, share: Membership, fellows: Mapping[str, Member]) -> Files:
        assert share.secret
        return Files({name: self.stores[name] for name in fellows if name in self.stores})

    def roster(self, store: Store) -> Roster:
        with store.reader() as reader:
            return Roster.read(self.keys, f"xz/{reader.project_code}/")


def share_of(store: Store) -> Membership | None:
    with store.reader() as reader:
        return membership.membership(reader)


def refs_of(store: Store) -> dict[str, ArtifactId]:
    with store.reader() as reader:
        return {str(each.branch): each.checkin for each in LocalRefs(reader).list()}
