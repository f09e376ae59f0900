"""A fellow asked over HTTP who it is, where its refs stand, what its clock says (asking.py); nothing is stored there.

GET  /v0/refs      where its refs stand, page by page, and its Date
POST /v0/copies    without any: its name and life, and of whom it knows; or why it takes none
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Final

from xferzone.env import Env
from xferzone.errors import Denied, PeerError
from xferzone.exchange.group.asking import Heard
from xferzone.hashing import ArtifactId
from xferzone.refs.membership import Membership
from xferzone.replicate import copies
from xferzone.replicate.client import Client, Cursor
from xferzone.replicate.copies import Head
from xferzone.replicate.sending import Body
from xferzone.replicate.signing import Signer
from xferzone.store import Store
from xferzone.transport.http import Patience
from xferzone.transport.walk import WalkReply, WalkRequest, WalkTransport
from xferzone.transport.walk_http import WalkHTTP

MAX_PAGES: Final = 1_000  # of refs, 10,000 branches each
_PATIENCE: Final = Patience(connect=3, silence=10, reply=30)


def _over_http(url: str) -> AbstractContextManager[WalkTransport]:
    return WalkHTTP(url, patience=_PATIENCE)


@dataclass(frozen=True, slots=True)
class Asking:
    """Asks fellows for the member with that share, of the project with that code.

    Fields:
        way: how a fellow is reached, by its URL.
    """

    store: Store
    share: Membership
    project: str
    env: Env
    way: Callable[[str], AbstractContextManager[WalkTransport]] = _over_http

    def __call__(self, name: str, url: str) -> Heard:
        """As Ask has it."""
        with self.way(url) as way:
            dated = _Dated(way, self.env)
            signer = Signer(self.share.name, self.share.secret, is_member=True)
            client = Client(dated, signer, self.env, self.project)
            tips = _tips(client)
            try:
                nothing = Body(self.store, is_named=True, faults=None).records((), {})
                held = client.copies(copies.body(Head(group=self.share.group), nothing))
            except (PeerError, Denied) as exc:
                return Heard("", "", self.project, tips, dated.ahead_s, str(exc))
        return Heard(held.member, held.life, self.project, tips, dated.ahead_s, members=held.members)


def _tips(client: Client) -> dict[str, ArtifactId]:
    tips: dict[str, ArtifactId] = {}
    cursor = None
    for _ in range(MAX_PAGES):
        told = client.refs(cursor)
        if told is None:
            return tips
        tips |= {f"{each.zone}/{each.name}": ArtifactId(each.hash) for each in told.branches}
        if not told.more:
            return tips
        cursor = Cursor(told.epoch, told.number, told.position, told.checkin)
    raise PeerError(f"{client.transport.name} tells of refs without end")


@dataclass(slots=True)
class _Dated:
    """A way whose replies tell how far the clock at its end is ahead."""

    way: WalkTransport
    env: Env
    ahead_s: float = field(default=0.0)

    @property
    def name(self) -> str:
        return self.way.name

    @property
    def host(self) -> str:
        return self.way.host

    def ask(self, request: WalkRequest) -> WalkReply:
        before = self.env.clock_ms() / 1000
        reply = self.way.ask(request)
        after = self.env.clock_ms() / 1000
        try:
            there = parsedate_to_datetime(reply.headers.get("date", "")).timestamp()
        except (ValueError, OverflowError):
            return reply
        # A Date has whole seconds, cut off.
        self.ahead_s = there - after if there > after else min(there + 1 - before, 0.0)
        return reply
