"""POST /v0/unversioned: unversioned files and synced tables between the members of a group; the fellow's end.

    body     the cards of a client that exchanges these alone (sync/client/unversioned.py, sync/client/tables.py),
             signed by the group's secret
    reply    the cards of the answer, with their hash: a bit that flips on the way must not delete a file

Each member begins such an exchange, which goes both ways, when its own have changed and now and then; so all have the
newest of each. Members alone: to mirrors these go by xfer. Of rows members say whose they are.
"""

from typing import Final

from xferzone.errors import PeerError
from xferzone.store import Store
from xferzone.sync.server.login import Rights
from xferzone.sync.server.request import Request
from xferzone.sync.server.round import Round
from xferzone.sync.server.terms import Terms

_FELLOW: Final = Rights("", frozenset("oy"), fellow=True)


class NotTaken(PeerError):
    """A request that is not taken, and nothing of it; the message says why."""


def answered(store: Store, text: bytes, now_ms: int) -> bytes:
    """The answer to card text of a fellow, after what it brought is committed. Raises NotTaken."""
    request = Request(text)
    try:
        brings = request.has_unversioned() or request.has_rows()
        with store.writer() if brings else store.reader() as reader:
            round_ = Round(reader, request, Terms(_FELLOW, now_ms=now_ms))
            round_.receive()
            return round_.finish().text
    except PeerError as exc:
        raise NotTaken(str(exc)) from exc
