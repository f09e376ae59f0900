"""Who sends a request, told from its first bytes, and how much of it that sender may send.

    the first MAX_STRANGER bytes of text ─> the login card, or none ─> a claim (sync/server/login.py)

    the claim gives no right    the text is cut after MAX_STRANGER bytes or MAX_STRANGER_LINES lines, and no more of it
                                is inflated; the cards before the cut are answered as always
    it gives no right to write  MAX_ASKING bytes on the wire, and as many of text
    it does                     answer.MAX_WIRE and answer.MAX_BODY

A claim is believed when it holds. Over a body that is not small that is found without keeping anything: the text is
hashed as it is inflated, step by step. So how long the check of a large body takes tells whether a login is known here;
in Fossil logins are not secret, every check-in names one.
"""

import hashlib
from io import BytesIO
from typing import Final, NamedTuple

from xferzone.cards import Login, parse_cards
from xferzone.cards.body import beginning, expand_to
from xferzone.cards.coding import NotZstd
from xferzone.env import SYSTEM, Env
from xferzone.errors import MalformedCard, NotReady, PeerError
from xferzone.store import Store
from xferzone.sync.server.login import Claim, claimed
from xferzone.sync.server.request import Request
from xferzone.transport import Body

MAX_STRANGER: Final = 64 * 1024  # bytes of text; stock's request to log in or to be told to has under 1 kB
MAX_STRANGER_LINES: Final = 300
MAX_STRANGER_WIRE: Final = 2 * MAX_STRANGER  # bytes that are kept as they travel: rubbish does not pack
MAX_ASKING: Final = 16 * 1024 * 1024  # bytes; 100,000 gimme lines, stock's very most, have 7 MB

CUT: Final = (
    f"a request without rights here may have {MAX_STRANGER_LINES} lines and {MAX_STRANGER} bytes: log in, or ask the "
    "administrator of this server for the right to read or write"
)


class Opening(NamedTuple):
    """What a body opens with: the claim, and the request as far as its beginning tells it."""

    claim: Claim
    request: Request


def opening_of(store: Store, body: Body, env: Env = SYSTEM) -> Opening:
    """What a body opens with; only the beginning of `octets` need have come.

    Raises:
        NotReady: the repository is an empty mirror.
    """
    opening = Request(beginning(body, MAX_STRANGER), beside=_beside(body))
    with store.reader() as reader:
        if why := reader.emptiness:
            raise NotReady(why)
        return Opening(claimed(reader, opening.login, env.clock_ms), opening)


def stranger_text(body: Body) -> tuple[bytes, bool]:
    """(the text of a body, cut where a stranger's ends; whether it was). Raises NotZstd: it is damaged."""
    into = BytesIO()
    try:
        as_it_came = expand_to(body, into.write, limit=MAX_STRANGER)
        body.octets.seek(0)
        text, is_cut = body.octets.read() if as_it_came else into.getvalue(), False
    except NotZstd:
        raise
    except PeerError:
        text, is_cut = beginning(body, MAX_STRANGER), True
    lines = text.split(b"\n", MAX_STRANGER_LINES)
    if len(lines) > MAX_STRANGER_LINES and lines.pop():
        text, is_cut = b"\n".join([*lines, b""]), True
    elif is_cut:
        text = text[: text.rfind(b"\n") + 1]
    return text, is_cut


def _beside(body: Body) -> Login | None:
    """The login card that came beside the body; None: none did that can be read."""
    try:
        card = next(parse_cards(body.login), None)
    except MalformedCard:
        return None
    # Its nonce covers all of the body.
    return Login(card.user, card.nonce, card.signature) if isinstance(card, Login) else None


def hashed(claim: Claim, body: Body, limit: int) -> str:
    """What the text of a body hashes to behind a claim's login card. Raises PeerError where it is over `limit`."""
    assert claim.card is not None
    behind = _Behind(claim.card.end)
    as_it_came = expand_to(body, behind.write, limit=limit)
    if as_it_came:
        body.octets.seek(0)
        behind = _Behind(claim.card.end)
        while piece := body.octets.read(MAX_STRANGER):
            behind.write(piece)
    return behind.hashed.hexdigest()


class _Behind:
    """Hashes what is written behind the first `skipped` bytes."""

    def __init__(self, skipped: int) -> None:
        self._skipped = skipped
        self.hashed = hashlib.sha1()

    def write(self, octets: bytes) -> None:
        self.hashed.update(octets[self._skipped :])
        self._skipped = max(0, self._skipped - len(octets))
