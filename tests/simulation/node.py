"""A node: a repository, the server that answers for it, and a clock that may be wrong."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.simulation.luck import Luck
from tests.simulation.network import Message, Replied
from tests.simulation.process import Death, Process
from tests.simulation.story import Story
from xferzone import exchange
from xferzone.env import Env
from xferzone.exchange import Options, Terms, known_remote
from xferzone.exchange.group.deciding import Groups
from xferzone.exchange.mirror.follower import Follower
from xferzone.exchange.mirror.following import Via
from xferzone.exchange.publishing import Later
from xferzone.replicate import server as server_walk
from xferzone.store import Writer
from xferzone.store.remotes import ORIGIN
from xferzone.sync.client.options import Account
from xferzone.sync.server.budget import MAX_REPLY, Budget
from xferzone.transport import Body
from xferzone.transport.walk import WalkRequest

ADMINS: Final = ("ops", "ann")
BUDGETS: Final = (1_500, MAX_REPLY)  # bytes of a reply: some take many rounds
EDITORS: Final = ("ann", "bob")  # who have clones
RIGHTS: Final = {"ann": "s", "bob": "ogi"}  # as long as nobody takes them away
READER: Final = "og"  # the rights of who may pull only


class Node:
    """One repository of the history.

    Fields:
        login: whose edits are made here, and with which it logs in elsewhere; the password is "pw".
        origin: the node that it was copied from; None: it is the primary.
        others: nodes that it may follow instead.
        via: the road that it follows by.
        follower: the program that follows, as long as it lives.
        env: its clock, which is `skew_ms` ahead of the true one.
        crashed: a process died since this was last looked at.
        has_left: its server has left something to be published.
        is_rotten: its disk has damaged an artifact, and there is a backup.
    """

    def __init__(self, name: str, path: Path, luck: Luck, story: Story, skew_ms: int) -> None:
        self.name = name
        self.path = path
        self.login = name
        self.origin: Node | None = None
        self.others: list[Node] = []
        self.via: Via = "walk"
        self.follower: tuple[Process, Follower] | None = None
        self.crashed = False
        self.has_left = True
        self.is_rotten = False
        self.skew_ms = skew_ms
        self._luck = luck
        self._story = story
        self._server: Process | None = None
        self.env = Env(
            clock_ms=lambda: story.now_ms + self.skew_ms,
            monotonic=lambda: story.now_ms / 1_000,
            token=luck.octets,
            sleep=_tell_sleep(story),
        )
        self.account = Account(self.login, "pw")

    @property
    def is_admin(self) -> bool:
        """Whether its login has the setup capability at the primary."""
        return self.login in ADMINS

    @property
    def is_mirror(self) -> bool:
        return self.origin is not None and self.login not in EDITORS

    def options(self, process: Process, budget: int) -> Options:
        """How a process of this node exchanges with its origin."""
        with process.store.reader() as reader:
            remote = known_remote(reader, ORIGIN)
        return Options(
            account=self.account, remote=remote, env=self.env, faults=process.faults, budget=budget
        )

    @contextmanager
    def process(self, name: str) -> Iterator[Process]:
        """A program that runs on this node, until its block ends or it dies."""
        process = Process(f"{name} on {self.name}", self._luck, self.path if self.path.exists() else None)
        try:
            yield process
        except Death as death:
            if death.process is not process:
                raise
            self.note(death)
            raise
        finally:
            process.end()

    @contextmanager
    def writing(self, name: str) -> Iterator[Writer]:
        """The write transaction of a verb that changes zones here."""
        with self.process(name) as process, process.store.writer() as writer:
            yield writer

    def answer(self, message: Message) -> Message:
        """What its server answers. Raises Death: the server died; the next request finds a new one."""
        server = self.server
        later = _Left(self)
        budget = Budget(self._luck.one_of(BUDGETS))
        terms = Terms(budget, env=self.env, faults=server.faults, later=later, groups=self.groups(server))
        try:
            with Body.of(
                message.content_type, message.octets, message.coding, takes_zstd=message.takes_zstd
            ) as body:
                reply = exchange.answer(server.store, body, terms)
            with reply.body:
                return Message(reply.body.content_type, reply.octets(), reply.body.coding)
        except Death as death:
            self.note(death)
            self.end()
            raise

    def groups(self, _process: Process) -> Groups | None:
        """What a program of this node knows the group by that it is a member of. None: it is not a member."""
        return None

    def respond(self, request: WalkRequest) -> Replied:
        """What its server answers to a request of the walk. Raises Death as `answer`."""
        server = self.server
        try:
            terms = server_walk.Terms(self.name, env=self.env, faults=server.faults)
            with server_walk.respond(server.store, request, terms) as reply:
                return Replied(reply.status, reply.headers, b"".join(reply.body))
        except Death as death:
            self.note(death)
            self.end()
            raise

    @property
    def server(self) -> Process:
        """The server, begun if there is none."""
        if self._server is None:
            self._server = Process(f"server of {self.name}", self._luck, self.path)
            self.has_left = True  # it looks for what its predecessor has left
        return self._server

    def end(self) -> None:
        """End the server and the follower."""
        self.end_follower()
        if self._server is not None:
            self._server.end()
            self._server = None

    def end_follower(self) -> None:
        """End the program that follows."""
        if self.follower is not None:
            self.follower[0].end()
            self.follower = None

    def note(self, death: Death) -> None:
        """A process of this node died."""
        self.crashed = True
        self._story.tell(self.name, f"CRASH: {death}")


class _Left(Later):
    """Notes that something is left to be published, and leaves it to the history when that happens."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.path, node.env)
        self._node = node

    def soon(self) -> None:
        self._node.has_left = True

    @contextmanager
    def put_off(self) -> Iterator[None]:
        yield


def _tell_sleep(story: Story) -> Callable[[float], None]:
    def sleep(seconds: float) -> None:
        story.now_ms += round(seconds * 1_000)

    return sleep
