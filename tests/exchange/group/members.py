"""Members of a group as tests make them: copies of one repository, without what decides for them.

group = Group(directory)                 a primary with version 1 of example.com, in whose place members are made
a, b = group.member("a"), group.member("b")
move = group.made(a, "192.0.2.2")        the next version: its artifacts are at `a`, and the wish to publish it
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.publish.project import MAIN_BRANCH, NOW, Project, zone_text
from xferzone.env import SYSTEM
from xferzone.exchange.group.copying import Copying
from xferzone.hashing import ArtifactId
from xferzone.refs import Door, LocalRefs, Move, Occasion, Ref, State
from xferzone.refs.membership import Membership, put
from xferzone.refs.roster import Member as Registered
from xferzone.replicate.client import Client
from xferzone.replicate.server import Terms, respond
from xferzone.replicate.signing import Signer
from xferzone.store import Store
from xferzone.transport import WalkInProcess
from xferzone.transport.walk import WalkReply, WalkRequest

LIFE = "1" * 32
SECRET = "5" * 64
HOST = "localhost"


@dataclass(frozen=True, slots=True)
class Member:
    """A member, and its repository."""

    store: Store
    share: Membership

    @property
    def signer(self) -> Signer:
        return Signer(self.share.name, self.share.secret, is_member=True)

    def registered(self, url: str) -> Registered:
        return Registered(self.share.life, url)

    def has(self, artifact: ArtifactId) -> bool:
        with self.store.reader() as reader:
            return reader.has(artifact)

    def artifacts(self) -> set[ArtifactId]:
        with self.store.reader() as reader:
            return set(reader.artifacts())

    def refs(self) -> dict[str, ArtifactId]:
        with self.store.reader() as reader:
            return {str(each.branch): each.checkin for each in LocalRefs(reader).list()}

    def take(self, contents: Sequence[bytes]) -> None:
        """Store these, and publish nothing."""
        with self.store.writer() as writer:
            for content in contents:
                writer.put(content)


class Group:
    """What members have in common."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.project = Project(directory)
        assert self.project.push(self.project.manifest(zone_text("www 300 A 192.0.2.1"))) == []
        with self.project.store.reader() as reader:
            self.code = reader.project_code

    def member(self, name: str, *, life: str = "", file: str = "", group: str = LIFE) -> Member:
        """A member that stands where the project does now."""
        path = self._directory / f"{file or name}.xferzone"
        self.project.store.back_up(path)
        store = Store.open(path)
        share = Membership(
            etcd=("http://127.0.0.1:1",),
            prefix="xferzone",
            name=name,
            life=life or f"{name:0>32}",
            group=group,
            url=f"http://{name}.example/",
            secret=SECRET,
        )
        with store.writer() as writer:
            put(writer, share)
        return Member(store, share)

    def made(self, member: Member, address: str, *more: str, door: Door = Door.PUSH) -> Move:
        """A new version of the zone behind the project's, whose artifacts `member` has; the project publishes it."""
        before, _ = self.project.served()
        row = self._row()
        manifest = self.project.manifest(zone_text(f"www 300 A {address}", *more, serial=row), before)
        assert self.project.push(manifest) == []
        member.take(self.since(row))
        checkin, serial = self.project.served()
        return Move(before, Ref(MAIN_BRANCH, checkin, serial, State.DEFERRED), Occasion(NOW, "ann", door))

    def since(self, row: int) -> list[bytes]:
        """What came to the project behind that row."""
        with self.project.store.reader() as reader:
            from_there = reader.db.execute(
                "SELECT hash FROM blob WHERE rid > ? ORDER BY rid", (row,)
            ).fetchall()
            return [reader.content(ArtifactId(raw.hex())) for (raw,) in from_there]

    def _row(self) -> int:
        with self.project.store.reader() as reader:
            return reader.last_row()

    def talk(
        self,
        one: Member,
        other: Member,
        answer: Callable[[WalkRequest], WalkReply] | None = None,
        signer: Signer | None = None,
    ) -> Copying:
        """The conversation of `one` with `other`, in this process."""

        def asked(request: WalkRequest) -> WalkReply:
            return respond(other.store, request, Terms(HOST))

        way = WalkInProcess(answer or asked, name=other.share.name, host=HOST)
        client = Client(way, signer or one.signer, SYSTEM, self.code)
        return Copying(one.store, client, one.share.group)
