"""A member of the group: a node whose server, verbs and group program ask the group."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.simulation.group.reaching import MortalDoor, Reaching, Remembered, check_unlocked
from tests.simulation.network import Message, Network, Replied
from tests.simulation.node import Node
from tests.simulation.process import Death, Process
from xferzone.errors import Away, LostRace, PeerError, RefConflict
from xferzone.exchange.group import deciding
from xferzone.exchange.group.deciding import Group, Groups
from xferzone.exchange.group.editing import editing
from xferzone.exchange.group.program import Options, Program
from xferzone.exchange.group.standing import State, check
from xferzone.refs import Door, Occasion
from xferzone.refs.consensus import SharedRefs
from xferzone.refs.membership import Membership, membership, seen
from xferzone.store import Store, Writer
from xferzone.transport.walk import WalkRequest

if TYPE_CHECKING:
    from tests.simulation.group.world import GroupWorld

_SAFE: Final = ("tag", "close")  # verbs all of whose artifacts are safe when they have ended well


class MemberNode(Node):
    """One member.

    Fields:
        group: the world, which has all that members share.
        is_down: its machine is off.
        frames: how many of its programs are in the middle of something.
        program: its group program, as long as it lives.
    """

    def __init__(self, group: "GroupWorld", name: str, path: Path, skew_ms: int) -> None:
        super().__init__(name, path, group.luck, group.story, skew_ms)
        self.group = group
        self.luck, self.story = group.luck, group.story
        self.network: Network = group.network
        self.login = "ops"
        self.is_down = False
        self.frames = 0
        self.program: tuple[Process, Program] | None = None

    def share(self) -> Membership | None:
        """What its file says of its group. None: it is not a member yet."""
        with self.group.facts.eye(self).reader() as reader:
            return membership(reader)

    def known_share(self) -> Membership:
        """The same of one that is a member."""
        share = self.share()
        assert share is not None
        return share

    @property
    def is_outside(self) -> bool:
        """Whether it is not a member: it has left, or has not joined yet."""
        return self.share() is None

    @property
    def life(self) -> str:
        """The life of the group that it knows; empty: it is outside."""
        share = self.share()
        return "" if share is None else share.group

    @property
    def state(self) -> State | None:
        """What its group program has found that it may do. None: that does not run."""
        return None if self.program is None else self.program[1].stance.state

    @property
    def occasion(self) -> Occasion:
        """Of what its operator does now."""
        return Occasion(self.env.clock_ms(), self.login, Door.CLI)

    def groups(self, process: Process) -> Groups:
        """As Node has it."""
        return _Groups(self, process)

    def asked(self, process: Process) -> Group | None:
        """The group as a program asks it that has just begun. None: this is not a member."""
        with process.store.reader() as reader:
            share, last = membership(reader), seen(reader)
        if share is None:
            return None
        door = MortalDoor(self, process)
        space = share.space(self.group.code)
        refs = SharedRefs(door, space, share.group, last)
        reaching = Reaching(self, process, share, Remembered(door, space))
        return Group(share.name, refs, reaching, partial(check, self.path, share.group))

    @contextmanager
    def writing(self, name: str) -> Iterator[Writer]:
        """As Node has it; what becomes of what is made is told to the facts."""
        facts, made = self.group.facts, []
        if self.is_outside:
            with super().writing(name) as writer:
                yield writer
            return
        try:
            with (
                self.at_work(),
                self.process(name) as process,
                editing(process.store, self.asked(process), self.occasion, self.env) as (writer, _),
            ):
                row = writer.last_row()
                yield writer
                made = list(writer.names_since(row))
            if name in _SAFE:
                facts.held(self, made)
        except LostRace:
            raise
        except RefConflict:
            facts.refused(made)
            raise
        except Away as exc:
            if "nothing was kept" in str(exc):
                facts.refused(made)
            raise

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """One of its programs is in the middle of something."""
        self.frames += 1
        try:
            yield
        finally:
            self.frames -= 1

    def answer(self, message: Message) -> Message:
        """As Node has it."""
        if self.is_down:
            raise PeerError(f"{self.name} is off")
        with self.at_work():
            return super().answer(message)

    def respond(self, request: WalkRequest) -> Replied:
        """As Node has it."""
        if self.is_down:
            raise PeerError(f"{self.name} is off")
        check_unlocked(self.path, self.name)
        with self.at_work():
            return super().respond(request)

    def turn(self) -> None:
        """One turn of the group program, which is begun if there is none."""
        process, program = self.program or self._begun()
        try:
            if program.is_over():
                self.end_program()
                return
            with self.at_work():
                program.turn()
        except Death as death:
            if death.process is process:
                self.note(death)
                self.end_program()
            raise

    def _begun(self) -> tuple[Process, Program]:
        process = Process(f"group program on {self.name}", self.luck, self.path)
        share = self.share()
        assert share is not None
        door = MortalDoor(self, process)
        with process.store.reader() as reader:
            last = seen(reader)
        refs = SharedRefs(door, share.space(self.group.code), share.group, last)
        reaching = Reaching(self, process, share, lambda: program.members)
        group = deciding.Group(share.name, refs, reaching)
        program = Program(process.store, share, group, reaching, Options(env=self.env))
        self.program = process, program
        return self.program

    def end_program(self) -> None:
        """Kill the group program."""
        if self.program is not None:
            process, self.program = self.program[0], None
            process.is_dead = True
            process.end()

    def end(self) -> None:
        """End all that runs."""
        self.end_program()
        super().end()


class _Groups:
    def __init__(self, member: MemberNode, process: Process) -> None:
        self._member = member
        self._process = process
        self._group: Group | None = None

    def of(self, _store: Store) -> Group | None:
        """As Groups has it."""
        self._group = self._group or self._member.asked(self._process)
        return self._group
