"""One history of a group: three members over the model of etcd, two clones whose people push to any of them.

    etcd ── a, b, c      members, each with a server, verbs and a group program
    ann, bob             clones, which exchange with any of them

Everything comes from the seed, as in tests/simulation/world.py.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from tests.refs.model import Fault, Snapshot
from tests.simulation import acts, rest
from tests.simulation.acts import Act
from tests.simulation.group import acts as group_acts
from tests.simulation.group import upheaval
from tests.simulation.group.facts import GroupFacts
from tests.simulation.group.keys import WatchedCluster
from tests.simulation.group.member import MemberNode
from tests.simulation.group.reaching import MortalDoor, Reaching, Remembered
from tests.simulation.network import WalkWay
from tests.simulation.node import EDITORS, RIGHTS, Node
from tests.simulation.process import Process
from tests.simulation.world import NOW_MS, TRIES, World
from xferzone.cards.session import shared_secret
from xferzone.errors import OnHold, XferzoneError
from xferzone.exchange.group import accounts
from xferzone.exchange.group.joining import Reach, Terms, join
from xferzone.exchange.group.leaving import remove
from xferzone.refs import LocalRefs
from xferzone.refs.consensus import Rules
from xferzone.refs.keys import Keys
from xferzone.refs.membership import Membership
from xferzone.refs.roster import Account, Names, account_of
from xferzone.refs.roster import Member as Registered
from xferzone.repository import make
from xferzone.store import Store, schema
from xferzone.store.accounts import User, put_user
from xferzone.transport.walk import WalkTransport

NAMES: Final = ("a", "b", "c")
CODE: Final = f"{7:040x}"
PREFIX: Final = "xferzone"
FAST_MS: Final = 600_000  # milliseconds that a wrong clock is ahead
REST_MS: Final = 31_000  # between two rounds at the end: each part of a group program is due
ROUNDS: Final = 12
_BY_THEMSELVES: Final = 10  # rounds in which members alone have to publish all that is pending
_BEGUN_WITH: Final = 2  # zones
_TWICE: Final = 0.3  # of the histories, in which a name is registered at whose URL other members answer
_BALANCER: Final = "any"  # a host behind which members answer by turns


class GroupWorld(World):
    """The members, the clones, and etcd.

    Fields:
        copies: how many members have to hold what is acknowledged.
        files_lost: members whose file was lost, or replaced by an old one.
        back_at: when members that are off are on again.
        etcd_backup: what was backed up of etcd last; is_set_back: it has taken the place of etcd.
        is_begun: all members are there.
        is_lossy: a file was lost that had what no other member has.
        forced: what goes wrong with the next transactions that put something.
    """

    def __init__(self, seed: int, level: int, directory: Path) -> None:
        super().__init__(seed, level, directory)
        self.facts: GroupFacts = GroupFacts(self)
        self.code = CODE
        self.copies = self.luck.one_of((1, 2, 2, 3))
        self.files_lost = 0
        self.back_at: dict[str, int] = {}
        self.cluster = WatchedCluster(
            lambda: self.story.now_ms / 1_000, f"{PREFIX}/{CODE}/", self.facts.moved
        )
        self.is_begun = self.is_set_back = self.is_lossy = False
        self.etcd_backup: Snapshot | None = None
        self.forced: list[Fault] = []
        self._busy: set[str] = set()
        self._is_leaving = False
        self._backups: dict[str, Path] = {}

    @property
    def members(self) -> list[MemberNode]:
        return [each for each in self.nodes.values() if isinstance(each, MemberNode)]

    @property
    def life(self) -> str:
        """The life of the group in the keys; empty: there is no group that anybody can join."""
        key = Names(f"{PREFIX}/{CODE}/").group
        with suppress(OnHold):
            value = self.cluster.values(key).values.get(key)
            return "" if value is None else Rules.parse(value, key).life
        return ""

    @property
    def is_whole(self) -> bool:
        """Whether all are members, on, and nothing is lost."""
        lives = {each.life for each in self.members}
        return not any(each.is_down for each in self.members) and lives == {self.life} and not self.is_lossy

    @contextmanager
    def leaving(self) -> Iterator[bool]:
        """A member leaves meanwhile; False: another one is leaving, or is not a member, by its file or by the keys."""
        names = Names(f"{PREFIX}/{CODE}/")
        listed = self.cluster.values(names.member("")).values
        may = self.is_whole and not self._is_leaving
        may = may and all(names.member(each.name) in listed for each in self.members)
        self._is_leaving = may or self._is_leaving
        try:
            yield may
        finally:
            self._is_leaving = self._is_leaving and not may

    def way_to(self, member: MemberNode, url: str) -> WalkTransport:
        """How a member reaches what is served under that URL."""
        server = url.removeprefix("http://").rstrip("/")
        return WalkWay(
            self.network, member.name, server, lambda request: self.member_at(url).respond(request)
        )

    @property
    def balancer(self) -> str:
        """The URL at which members answer by turns."""
        return f"http://{_BALANCER}/"

    def member_at(self, url: str) -> MemberNode:
        """Who is served under that URL, at the moment."""
        name = url.removeprefix("http://").rstrip("/")
        member = self.luck.one_of(self.members) if name == _BALANCER else self.nodes[name]
        assert isinstance(member, MemberNode)
        return member

    # -- the history

    def acts_of(self, node: Node) -> Sequence[tuple[Act, int]]:
        """As World has it."""
        if not isinstance(node, MemberNode):
            return group_acts.AT_CLONE
        return group_acts.OUTSIDE if node.is_outside else group_acts.AT_MEMBER

    def act(self, act: Act, node: Node) -> None:
        """As World has it; what is off, or busy with another act, does nothing."""
        for name, at in list(self.back_at.items()):
            if at <= self.story.now_ms:
                self._switch_on(name)
        if node.name in self._busy or (isinstance(node, MemberNode) and node.is_down):
            return
        self._busy.add(node.name)
        try:
            super().act(act, node)
        finally:
            self._busy.discard(node.name)

    def _switch_on(self, name: str) -> None:
        del self.back_at[name]
        member = self.nodes[name]
        assert isinstance(member, MemberNode)
        member.is_down = False
        self.story.tell(name, "is on again")

    # -- its beginning

    def _begin(self) -> None:
        with self.luck.spared():
            self._make()
            for name in EDITORS:
                self._cloned(name, "a")
            for member in self.members:  # who hears of those that joined after it
                self.act(group_acts.turn, member)
        self.is_begun = True
        for each in self.members:
            self._back_up(each)

    def _make(self) -> None:
        path = self._directory / "a.xferzone"
        make.make(path, admin="ops", project_code=CODE, now_ms=NOW_MS - 1_000)
        with Store.open(path) as store, store.writer() as made:
            for login in EDITORS:
                put_user(made, login, "pw", RIGHTS[login])
        self.nodes["a"] = Node("a", path, self.luck, self.story, 0)
        self.nodes["a"].login = "ops"
        for _ in range(TRIES):
            self.act(acts.add_zone, self.nodes["a"])
            with Store.open(path) as store, store.reader() as reader:
                if len(LocalRefs(reader).list()) >= _BEGUN_WITH:
                    break
        fast = self.luck.one_of((*NAMES, None, None))
        for name in NAMES:
            skew = FAST_MS if name == fast else (self.luck.below(40) - 20) * 1_000
            member = MemberNode(self, name, self._directory / f"{name}.xferzone", skew)
            if name != "a":
                self._copied(member)
            self.nodes[name] = member
            self.join(member)
            self.look()
        if self.luck.chance(_TWICE):
            url = self.luck.one_of(("http://b/", self.balancer))
            alias = Registered(self.luck.octets(16).hex(), url)
            self.cluster.transact({}, {f"{PREFIX}/{CODE}/member/z": alias.encode()}, None)
            self.story.tell("z", f"is registered, too, at {url}, where others answer")

    def _copied(self, member: MemberNode) -> None:
        with Store.open(self.nodes["a"].path) as store:
            store.back_up(member.path)
        with Store.open(member.path) as store, store.writer() as writer:
            writer.set_setting("role", schema.CLONE)
            for name in ("epoch", "server-code"):
                writer.set_setting(name, self.luck.octets(20 if name == "server-code" else 16).hex())

    def join(self, member: MemberNode) -> None:
        """The repository becomes a member."""
        with member.process("group join") as process:
            wish = Membership(
                ("http://127.0.0.1:1",), PREFIX, member.name, "", "", f"http://{member.name}/", ""
            )
            copies = None if self.is_begun or member.name != "a" else self.copies
            terms = Terms(self.reach(member, process), copies, "ops", env=member.env)
            join(process.store, MortalDoor(member, process), wish, terms)
        self.story.tell(member.name, "is a member")

    def reach(self, member: MemberNode, process: Process) -> Reach:
        """How a program of the member reaches its fellows."""

        def reach(share: Membership, fellows: Mapping[str, Registered]) -> Reaching:
            known = fellows or Remembered(MortalDoor(member, process), share.space(CODE))()
            return Reaching(member, process, share, lambda: known)

        return reach

    def account(self, login: str) -> Account | None:
        """As the keys have it."""
        key = Names(f"{PREFIX}/{CODE}/").account(login)
        value = self.cluster.values(key).values.get(key)
        return None if value is None else account_of(key, value)

    def change_account(self, process: Process, keys: Keys, login: str, caps: str) -> None:
        """Give an account these rights, or none: remove it."""

        def wanted(_before: User | None, project: str) -> User | None:
            return User(login, shared_secret(project, login, "pw"), caps) if caps else None

        accounts.change(process.store, login, wanted, keys)

    # -- machines that are lost

    def _back_up(self, member: MemberNode) -> None:
        path = self._directory / f"{member.name}.backup"
        with Store.open(member.path) as store:
            store.back_up(path)
        self._backups[member.name] = path

    def roll_back(self, member: MemberNode) -> str:
        """An old file takes the place of a member's."""
        self._lose(member)
        with Store.open(self._backups[member.name]) as store:
            store.back_up(member.path)
        return "an old file takes the place of its own"

    def wipe(self, member: MemberNode) -> str:
        """A member begins anew, with nothing."""
        self._lose(member)
        self._is_quiet = True
        with self.luck.spared():
            other = next(each for each in self.members if each is not member)
            with other.process("group remove") as process:
                self.network.heal()
                for lease in list(self.cluster._leases):
                    self.cluster.end_lease(lease)
                remove(MortalDoor(other, process), f"{PREFIX}/{CODE}/", member.name)
            with Store.create(member.path, CODE) as store, store.writer() as writer:
                writer.set_setting("role", schema.MIRROR)
            with suppress(XferzoneError):  # it waits for what was lost
                self.join(member)
        self._is_quiet = False
        return "begins anew with nothing"

    def _lose(self, member: MemberNode) -> None:
        self.files_lost += 1
        self.is_lossy = self.copies == 1
        member.end()
        self.facts.forget(member)
        for each in self._directory.glob(f"{member.name}.xferzone*"):
            each.unlink()

    # -- its end

    def _come_to_rest(self) -> None:
        self.story.tell("", "no more faults")
        self.luck.end()
        self._is_quiet = True
        self.network.heal()
        for name in list(self.back_at):
            self._switch_on(name)
        while self.cluster.travelling:
            self.cluster.deliver()
        self.story.now_ms += FAST_MS
        for _ in range(_BY_THEMSELVES):
            self._members_round()
            self._mend()
            if all(each.state == "up" for each in self.members) and not self.facts.waiting(self.members):
                break
        if not self.is_lossy:
            self.facts.is_all_decided(self.members)
        differences: Sequence[str] = ()
        for self.rounds in range(1, ROUNDS + 1):
            self._round()
            differences = rest.differences([*self.members, *self.clones])
            if not differences:
                break
            self.story.tell("", f"not equal yet: {'; '.join(differences[:3])}")
        if differences:
            raise rest.Unequal(f"after {ROUNDS} rounds: {'; '.join(differences[:5])}")
        self._round()  # what has come last is looked at
        for node in self.nodes.values():
            self.facts.check(node)
        self.facts.at_rest(self.members, self.cluster.tips())
        self.story.tell("", f"all are equal after {self.rounds} rounds")

    def _round(self) -> None:
        """All that is due is done everywhere."""
        self._members_round()
        self.act(upheaval.clobber, self.luck.one_of(self.members))
        self._mend()
        for node in self.clones:
            self.act(_synced, node)

    def _members_round(self) -> None:
        """Members do what they do by themselves: nobody pushes to them."""
        self.story.now_ms += REST_MS
        for member in self.members:
            if member.is_outside:
                continue
            self.act(group_acts.turn, member)
            self.act(acts.publish_rest, member)

    def _mend(self) -> None:
        """Operators do what only they can. What is not a member cannot be compared with, and keeps another's URL."""
        self.act(upheaval.remove_stranger, self.luck.one_of(self.members))
        self.act(upheaval.restore, self.luck.one_of(self.members))
        for member in self.members:
            self.act(upheaval.come_back, member)

    @property
    def clones(self) -> list[Node]:
        return [each for each in self.nodes.values() if not isinstance(each, MemberNode)]


def _synced(world: World, node: Node) -> str:
    assert isinstance(world, GroupWorld)
    node.origin = world.luck.one_of([each for each in world.members if not each.is_outside])
    return rest.caught_up(world, node)
