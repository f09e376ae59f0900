"""Members that decide together, in this process: their group over the model of etcd, their fellows asked directly.

deciding = Deciding(directory, "abc")          three members, at the same version of example.com
a, b, c = deciding.members
a.push(manifest)                               what the pusher is told
with a.changing() as edit: edit.change(...)    a verb
"""

import itertools
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from tests.exchange.group.members import HOST, LIFE, Group, Member
from tests.publish.project import MAIN_BRANCH, NOW, zone_text
from tests.refs.model import Cluster, Door, Fault
from xferzone import exchange
from xferzone.artifacts import CheckIn, FileCard, Tag, parse
from xferzone.cards import Cookie, File, IGot, parse_cards
from xferzone.cards import Push as PushCard
from xferzone.cards.body import UNCOMPRESSED
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.env import Env
from xferzone.errors import Denied, PeerError
from xferzone.exchange import Account
from xferzone.exchange import Terms as AnswerTerms
from xferzone.exchange.group import deciding, fetching
from xferzone.exchange.group.copying import Copying
from xferzone.exchange.group.editing import editing
from xferzone.exchange.group.fellows import Copied, nothing
from xferzone.exchange.publishing import Later, follow_keys, publish_in_parts
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.refs import BranchName, LocalRefs, Move, Occasion
from xferzone.refs import Door as Way
from xferzone.refs.consensus import Rules, SharedRefs, Tip
from xferzone.refs.roster import Names
from xferzone.replicate.client import Client
from xferzone.replicate.server import Terms, respond
from xferzone.store import Store, places
from xferzone.store.accounts import put_user
from xferzone.sync.client.options import ANY_PEER
from xferzone.sync.client.signing import Signing
from xferzone.transport import Body, WalkInProcess
from xferzone.transport.walk import WalkReply, WalkRequest
from xferzone.zone import changes


class Decider:
    """One member, with its group. `now` is its clock; `is_away`: no fellow reaches it."""

    def __init__(self, all_: "Deciding", member: Member) -> None:
        self._all = all_
        self.member = member
        self.store = member.store
        self.name = member.share.name
        self.now = NOW
        self.is_away = False
        self.slept = 0.0
        self.env = Env(clock_ms=lambda: self.now, monotonic=lambda: self.slept, sleep=self._sleep)
        self.door = Door(all_.cluster, name="the model")
        refs = SharedRefs(self.door, all_.space, LIFE)
        self.group = deciding.Group(self.name, refs, Asked(self))

    def _sleep(self, seconds: float) -> None:
        self.slept += seconds

    def push(self, *contents: bytes) -> list[str]:
        """What the pusher of these artifacts is told."""
        with self.store.writer() as writer:
            for content in contents:
                writer.put(content)
        return self.publish()

    def loses_etcd_after(self, operations: int) -> None:
        """Let so many reach etcd, and no more."""
        asked = itertools.count()
        self.door.faults = lambda _: Fault.DROPPED if next(asked) >= operations else None

    def answer(
        self,
        *contents: bytes,
        announced: Sequence[bytes] = (),
        later: Later | None = None,
        going_on: str = "",
        peer: str = ANY_PEER,
    ) -> str:
        """The reply of this member's server to a push of these artifacts by ann, whose password is "pw", and who has
        more than that to send.

        Args:
            going_on: the reply before, whose cookie goes back.
            peer: which repository pushes; ANY_PEER: one of ours.
        """
        cookies = [card for card in parse_cards(going_on.encode()) if isinstance(card, Cookie)]
        with self.store.writer() as writer:
            put_user(writer, "ann", "pw", "oi")
            code = writer.project_code
        files = (File(artifact_id(each), each) for each in contents)
        cards = [PushCard(peer, code), *files, *(IGot(artifact_id(each)) for each in announced), *cookies]
        body = Signing(Account("ann", "pw"), self.env).body(cards, code, is_first=False)
        terms = AnswerTerms(env=self.env, groups=self, later=later)
        with exchange.answer(self.store, Body.of(UNCOMPRESSED, body), terms).body as reply:
            return reply.octets.read().decode().replace(r"\s", " ")

    def of(self, _store: Store) -> deciding.Group:
        """As Groups has it."""
        return self.group

    def publish(self) -> list[str]:
        """Decide about what is pending; what is told."""
        return list(publish_in_parts(self.store, self.occasion(), self.env, self.group))

    def follow(self) -> dict[str, str]:
        """Go where the keys stand; which branches do not, and why."""
        _, tips = self.group.refs.all()
        agreed = follow_keys(self.store, self.group, tips, self.occasion(), self.env)
        return {str(branch): why for branch, why in agreed.left.items()}

    @contextmanager
    def changing(self, branch: BranchName = MAIN_BRANCH) -> Iterator[Edit]:
        with editing(self.store, self.group, self.occasion(Way.CLI), self.env) as (writer, refs):
            yield Edit(writer, refs, branch, Author("ann", self.now))

    def set(self, address: str) -> None:
        """`xferzone set www.example.com A ADDRESS`."""
        with self.changing() as edit:
            edit.change([changes.parse_change("set", ["www.example.com", "300", "A", address])], "set")

    def occasion(self, way: Way = Way.PUSH) -> Occasion:
        return Occasion(self.now, "ann", way)

    def tip(self, branch: BranchName = MAIN_BRANCH) -> ArtifactId | None:
        with self.store.reader() as reader:
            ref = LocalRefs(reader).get(branch)
        return None if ref is None else ref.checkin

    def branch_of(self, checkin: ArtifactId) -> str | None:
        with self.store.reader() as reader:
            placed = places.placed(reader, checkin)
        return None if placed is None else placed.branch

    def talk(self, other: "Decider") -> tuple[Copying, Client]:
        """The conversations with a fellow."""

        def asked(request: WalkRequest) -> WalkReply:
            check_unlocked(self.store)
            if self.is_away or other.is_away:
                raise PeerError(f"{other.name} cannot be reached")
            return respond(other.store, request, Terms(HOST, env=other.env))

        way = WalkInProcess(asked, name=other.name, host=HOST)
        client = Client(way, self.member.signer, self.env, self._all.code)
        return Copying(self.store, client, LIFE, self.env), client

    @property
    def others(self) -> list["Decider"]:
        return [each for each in self._all.members if each is not self]


class Asked:
    """The fellows of a member, one after the other."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider

    def copy(
        self,
        store: Store,
        moves: Sequence[Move],
        controls: Sequence[ArtifactId],
        copies: int,
        meanwhile: Callable[[], None] = nothing,
    ) -> Copied:
        """As Fellows has it."""
        meanwhile()
        members, beyond, reason = 1, dict[BranchName, str](), ""
        for other in self._decider.others:
            if members >= copies:
                break
            try:
                told = self._decider.talk(other)[0].copy(moves, controls)
            except (PeerError, Denied) as exc:
                reason = str(exc)
            else:
                members += 1
                beyond |= told.beyond
        return Copied(members, "" if members >= copies else reason, beyond)

    def beyond(self, store: Store, moves: Sequence[Move]) -> dict[BranchName, str]:
        """As Fellows has it."""
        found: dict[BranchName, str] = {}
        for other in self._decider.others:
            with suppress(PeerError, Denied):
                found |= self._decider.talk(other)[0].look(moves).beyond
        return found

    def fetch(self, store: Store, tips: Sequence[Tip], zones: Collection[str] = ()) -> None:
        """As Fellows has it."""
        moved = {tip.member for tip in tips}
        for other in sorted(self._decider.others, key=lambda each: each.name not in moved):
            client, env = self._decider.talk(other)[1], self._decider.env
            with suppress(PeerError, Denied):
                fetching.fetch(store, client, [tip.checkin for tip in tips], env, lambda: False, zones)


class Deciding:
    """Members of one group, and the model that decides for them."""

    def __init__(self, directory: Path, names: str, copies: int = 1) -> None:
        self.cluster = Cluster(lambda: 0.0)
        group = Group(directory)
        self.code = group.code
        self.space = f"xferzone/{self.code}/"
        self.members = [Decider(self, group.member(name)) for name in names]
        self.first = group.project.served()[0]
        first = Tip(self.first, group.project.served()[1], names[0])
        keys = Names(self.space)
        puts: dict[str, bytes | None] = {
            keys.group: Rules(LIFE, copies).encode(),
            keys.ref(MAIN_BRANCH): first.encode(),
        }
        Door(self.cluster).transact({}, puts)
        self._made = 0

    def close(self) -> None:
        for each in self.members:
            each.store.close()

    def key(self) -> Tip | None:
        """Where the branch's key stands."""
        refs = SharedRefs(Door(self.cluster), self.space, LIFE)
        return refs.read([MAIN_BRANCH])[MAIN_BRANCH]

    def version(self, address: str, parent: ArtifactId, *, ahead_ms: int = 0) -> tuple[bytes, bytes]:
        """The artifacts of a version of the zone, made by a client."""
        self._made += 1
        text = zone_text(f"www 300 A {address}", serial=self._made)
        date_ms = NOW - 50_000 + 1_000 * self._made + ahead_ms
        files = (FileCard("example.com.zone", artifact_id(text)),)
        return text, CheckIn(f"change {self._made}", date_ms, "ann", files, (parent,)).encode()


def check_unlocked(store: Store) -> None:
    """Fail if a write transaction is open, as none may be while the network is asked."""
    with closing(sqlite3.connect(store.path, timeout=0, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        db.execute("ROLLBACK")


def unlocked(member: Decider) -> Callable[[str], None]:
    """Faults of a door that has none, and fails where a write transaction is open."""

    def check(_operation: str) -> None:
        check_unlocked(member.store)

    return check


def on_branch(group: Deciding, address: str, branch: str) -> tuple[bytes, bytes]:
    """A version that begins a branch."""
    text, manifest = group.version(address, group.first)
    parsed = parse(manifest)
    assert isinstance(parsed, CheckIn)
    tags = (Tag("*", "branch", None, branch), Tag("*", f"sym-{branch}", None, None))
    return text, replace(parsed, tags=tags).encode()
