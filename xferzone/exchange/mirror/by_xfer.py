"""A pull of a mirror by xfer: from a primary that knows no walk, or where the walk is not wanted.

An empty mirror learns its project first: from a clone card whose position is beyond all that there is, so that nothing
comes with the reply. Then it is a sync that pulls (sync.py).
"""

from dataclasses import dataclass, replace
from io import SEEK_END
from typing import Final

from xferzone.cards import Clone, Push, parse_cards
from xferzone.cards.body import COMPRESSED, decode_body, encode_body
from xferzone.env import Env
from xferzone.errors import PeerError
from xferzone.exchange.mirror.following import Following
from xferzone.exchange.mirror.primary import Primary
from xferzone.exchange.mirror.walked import Walked
from xferzone.exchange.options import Options
from xferzone.exchange.sync import sync
from xferzone.replicate.client import Wire
from xferzone.replicate.signing import Signer
from xferzone.store import Store
from xferzone.store.remotes import origin
from xferzone.sync.client.options import Account
from xferzone.sync.client.signing import Signing
from xferzone.transport import Body, Transport

_BEYOND: Final = 2**31 - 1  # a position in a clone that no repository has
_MAX_TEXT: Final = 1024 * 1024  # bytes of the reply to that


def pull(store: Store, primary: Primary, options: Following, *, accept_clobber: bool = False) -> Walked:
    """Fetch what is new, and let the refs follow; with `accept_clobber` also where nothing leads.

    Raises:
        PeerError: the primary cannot be reached, refuses, or breaks the protocol. What earlier rounds brought stays.
        Cancelled: `options.cancelled` said so.
    """
    account = options.account
    if isinstance(account, Signer):
        raise PeerError(f"{primary.url} knows no walk, by which members follow each other: is its URL right?")
    way = _Counted(primary.xfer, primary.wire)
    with store.reader() as reader:
        project = reader.setting("project-code")
        known = origin(reader)
    if project is None:
        project = _project(way, account, options.env)
        with store.writer() as writer:
            writer.set_setting("project-code", project)
    asked = replace(_asked(options), account=account, remote=known, accept_clobber=accept_clobber)
    done = sync(store, way, asked)
    if done.errors:
        raise PeerError(f"{primary.url}: {'; '.join(done.errors)}")
    followed = done.followed
    is_new = bool(done.traffic.received or followed.moved or followed.invalid or followed.incomplete)
    if followed.incomplete:
        raise PeerError(
            f"{primary.url} tells of {followed.incomplete[0].branch}, and does not send all of it"
        )
    return Walked(
        is_new=is_new, received=done.traffic.linked, followed=[followed], rows=done.traffic.rows_received
    )


def _asked(options: Following) -> Options:
    return Options(
        push=False,
        tables=options.tables,
        env=options.env,
        cancelled=options.cancelled,
        compiler=options.compiler,
        faults=options.faults,
    )


def _project(way: Transport, account: Account | None, env: Env) -> str:
    """The project code of the primary. Raises PeerError: it does not tell it."""
    signing = Signing(account, env)
    for is_first in (True, False):
        text = signing.body([Clone(3, _BEYOND)], None, is_first=is_first)
        with way.exchange(Body.of(COMPRESSED, encode_body(COMPRESSED, text))) as reply:
            told = decode_body(reply.content_type, reply.octets.read(), limit=_MAX_TEXT)
        for card in parse_cards(told):
            if isinstance(card, Push):
                return card.project_code
        if account is None:
            break
    raise PeerError(f"{way.name} does not say which project it is: may this account clone it?")


@dataclass(frozen=True, slots=True)
class _Counted:
    """A way whose bodies are counted."""

    way: Transport
    wire: Wire

    @property
    def name(self) -> str:
        return self.way.name

    def exchange(self, body: Body) -> Body:
        self.wire.requests += 1
        self.wire.bytes_out += body.octets.seek(0, SEEK_END)
        body.octets.seek(0)
        reply = self.way.exchange(body)
        self.wire.bytes_in += reply.octets.seek(0, SEEK_END)
        reply.octets.seek(0)
        return reply
