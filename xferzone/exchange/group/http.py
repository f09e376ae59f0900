"""The fellows of a member over HTTP: all are asked at once, and the first answers count.

    copy     packed once ─> a thread for each fellow ─> the conversation (copying.py) ─> told: who it is
             enough members, all have answered, or COPY_S have passed ─> what came of it; the other threads end soon
    beyond   the same without artifacts: where their refs stand, for LOOK_S
    fetch    the member that moved the ref, then the others, one by one, for FETCH_S in all
    push_new one fellow, one page

A member counts once, by the name and the life that it says it has, if the group knows it by both: by whatever URLs it
is reached, and however many copies of its file are served. Connections are kept open, and used again, with what is
known of the other end: by how much its clock is off.
"""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from xferzone.env import SYSTEM, Env
from xferzone.errors import Denied, PeerError, XferzoneError
from xferzone.exchange.group import fetching
from xferzone.exchange.group.copying import Copying, FellowFile, Told
from xferzone.exchange.group.fellows import Copied, nothing
from xferzone.exchange.group.packing import Packing
from xferzone.hashing import ArtifactId
from xferzone.refs import BranchName, Move
from xferzone.refs.consensus import MAX_COPIES, Tip
from xferzone.refs.membership import Membership
from xferzone.refs.roster import Member
from xferzone.replicate.client import Client
from xferzone.replicate.signing import Signer
from xferzone.store import Store
from xferzone.transport.http import Patience
from xferzone.transport.walk_http import WalkHTTP

LOOK_S: Final = 1.0  # seconds that a wish waits for fellows to say where their refs stand
COPY_S: Final = 10.0  # seconds that a wish waits for copies
FETCH_S: Final = 60.0  # seconds that all fellows together may take to give what a ref names
PATIENCE: Final = Patience(connect=3, silence=COPY_S, reply=300)
MAX_FELLOWS: Final = 2 * MAX_COPIES  # that are asked; ours
MAX_ASKED: Final = 16  # threads that wait for one fellow; as many pushes of a process may wait
_ALL: Final = MAX_FELLOWS + 2  # members that never are; so all that are asked are waited for
_IDLE: Final = 4  # connections to one fellow that are kept open

#: Who is registered as a member, by name, this one perhaps among them; several threads may call it.
Registrations = Callable[[], Mapping[str, Member]]


class HTTPFellows:
    """The other members of a group; close it at the end."""

    # many: what a member knows of itself and its group
    def __init__(
        self,
        share: Membership,
        project: str,
        registered: Registrations,
        env: Env = SYSTEM,
        *,
        unreached: Callable[[], Collection[str]] = tuple,
        copy_s: float = COPY_S,
        fetch_s: float = FETCH_S,
    ) -> None:
        """
        Args:
            share: this member's.
            project: the project code.
            unreached: fellows that could not be reached when that was tried last; where their refs stand is not asked.
            copy_s: seconds that a wish waits for copies.
            fetch_s: seconds that all fellows together may take to give what refs name.
        """
        self._copy_s = copy_s
        self._fetch_s = fetch_s
        self._share = share
        self._project = project
        self._registered = registered
        self._unreached = unreached
        self._env = env
        self._lock = threading.Lock()
        self._idle: dict[str, list[Client]] = {}  # by URL
        self._asked: Counter[str] = Counter()  # threads by fellow

    def close(self) -> None:
        """Close the connections that are kept open."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for clients in idle.values():
            for client in clients:
                _close(client)

    # -- what is asked

    # many: what is copied to how many, and what is done meanwhile
    def copy(
        self,
        store: Store,
        moves: Sequence[Move],
        controls: Sequence[ArtifactId],
        copies: int,
        meanwhile: Callable[[], None] = nothing,
    ) -> Copied:
        """As Fellows has it."""
        if copies <= 1 or not (moves or controls):
            meanwhile()
            return Copied(1)
        registered = self._registered()
        asking = _Asking(self._share, registered, copies, self._env)
        fellows = self._fellows(registered)
        first = Packing(store, self._share.group, self._env).first(moves)
        self._ask(store, fellows, asking, lambda copying: copying.copy(moves, controls, first))
        try:
            meanwhile()
        except BaseException:
            asking.give_up()
            raise
        return asking.outcome(self._copy_s)

    def beyond(self, store: Store, moves: Sequence[Move]) -> Mapping[BranchName, str]:
        """As Fellows has it."""
        registered, unreached = self._registered(), self._unreached()
        asking = _Asking(self._share, registered, _ALL, self._env)
        fellows = [each for each in self._fellows(registered) if each[0] not in unreached]
        self._ask(store, fellows, asking, lambda copying: copying.look(moves))
        return asking.outcome(LOOK_S).beyond

    def _ask(
        self,
        store: Store,
        fellows: Sequence[tuple[str, Member]],
        asking: "_Asking",
        ask_one: Callable[[Copying], Told],
    ) -> None:
        """Ask each of them in a thread of its own."""

        def ask(name: str, one: Member) -> None:
            try:
                with self._client(name, one.url) as client:
                    copying = Copying(store, client, self._share.group, self._env, asking.is_over)
                    asking.told(name, ask_one(copying))
            except (XferzoneError, OSError) as exc:
                asking.failed(name, str(exc))
            finally:
                asking.ended(name)

        for name, one in fellows:
            asking.begin(name)
            threading.Thread(target=ask, args=(name, one), name=f"copies to {name}", daemon=True).start()

    def fetch(self, store: Store, tips: Sequence[Tip], zones: Collection[str] = ()) -> None:
        """As Fellows has it."""
        end = self._env.monotonic() + self._fetch_s

        def is_over() -> bool:
            return self._env.monotonic() > end

        fellows = self._fellows(self._registered())
        for member in dict.fromkeys(tip.member for tip in tips):
            of_member = [tip.checkin for tip in tips if tip.member == member]
            for name, one in sorted(fellows, key=lambda each: each[0] != member):
                with store.reader() as reader:
                    left = fetching.incomplete(reader, of_member)
                if not left or is_over():
                    break
                # The next one may have what this one does not give.
                with suppress(PeerError, Denied), self._client(name, one.url) as client:
                    fetching.fetch(store, client, left, self._env, is_over, zones)

    def push_new(self, store: Store, name: str, since_row: int, file: FellowFile) -> int:
        """Send the fellow of that name a page of what came here behind a row; as Copying.push_new has it.

        Raises:
            PeerError, Denied: it cannot be reached, or refuses.
        """
        with self.client(name) as client:
            return Copying(store, client, self._share.group, self._env, file=file).push_new(since_row)

    def look_back(self, store: Store, name: str, file: FellowFile) -> None:
        """Have the fellow of that name tell of its file. Raises as `push_new`."""
        with self.client(name) as client:
            Copying(store, client, self._share.group, self._env, file=file).look_back()

    @contextmanager
    def client(self, name: str) -> Iterator[Client]:
        """The walk of the fellow of that name, for this thread alone.

        Raises:
            PeerError: it is not registered, or too many wait for it.
        """
        one = self._registered().get(name)
        if one is None:
            raise PeerError(f"no member {name} is registered")
        with self._client(name, one.url) as client:
            yield client

    # -- connections

    def _fellows(self, registered: Mapping[str, Member]) -> list[tuple[str, Member]]:
        own = self._share.name
        return [(name, one) for name, one in sorted(registered.items()) if name != own][:MAX_FELLOWS]

    @contextmanager
    def _client(self, name: str, url: str) -> Iterator[Client]:
        """The walk of a fellow, which this thread has alone. Raises PeerError: too many wait for it."""
        with self._lock:
            if self._asked[name] >= MAX_ASKED:
                raise PeerError(f"{MAX_ASKED} requests wait for it already")
            self._asked[name] += 1
            idle = self._idle.get(url)
            client = idle.pop() if idle else None
        is_sound = False
        try:
            client = client or self._new(url)
            yield client
            is_sound = True
        finally:
            with self._lock:
                self._asked[name] -= 1
                kept = self._idle.setdefault(url, [])
                is_kept = is_sound and client is not None and len(kept) < _IDLE
                if is_kept and client is not None:
                    kept.append(client)
            if client is not None and not is_kept:
                _close(client)

    def _new(self, url: str) -> Client:
        signer = Signer(self._share.name, self._share.secret, is_member=True)
        return Client(WalkHTTP(url, patience=PATIENCE), signer, self._env, self._project)


def _close(client: Client) -> None:
    assert isinstance(client.transport, WalkHTTP)
    client.transport.close()


class _Asking:
    """One wish that fellows are asked to hold."""

    def __init__(self, share: Membership, registered: Mapping[str, Member], copies: int, env: Env) -> None:
        self._own = (share.name, share.life)
        self._known = {(name, one.life) for name, one in registered.items()}
        self._copies = copies
        self._env = env
        self._changed = threading.Condition()
        self._members: set[tuple[str, str]] = set()
        self._beyond: dict[BranchName, str] = {}
        self._reasons: dict[str, str] = {}
        self._under_way: set[str] = set()
        self._is_over = False

    def begin(self, name: str) -> None:
        with self._changed:
            self._under_way.add(name)

    def told(self, name: str, told: Told) -> None:
        """The fellow that is reached by this name holds it."""
        who = (told.member, told.life)
        with self._changed:
            self._beyond |= told.beyond
            if who[0] == self._own[0] or who[1] == self._own[1]:
                self._reasons[name] = "it is this member itself: is its URL right?"
            elif who not in self._known:
                self._reasons[name] = f"it is {told.member} in another life than is registered: join again"
            else:
                self._members.add(who)

    def failed(self, name: str, reason: str) -> None:
        with self._changed:
            self._reasons[name] = reason

    def ended(self, name: str) -> None:
        with self._changed:
            self._under_way.discard(name)
            self._changed.notify_all()

    def is_over(self) -> bool:
        return self._is_over

    def give_up(self) -> None:
        """Nobody waits for the outcome."""
        self._is_over = True

    def outcome(self, seconds: float) -> Copied:
        """What came of it, at the latest after so many seconds."""
        end = self._env.monotonic() + seconds
        with self._changed:
            while self._count() < self._copies and self._under_way:
                left = end - self._env.monotonic()
                if left <= 0:
                    break
                self._changed.wait(left)
            self._is_over = True
            return Copied(self._count(), self._why(), {**self._beyond})

    def _count(self) -> int:
        return 1 + len(self._members)

    def _why(self) -> str:
        if self._count() >= self._copies:
            return ""
        reasons = {**self._reasons, **dict.fromkeys(self._under_way, "no answer in time")}
        return (
            "; ".join(f"{name}: {why}" for name, why in sorted(reasons.items())) or "no other member is there"
        )
