"""What the caller of a session decides, and what the repository knows about the server from earlier sessions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from xferzone.cards.extension import RoleNamed
from xferzone.env import SYSTEM, Env
from xferzone.errors import UsageError
from xferzone.hashing import ArtifactId

MAX_REQUEST: Final = (
    250_000  # bytes of artifacts in one request; Fossil's "max-upload", src/xfer.c client_sync()
)
FEWEST_GIMMES: Final = 200  # in one request; Fossil 2.21, src/xfer.c client_sync(), mxPhantomReq
ANY_PEER: Final = "0" * 40  # a server code; every server ignores it


@dataclass(frozen=True, slots=True)
class Account:
    """The login that requests carry; `password` as people type it, or 40 hex digits (cards/session.py)."""

    login: str
    password: str

    def __post_init__(self) -> None:
        """Raises UsageError: no login card can carry it."""
        if not self.login:
            raise UsageError("an account has a login: for requests without one give no account")


@dataclass(frozen=True, slots=True)
class Purpose:
    """Which way artifacts go, unversioned files, and rows of synced tables."""

    pull: bool
    push: bool
    uv_pull: bool = False
    uv_push: bool = False
    tables_pull: bool = False
    tables_push: bool = False


class Configuration(NamedTuple):
    """Areas of the configuration by name (sync/configuration.py), and whether accounts of them are taken."""

    wanted: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    with_accounts: bool = False


NO_CONFIGURATION: Final = Configuration()


class Bound(NamedTuple):
    """Bytes of artifacts in one request, and whether one may go beyond that though it is not the first."""

    size: int
    overshoots: bool = True


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller decides.

    Fields:
        purpose: which way artifacts go; a clone pulls.
        account: None: requests carry no login.
        request_bytes: of artifacts in one request, tested before each: one may overshoot, so a large one still goes.
        overshoots: that one may; False: only the first of a request may, which then goes alone.
        private: private artifacts go along, either way.
        gimmes: artifacts asked for in one request; twice as many as the last reply brought, if that is more.
        peer_id: the server code in pull and push cards, one token.
        env: its `token` makes the comment that tells two equal requests apart.
        client: names this repository to who keeps check-in locks; what it pushes frees them. Empty: it takes none.
        fellow: the server is a member of the same group, which believes whose a row is.
        login: whose rows of the registry of peers count, where requests carry no account; empty: nobody's.
        address: where this repository is, for the registry of peers; empty: it does not say.
        lock: the check-in that is to be committed on, to be locked for it; None: none is.
        configuration: what of it goes which way.
    """

    purpose: Purpose
    account: Account | None = None
    request_bytes: int = MAX_REQUEST
    gimmes: int = FEWEST_GIMMES
    peer_id: str = ANY_PEER
    env: Env = SYSTEM
    overshoots: bool = True
    private: bool = False
    client: str = ""
    lock: ArtifactId | None = None
    fellow: bool = False
    configuration: Configuration = NO_CONFIGURATION
    address: str = ""
    login: str = ""

    @property
    def bound(self) -> "Bound":
        return Bound(self.request_bytes, self.overshoots)


@dataclass(frozen=True, slots=True)
class Known:
    """What the repository knows about the server before the session.

    Fields:
        epochs: epoch -> number of the last move of the server's refs known here, the latest epoch last.
        cookie: the token that the server gave last; empty: none.
        is_origin: what was made here is unsent until this server has it; another server is only asked what it lacks.
        role: of the repository that syncs, for the server. None: it is none of those that may not meet others.
        own_epoch: of the repository that syncs; a server that names it is the same repository. None: do not look.
        part: the position from which a clone goes on; 0: all its parts have come. None: it begins.
    """

    epochs: Mapping[str, int] = field(default_factory=dict)
    cookie: str = ""
    is_origin: bool = True
    own_epoch: str | None = None
    role: RoleNamed | None = None
    part: int | None = None
