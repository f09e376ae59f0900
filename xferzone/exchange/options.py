"""What a caller decides of an exchange with a peer, and what it gets to know of it."""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final

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
        account: the login of requests; None: they carry none.
        remote: what is known of the peer; None: nothing is, and nothing will be remembered.
        budget: bytes of artifacts in one request.
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
        helping: begins a process that helps a clone to verify, before any thread is started; the same file has one.
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

    def __post_init__(self) -> None:
        """Raises UsageError: an exchange cannot go that way."""
        for name, least in (("budget", 1), ("rounds", 1), ("gimmes", 1), ("cache", 0)):
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

    def for_session(self, *, pull: bool, push: bool) -> SessionOptions:
        """What of this a session needs."""
        purpose = Purpose(pull, push)
        return SessionOptions(purpose, self.account, self.budget, self.gimmes, self.peer_id, self.env)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a sync or clone came to.

    Fields:
        peer: where the other repository is.
        project_code: of both.
        traffic: rounds, artifacts and bytes each way, gimmes and igots, artifacts linked.
        seconds: how long it took.
        messages: what the people at the other end want to be read, in order.
        errors: why the peer ended the session; empty: it did not, and refs have followed.
        is_denied: the peer takes no push from this account; everything else went on.
        denial: how the peer said so; empty: it did not.
        absent: artifacts that the peer named and has not sent.
        followed: refs moved, diverged, and kept where they were.
        unsent: artifacts made here that still wait for a push.
        waiting: what is told of check-ins that came or were sent, and wait: for what has not come, or behind what is
            not a check-in.
        beaten: branches pushed to on which somebody else was first.
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
    followed: Followed = field(default_factory=Followed)
    unsent: int = 0
    waiting: tuple[str, ...] = ()
    beaten: tuple[str, ...] = ()
