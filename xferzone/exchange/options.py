"""What a caller decides of an exchange with a peer, and what it gets to know of it."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Final

from xferzone.cards.lock import Locked
from xferzone.env import SYSTEM, Env
from xferzone.errors import UsageError
from xferzone.faults import Faults
from xferzone.hashing import ArtifactId
from xferzone.observer import Observer, Silent, Traffic
from xferzone.publish.follow import Followed
from xferzone.publish.served import Compiler, compile_all
from xferzone.store.database import CACHE_SIZE
from xferzone.store.incoming import Helper
from xferzone.store.remotes import Remote
from xferzone.sync.client import driver
from xferzone.sync.client.options import ANY_PEER, FEWEST_GIMMES, MAX_REQUEST, Account, Purpose
from xferzone.sync.client.options import Options as SessionOptions
from xferzone.transport import Transport
from xferzone.transport.base import Bounded, room

STAGE: Final = 32 * 1024 * 1024  # bytes; a kill costs so much at most, and each commit an fsync or two
MAX_CODE: Final = 100  # letters of a server code; ours, stock's have 40
_CODE: Final = re.compile(rf"[!-~]{{1,{MAX_CODE}}}")


def _never() -> bool:
    return False


def _nobody() -> AbstractContextManager[Helper | None]:
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Options:
    """How an exchange goes.

    Fields:
        pull, push: which way artifacts go; a clone and a repair pull.
        unversioned: unversioned files go the same ways.
        tables: rows of synced tables do.
        address: where this repository is, for the registry of peers (sync/client/registry.py); empty: it does not say.
        account: the login of requests; None: they carry none.
        remote: what is known of the peer; None: nothing is, and nothing will be remembered.
        budget: bytes of artifacts in one request.
        overshoots: the last artifact of a request may go beyond that; False: only the first, which then goes alone.
        rounds: how many there may be.
        patience: seconds that one round may take.
        gimmes: artifacts asked for in one request; twice as many as the last reply brought, if that is more.
        cache: bytes of expanded contents kept in memory; None: no cache.
        peer_id: what requests name as this repository's server code; servers pass it over.
        login: stands in the publication log for the refs that this exchange moves; empty: unknown.
        env: clock and randomness.
        faults: what may go wrong by itself (faults.py); None: nothing.
        observer: is told of the session and its rounds.
        cancelled: asked several times a second while a reply is awaited; True ends the exchange with Cancelled.
        compiler: compiles zones; serve/helpers.py has one that uses every processor.
        private: private artifacts go along, either way; the peer must allow it.
        lock: the check-in that is to be committed on, which the server is asked to lock; None: it is not asked.
        stage: bytes of replies between two commits of a clone that may go on later.
        helping: begins a process that helps a clone to verify, before any thread is started; the same file has one.
        accept_clobber: a mirror goes where the peer's refs are, whatever leads there.
    """

    pull: bool = True
    push: bool = True
    account: Account | None = None
    remote: Remote | None = None
    budget: int = MAX_REQUEST
    rounds: int = field(default_factory=lambda: driver.MAX_ROUNDS)
    patience: float = driver.MAX_ROUND_S
    gimmes: int = FEWEST_GIMMES
    cache: int | None = CACHE_SIZE
    peer_id: str = ANY_PEER
    login: str = ""
    env: Env = SYSTEM
    faults: Faults | None = None
    observer: Observer = field(default_factory=Silent)
    cancelled: Callable[[], bool] = _never
    compiler: Compiler = compile_all
    helping: Callable[[], AbstractContextManager[Helper | None]] = _nobody
    overshoots: bool = True
    unversioned: bool = False
    tables: bool = True
    address: str = ""
    accept_clobber: bool = False
    private: bool = False
    lock: ArtifactId | None = None
    stage: int = STAGE

    def __post_init__(self) -> None:
        """Raises UsageError: an exchange cannot go that way."""
        for name, least in (("budget", 1), ("rounds", 1), ("gimmes", 1), ("cache", 0), ("stage", 1)):
            given = getattr(self, name)
            if given is not None and given < least:
                raise UsageError(f"{name}={given!r} is out of range: the least is {least}")
        if not self.patience > 0:
            raise UsageError(f"patience={self.patience!r} is out of range: give seconds above 0")
        if not _CODE.fullmatch(self.peer_id):
            raise UsageError(
                f"peer_id={self.peer_id[:60]!r} is not a server code: give up to {MAX_CODE} ASCII letters, digits or "
                "other signs, without blanks"
            )

    def for_session(
        self, *, pull: bool, push: bool, gives_files: bool = True, client: str = ""
    ) -> SessionOptions:
        """What of this a session needs.

        Args:
            gives_files: unversioned ones and rows of tables, where `push` is so.
            client: names this repository to who keeps check-in locks.
        """
        gives = push and gives_files
        files, rows = self.unversioned, self.tables
        purpose = Purpose(pull, push, pull and files, gives and files, pull and rows, gives and rows)
        return SessionOptions(
            purpose,
            self.account,
            self.budget,
            self.gimmes,
            self.peer_id,
            self.env,
            self.overshoots,
            self.private,
            client,
            self.lock,
            address=self.address,
        )

    def within(self, transport: Transport) -> "Options":
        """The same, for the bound that the messages of the transport may have. Raises PeerError as Bounded."""
        if not isinstance(transport, Bounded):
            return self
        # Half: what announces, and what tells of refs, is not counted.
        most = max(1, room(transport.max_payload) // 2)
        return replace(self, budget=min(self.budget, most), overshoots=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a sync or clone came to.

    Fields:
        peer: where the other repository is.
        project_code: of both.
        traffic: rounds, artifacts, unversioned files, rows and bytes each way, gimmes and igots, artifacts linked.
        seconds: how long it took.
        messages: what the people at the other end want to be read, in order.
        errors: why the peer ended the session; empty: it did not, and refs have followed.
        is_denied: the peer takes no push from this account; everything else went on.
        denial: how the peer said so; empty: it did not.
        absent: artifacts that the peer, or what it sent, has named, and that have not come.
        withheld: those of them that the peer has, as it says.
        followed: refs moved, diverged, and kept where they were.
        unsent: artifacts made here that still wait for a push.
        waiting: what is told of check-ins that came or were sent, and wait: for what has not come, or behind what is
            not a check-in.
        beaten: branches pushed to on which somebody else was first.
        uv_is_denied: the peer takes no unversioned files from this account, and there are newer ones here.
        uv_absent: names of unversioned files that are newer at the peer and have not come.
        uv_left_out: why files of the peer were not taken.
        tables_are_denied: the peer takes none of the rows or tables from this account that are newer here.
        tables_left_out: why rows and tables did not travel, though they are newer at one end.
        config_received, config_sent: rows of configuration; of those that came, only newer ones count.
        config_left_out: why rows that came were not taken, or artifacts of a list not shunned.
        locked: who else is about to commit on the check-in of `Options.lock`, and since when; None: nobody known.
        server_code: of the peer, as it says to clones alone; empty: it has not said.
    """

    peer: str
    project_code: str
    traffic: Traffic
    seconds: float
    messages: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    is_denied: bool = False
    denial: str = ""
    absent: tuple[ArtifactId, ...] = ()
    withheld: tuple[ArtifactId, ...] = ()
    followed: Followed = field(default_factory=Followed)
    unsent: int = 0
    waiting: tuple[str, ...] = ()
    beaten: tuple[str, ...] = ()
    uv_is_denied: bool = False
    uv_absent: tuple[str, ...] = ()
    uv_left_out: tuple[str, ...] = ()
    tables_are_denied: bool = False
    tables_left_out: tuple[str, ...] = ()
    config_received: int = 0
    config_sent: int = 0
    config_left_out: tuple[str, ...] = ()
    locked: Locked | None = None
    server_code: str = ""
