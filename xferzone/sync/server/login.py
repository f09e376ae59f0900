"""Who a request speaks for, and what that user may do.

    login USER NONCE SIGNATURE          the first card, or the request speaks for nobody
    NONCE      SHA1 of every byte after the card's line
    SIGNATURE  SHA1 of NONCE and the secret that the repository keeps for USER

    no login card, or USER nobody or anonymous      nobody's letters
    any other user                                  nobody's and its own; not anonymous', unlike on stock's web pages

    read o i a s    write i a s    clone g a s    private x    unversioned y    admin a s    setup s
    u, v            the letters of the users reader, developer; these two cannot log in

Source: Fossil 2.21, src/xfer.c check_login() and check_tail_hash(), src/login.c login_set_capabilities();
seen with `fossil http` and recorded in tests/vectors/rounds.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import IO, Final

from xferzone.cards import Login
from xferzone.cards.session import signature
from xferzone.store import accounts
from xferzone.store.accounts import INHERITED, NOBODY, User
from xferzone.store.reader import Reader
from xferzone.sync.server.request import Request

ANONYMOUS: Final = "anonymous"
_STEP: Final = 65_536  # bytes hashed at a time
_NO_SECRET: Final = "0" * 40  # compared in place of a missing secret, so that the answer takes as long


@dataclass(frozen=True, slots=True)
class Rights:
    """What the sender of a request may do; `letters` are Fossil's capabilities, those of nobody included."""

    login: str
    letters: frozenset[str]

    @property
    def read(self) -> bool:
        return not self.letters.isdisjoint("oias")

    @property
    def write(self) -> bool:
        return not self.letters.isdisjoint("ias")

    @property
    def clone(self) -> bool:
        return not self.letters.isdisjoint("gas")

    @property
    def private(self) -> bool:
        return "x" in self.letters

    @property
    def admin(self) -> bool:
        return not self.letters.isdisjoint("as")

    @property
    def setup(self) -> bool:
        return "s" in self.letters


def authenticate(reader: Reader, request: Request) -> Rights | None:
    """The rights of the sender of `request`. None: its login card does not hold."""
    card = request.login
    if card is None:
        return Rights(NOBODY, accounts.letters(reader, NOBODY))
    text = request.text
    text.seek(card.end)
    if _hash(text) != card.nonce:
        return None
    if card.user in (NOBODY, ANONYMOUS):
        return Rights(card.user, accounts.letters(reader, NOBODY))
    if not _is_signed(reader, card):
        return None
    return Rights(card.user, accounts.letters(reader, card.user))


def may_write(request: Request, rights: Rights) -> bool:
    """Whether a round over `request` needs a Writer: without the right to push, or a push card, nothing is stored."""
    return rights.write and request.has_push()


def _hash(text: IO[bytes]) -> str:
    """What a nonce must be: the hash of all that is left to read."""
    hashed = hashlib.sha1()
    while octets := text.read(_STEP):
        hashed.update(octets)
    return hashed.hexdigest()


def _is_signed(reader: Reader, card: Login) -> bool:
    known = None
    if card.user not in INHERITED.values():
        known = _user(reader, card.user)
    secret = known.secret if known is not None and known.secret else _NO_SECRET
    matches = hmac.compare_digest(signature(card.nonce, secret), card.signature)
    return matches and secret is not _NO_SECRET


def _user(reader: Reader, login: str) -> User | None:
    try:
        return accounts.user(reader, login)
    except UnicodeEncodeError:
        return None  # octets that are no UTF-8: SQLite holds none such
