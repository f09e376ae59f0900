"""One round against a store, as web/xfer does it but without zones, for tests."""

from collections.abc import Sequence

from tests.sync.recorded import signed
from xferzone.cards import Card, Pragma, encode_cards, parse_cards
from xferzone.env import SYSTEM
from xferzone.store import Store
from xferzone.sync.server.budget import Budget
from xferzone.sync.server.login import Rights, claimed, may_write
from xferzone.sync.server.reply import Reply
from xferzone.sync.server.request import Request
from xferzone.sync.server.round import Round
from xferzone.sync.server.terms import Terms

PROJECT = "0123456789abcdef0123456789abcdef01234567"
PULL = b"pull x %s\n" % PROJECT.encode()
PUSH = b"push x %s\n" % PROJECT.encode()
VERSION = Pragma("client-version", ("22100", "20230226", "192424")).encode()


def ask(store: Store, body: bytes, budget: Budget | None = None, notices: Sequence[str] = ()) -> Reply:
    """The reply to card text `body`, whose login card, if any, holds; what a writer did is committed."""
    with store.reader() as reader:
        request = Request(body)
        claim = claimed(reader, request.login, lambda: 0)
    assert claim.is_true_of(request)
    rights = claim.rights
    with store.writer() if may_write(request, rights) else store.reader() as transaction:
        round_ = Round(transaction, request, _terms(rights, budget))
        round_.receive()
        return round_.finish(notices)


def _terms(rights: Rights, budget: Budget | None) -> Terms:
    return Terms(rights, budget or Budget(), now_ms=SYSTEM.clock_ms())


def cards(reply: Reply) -> list[Card]:
    return list(parse_cards(reply.text))


def by(login: str, *parts: bytes | Card) -> bytes:
    """A body of these parts, sent by `login`, whose password is `pw`."""
    return signed(login, "pw", body(*parts), PROJECT)


def body(*parts: bytes | Card) -> bytes:
    return b"".join(part if isinstance(part, bytes) else encode_cards([part]) for part in parts)
