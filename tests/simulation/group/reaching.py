"""How a program of a member reaches etcd and its fellows, and what goes wrong on the way.

No write transaction of its own is open in any of these calls: that is looked at in each.
"""

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from tests.refs.model import Door, Fault
from tests.simulation.facts import Broken
from tests.simulation.process import Process
from xferzone.errors import Away, XferzoneError
from xferzone.exchange.group.copying import Copying
from xferzone.exchange.group.fellows import Copied, nothing
from xferzone.exchange.group.http import HTTPFellows, _Asking
from xferzone.hashing import ArtifactId
from xferzone.refs import BranchName, Move
from xferzone.refs.keys import Listed, Transacted, Watch
from xferzone.refs.membership import Membership
from xferzone.refs.roster import Member as Registered
from xferzone.refs.roster import registered
from xferzone.replicate.client import Client
from xferzone.replicate.signing import Signer
from xferzone.store import Store

if TYPE_CHECKING:
    from tests.simulation.group.member import MemberNode

_SLOW_MS: Final = 5_000  # milliseconds that etcd takes when it is slow
_LATEST_MS: Final = 10_000  # after which no answer of it is waited for
_TRANSACT: Final = (Fault.DROPPED, Fault.LATE, Fault.LATE, Fault.LOST, Fault.EMPTY, Fault.CUT)
_WATCH: Final = (Fault.DROPPED, Fault.CUT, Fault.SILENT, Fault.BEHIND, Fault.COMPACTED)
_OTHER: Final = (Fault.DROPPED, Fault.LOST, Fault.CUT)

T = TypeVar("T")


def check_unlocked(path: Path, what: str) -> None:
    """Raise Broken if a write transaction is open."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as db:
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as exc:
            raise Broken(f"{path.stem}: a transaction is open while {what} is asked") from exc
        db.execute("ROLLBACK")


class MortalDoor:
    """Keys, as one program has them, which may die before an answer and after it."""

    def __init__(self, member: "MemberNode", process: Process) -> None:
        self._member = member
        self._process = process
        self._door = Door(member.group.cluster, self._fault, "etcd")
        self.name = "etcd"
        self._is_put = False

    @property
    def connections(self) -> int:
        """As Keys has it."""
        return self._door.connections

    def transact(
        self, expected: Mapping[str, bytes | None], puts: Mapping[str, bytes | None], lease: int | None = None
    ) -> Transacted:
        """As Keys has it."""
        self._is_put = bool(puts)
        return self._asked(lambda: self._door.transact(expected, puts, lease))

    def list(self, prefix: str) -> Listed:
        """As Keys has it."""
        return self._asked(lambda: self._door.list(prefix))

    def watch(self, prefix: str, revision: int, seconds: float) -> Watch:
        """As Keys has it."""
        return self._door.watch(prefix, revision, seconds)

    def grant(self, seconds: int) -> int:
        """As Keys has it."""
        return self._asked(lambda: self._door.grant(seconds))

    def keep(self, lease: int) -> bool:
        """As Keys has it."""
        return self._asked(lambda: self._door.keep(lease))

    def revoke(self, lease: int) -> None:
        """As Keys has it."""
        self._asked(lambda: self._door.revoke(lease))

    def _asked(self, ask: Callable[[], T]) -> T:
        check_unlocked(self._member.path, "etcd")
        self._process.dies("etcd.asked", 0.02)
        self._member.network.wait()
        try:
            answer = ask()
        finally:
            self._process.dies("etcd.answered", 0.05)
        self._member.network.wait()
        return answer

    def _fault(self, operation: str) -> Fault | None:
        luck, story = self._member.luck, self._member.story
        forced = self._member.group.forced
        if operation == "transact" and self._is_put and forced:
            return forced.pop(0)
        if not self._member.network.reaches(self._member.name, "etcd"):
            story.now_ms += _LATEST_MS // 4
            return Fault.DROPPED
        if luck.strikes("etcd.slow", 0.03):
            story.now_ms += _SLOW_MS
        if not luck.strikes(f"etcd.{operation}", 0.3 if operation == "transact" else 0.2):
            return None
        kinds = {"transact": _TRANSACT, "watch": _WATCH}.get(operation, _OTHER)
        fault = luck.one_of(kinds)
        story.tell("etcd", f"{operation} of {self._process.name}: {fault.name}")
        if fault in (Fault.DROPPED, Fault.LATE):
            story.now_ms += _LATEST_MS
        return fault


class Reaching(HTTPFellows):
    """The fellows of a member, as one of its programs reaches them: one after the other, counted as over HTTP."""

    def __init__(
        self,
        member: "MemberNode",
        process: Process,
        share: Membership,
        members: Callable[[], Mapping[str, Registered]],
    ) -> None:
        super().__init__(share, member.group.code, members, member.env)
        self._member = member
        self._process = process

    def copy(
        self,
        store: Store,
        moves: Sequence[Move],
        controls: Sequence[ArtifactId],
        copies: int,
        meanwhile: Callable[[], None] = nothing,
    ) -> Copied:
        """As Fellows has it; no thread of it lives on."""
        meanwhile()
        if copies <= 1 or not (moves or controls):
            return Copied(1)
        known = self._registered()
        asking = _Asking(self._share, known, copies, self._env)
        for name, one in self._fellows(known):
            if asking._count() >= copies:
                break
            try:
                with self._client(name, one.url) as client:
                    told = Copying(store, client, self._share.group, self._env).copy(moves, controls)
                asking.told(name, told)
            except (XferzoneError, OSError) as exc:
                asking.failed(name, str(exc))
            self._process.dies("group.copied", 0.05)
        return asking.outcome(0.0)

    def beyond(self, store: Store, moves: Sequence[Move]) -> Mapping[BranchName, str]:
        """As Fellows has it, one after the other."""
        found: dict[BranchName, str] = {}
        for name, one in self._fellows(self._registered()):
            with suppress(XferzoneError, OSError), self._client(name, one.url) as client:
                found |= Copying(store, client, self._share.group, self._env).look(moves).beyond
        return found

    @contextmanager
    def _client(self, _name: str, url: str) -> Iterator[Client]:
        way = self._member.group.way_to(self._member, url)
        signer = Signer(self._share.name, self._share.secret, is_member=True)
        yield Client(way, signer, self._env, self._project)


class Remembered:
    """Who is registered as a member, as a program reads it."""

    def __init__(self, door: MortalDoor, space: str) -> None:
        self._door = door
        self._space = space
        self._known: Mapping[str, Registered] = {}

    def __call__(self) -> Mapping[str, Registered]:
        with suppress(Away):
            self._known = registered(self._door, self._space)
        return self._known
