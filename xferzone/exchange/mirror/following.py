"""What a caller decides of a follower, and what it gets to know of each pull."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Final, Literal

from xferzone.env import SYSTEM, Env
from xferzone.errors import XferzoneError
from xferzone.faults import Faults
from xferzone.publish.beforehand import Begin
from xferzone.publish.follow import Followed
from xferzone.publish.served import Compiler, compile_all
from xferzone.replicate.signing import Signer
from xferzone.store.incoming import Helper
from xferzone.sync.client.options import Account
from xferzone.transport import Transport
from xferzone.transport.walk import WalkTransport

INTERVAL_S: Final = 5.0  # between two polls
MAX_BACK_OFF_S: Final = 60.0  # between two attempts after failures, with up to a half of it less by chance

Via = Literal["walk", "xfer"]


@dataclass(frozen=True, slots=True)
class Ways:
    """How the primary of a URL is reached; transport/walk_http.py has those over HTTP.

    Fields:
        walk: given the URL of the repository; closed by whoever asked for it, if it has a `close`.
        xfer: the same, for a primary that knows no walk.
    """

    walk: Callable[[str], WalkTransport]
    xfer: Callable[[str], Transport]


def _never() -> bool:
    return False


def _nobody() -> AbstractContextManager[None]:
    return nullcontext()


def _unheard(_news: "Pulled | XferzoneError") -> None:
    """Nobody listens."""


@dataclass(frozen=True, slots=True)
class Following:
    """How a follower goes.

    Fields:
        via: the road. "walk" falls back on xfer for a primary that knows no walk.
        account: the login of requests, or the member of a group that signs them, by the walk alone; None: neither.
        waits: ask to be told of news between two polls.
        tables: rows of synced tables are taken, too.
        through_cache: artifacts are asked for one by one, so that a cache between here and the primary may answer.
        in_thread: requests are made by another thread: the next batch is on its way while the last is stored.
        env: clock, randomness and sleep.
        heard: `run` tells it how each pull ended, the quiet ones included.
        woken: asked several times a second between two polls; True begins the next one at once.
        cancelled: asked several times a second; True ends `run`, and a pull with Cancelled.
        compiler: compiles zones; serve/helpers.py has one that uses every processor.
        helping: begins a process that helps the first pull to verify; the same file has one.
        beginning: begins a process that compiles the zones of the first pull as they come; likewise.
        faults: bad luck of a test; None: none.
    """

    via: Via = "walk"
    account: Account | Signer | None = None
    waits: bool = True
    tables: bool = True
    through_cache: bool = False
    in_thread: bool = True
    env: Env = SYSTEM
    heard: Callable[["Pulled | XferzoneError"], None] = _unheard
    woken: Callable[[], bool] = _never
    cancelled: Callable[[], bool] = _never
    compiler: Compiler = compile_all
    helping: Callable[[], AbstractContextManager[Helper | None]] = _nobody
    beginning: Callable[[], AbstractContextManager[Begin | None]] = _nobody
    faults: Faults | None = None


@dataclass(frozen=True, slots=True)
class Pulled:
    """What one pull came to.

    Fields:
        primary: the URL that answered.
        via: the road.
        is_new: the primary told something that was not known here.
        requests, bytes_out, bytes_in: what went over the wire, bodies only.
        received: artifacts that are new here.
        rows: of synced tables, that were older here or new.
        seconds: how long it took.
        followed: refs moved, and kept where they were.
        failed: primaries before it in the list, and why they were passed over.
        notes: what people should know, told once by a follower.
    """

    primary: str
    via: Via
    is_new: bool
    requests: int
    bytes_out: int
    bytes_in: int
    received: int
    seconds: float
    followed: Followed = field(default_factory=Followed)
    failed: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    rows: int = 0
