"""What travels beside artifacts by the walk, as cards of xfer: files without a history, and synced tables.

    POST /v0/unversioned    both, between the members of a group; the fellow's end
    POST /v0/tables         synced tables alone, for mirrors: whoever may read asks, and brings nothing

    body     the cards of a client that exchanges these alone (sync/client/unversioned.py, sync/client/tables.py),
             without a login: the request is signed, by the group's secret or an account's
    reply    the cards of the answer, with their hash: a bit that flips on the way must not delete a file

Each member begins such an exchange, which goes both ways, when its own have changed and now and then; so all have the
newest of each. Of rows members say whose they are. A mirror asks when the hash that comes with the refs is another than
that of its own tables. Unversioned files it gets from nobody by itself: DNS needs none of them.
"""

from collections.abc import Callable, Mapping
from typing import Final

from xferzone.cards import Pragma, XList, XTable, XWant, parse_cards
from xferzone.errors import PeerError
from xferzone.replicate import replying
from xferzone.replicate.messages import FILES_TYPE, TABLES_HEADER, TABLES_TYPE
from xferzone.replicate.replying import Refusal
from xferzone.store import Reader, Store, tables
from xferzone.sync.server.login import Rights
from xferzone.sync.server.request import Request
from xferzone.sync.server.round import Round
from xferzone.sync.server.terms import Terms
from xferzone.transport.walk import WalkReply, WalkRequest

_FELLOW: Final = Rights("", frozenset("oy"), fellow=True)
_PRAGMAS: Final = ("xferzone", "client-version")  # of a request that asks for tables alone


class NotTaken(PeerError):
    """A request that is not taken, and nothing of it; the message says why."""


def exchanged(store: Store, request: WalkRequest, now_ms: int) -> WalkReply:
    """The reply to a fellow, once what it brought is committed. Raises Refusal."""
    _check_type(request, FILES_TYPE, "unversioned files")
    return _replied(request, FILES_TYPE, lambda text: answered(store, text, now_ms))


def given(store: Store, request: WalkRequest, rights: Rights, now_ms: int) -> WalkReply:
    """The reply to who asks for synced tables. Raises Refusal."""
    _check_type(request, TABLES_TYPE, "questions about tables")
    return _replied(request, TABLES_TYPE, lambda text: told(store, text, rights, now_ms))


def answered(store: Store, text: bytes, now_ms: int) -> bytes:
    """The answer to card text of a fellow, after what it brought is committed. Raises NotTaken."""
    request = Request(text)
    try:
        brings = request.has_unversioned() or request.has_rows()
        with store.writer() if brings else store.reader() as reader:
            return _round(reader, request, Terms(_FELLOW, now_ms=now_ms, tells_tables=True))
    except PeerError as exc:
        raise NotTaken(str(exc)) from exc


def told(store: Store, text: bytes, rights: Rights, now_ms: int) -> bytes:
    """The answer to card text that asks for tables. Raises NotTaken: it says anything else."""
    request = Request(text)
    try:
        _check_asks(text)
        with store.reader() as reader:
            return _round(reader, request, Terms(rights, now_ms=now_ms, tells_tables=True))
    except PeerError as exc:
        raise NotTaken(str(exc)) from exc


def named(reader: Reader, rights: Rights) -> Mapping[str, str]:
    """The header by which who asks for refs hears of synced tables; none where there are none."""
    catalogue = tables.catalogue_hash(tables.seen_by(reader, None if rights.setup else rights.login))
    return {TABLES_HEADER: catalogue} if catalogue else {}


def _check_asks(text: bytes) -> None:
    for card in parse_cards(text):
        match card:
            case Pragma(name=name) if name in _PRAGMAS:
                pass
            case XTable(definition=b"") | XList() | XWant():
                pass
            case _:
                raise PeerError(
                    f"only questions about synced tables are answered here: {card.encode()[:80]!r}"
                )


def _check_type(request: WalkRequest, content_type: str, what: str) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != content_type:
        raise Refusal(415, f"{what} come as Content-Type: {content_type}")


def _replied(request: WalkRequest, content_type: str, answer: Callable[[bytes], bytes]) -> WalkReply:
    try:
        text = answer(request.body)
    except NotTaken as exc:
        raise Refusal(400, str(exc)) from exc
    return replying.hashed(text, request.headers.get("accept-encoding", ""), content_type)


def _round(reader: Reader, request: Request, terms: Terms) -> bytes:
    round_ = Round(reader, request, terms)
    round_.receive()
    return round_.finish().text
