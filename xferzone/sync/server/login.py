"""Who a request speaks for, and what that user may do.

    login USER NONCE SIGNATURE          the first card, or the request speaks for nobody
    NONCE      SHA1 of every byte after the card's line
    SIGNATURE  SHA1 of NONCE and the secret that the repository keeps for USER

    no login card, or USER nobody or anonymous      nobody's letters
    any other user                                  nobody's and its own; not anonymous', unlike on stock's web pages

    read o i a s    write i a s    clone g a s    private x    unversioned y    admin a s    setup s
    addresses e a s
    u, v            the letters of the users reader, developer; these two cannot log in

Source: Fossil 2.21, src/xfer.c check_login() and check_tail_hash(), src/login.c login_set_capabilities();
seen with `fossil http` and recorded in tests/vectors/rounds.
"""

import hmac
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from xferzone.cards import Login
from xferzone.cards.session import signature
from xferzone.store import accounts, schema
from xferzone.store.accounts import INHERITED, NOBODY, User
from xferzone.store.reader import Reader
from xferzone.store.remotes import origin_of
from xferzone.sync.server.request import Request

ANONYMOUS: Final = "anonymous"
_NO_SECRET: Final = "0" * 40  # compared in place of a missing secret, so that the answer takes as long


@dataclass(frozen=True, slots=True)
class Rights:
    """What the sender of a request may do; `letters` are Fossil's capabilities, those of nobody included.

    `zones`: ids of those that it may write to; empty: all, as for who has the setup capability in any case.
    `fellow`: a member of the same group, whose word counts.
    """

    login: str
    letters: frozenset[str]
    zones: frozenset[str] = frozenset()
    fellow: bool = False

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
    def held(self) -> bool:
        """Whether it may write to its zones alone."""
        return bool(self.zones) and not self.setup

    @property
    def unversioned(self) -> bool:
        """Whether it may bring unversioned files, which are of no zone; neither a nor s implies it."""
        return "y" in self.letters and not self.held

    @property
    def brings(self) -> bool:
        """Whether it may bring anything."""
        return self.write or self.unversioned

    @property
    def admin(self) -> bool:
        return not self.letters.isdisjoint("as")

    @property
    def setup(self) -> bool:
        return "s" in self.letters

    @property
    def addresses(self) -> bool:
        """Whether it may see the mail addresses in tickets."""
        return not self.letters.isdisjoint("eas")

    @property
    def lock(self) -> bool:
        """Whether check-ins may be locked: by whom, must be known."""
        return self.write and self.login not in (NOBODY, ANONYMOUS)

    @property
    def any(self) -> bool:
        """Whether there is anything that the sender may ask for."""
        return self.read or self.brings or self.clone


@dataclass(frozen=True, slots=True)
class Claim:
    """Who a request says it comes from, by its login card alone.

    Fields:
        rights: what that user may do; nothing, where there is no such user, or it cannot log in.
        card: None: it says nothing, and is nobody's.
        secret: what it must be signed with; None: with nothing, since it is nobody's or anonymous'.
    """

    rights: Rights
    card: Login | None = None
    secret: str | None = None

    def is_true_of(self, request: Request) -> bool:
        """Whether it holds, of the request that it was read from."""
        return self.card is None or self.holds(request.hashed())

    def holds(self, hashed: str) -> bool:
        """Whether it is true of a request whose text behind the card hashes to `hashed`."""
        if self.card is None:
            return True
        if self.card.nonce != hashed:
            return False
        if self.secret is None:
            return True
        matches = hmac.compare_digest(signature(self.card.nonce, self.secret), self.card.signature)
        return matches and self.secret is not _NO_SECRET

    def is_guess(self, hashed: str) -> bool:
        """Whether it may be a guess of a password, where it does not hold: what changed on its way is none."""
        return self.card is not None and self.secret is not None and self.card.nonce == hashed


def claimed(reader: Reader, card: Login | None, clock_ms: Callable[[], int]) -> Claim:
    """What the login card that a request opens with claims, at the clock's time; None: it has none."""
    if card is None:
        return Claim(Rights(NOBODY, accounts.letters(reader, NOBODY)))
    if card.user in (NOBODY, ANONYMOUS):
        return Claim(Rights(card.user, accounts.letters(reader, NOBODY)), card)
    known = None if card.user in INHERITED.values() else _user(reader, card.user)
    if known is None or not known.may_log_in(clock_ms):
        return Claim(Rights(card.user, frozenset()), card, _NO_SECRET)
    rights = Rights(card.user, accounts.letters(reader, card.user), frozenset(known.zones))
    return Claim(rights, card, known.secret)


def bar_to_push(reader: Reader) -> str:
    """What keeps everybody from a push, to be put behind the refusal; empty: nothing does."""
    is_mirror = reader.role == schema.MIRROR
    return f": this mirror takes no pushes; push to its primary{origin_of(reader, ', ')}" if is_mirror else ""


def may_write(request: Request, rights: Rights) -> bool:
    """Whether a round over `request` needs a Writer: of what nobody may bring, or nothing brings, nothing is stored."""
    if rights.write and (request.has_push() or request.has_lock() or request.has_rows()):
        return True
    if rights.admin and request.has_configuration():
        return True
    return rights.unversioned and request.has_unversioned()


def _user(reader: Reader, login: str) -> User | None:
    try:
        return accounts.user(reader, login)
    except UnicodeEncodeError:
        return None  # octets that are no UTF-8: SQLite holds none such
