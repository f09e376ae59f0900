"""Who asks, and whether he may read.

    no Authorization                     nobody's letters
    XFERZONE-HMAC key=                   the account's, by a signature that holds (signing.py)
    XFERZONE-HMAC member=                reading, and copies: a fellow's of the group, by its secret
    Basic, over TLS that a proxy ended   the account's, by its password

An account that cannot log in, or does not exist, is compared with as long as any other.
Source: RFC 9110 section 11, RFC 7617.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from typing import Final

from xferzone.cards.session import shared_secret
from xferzone.env import Env
from xferzone.refs.membership import membership
from xferzone.replicate.signing import SCHEME, Signed, Token
from xferzone.store import Reader, accounts
from xferzone.store.accounts import INHERITED, NOBODY
from xferzone.sync.server.guessing import FREE, Guesser
from xferzone.sync.server.login import ANONYMOUS, Rights

_NO_SECRET: Final = "0" * 40
_MAX_HEADER: Final = 4_096  # octets of an Authorization header
READING: Final = frozenset("o")  # what the group's secret grants, besides copies
_LOGINLESS: Final = frozenset((NOBODY, ANONYMOUS, *INHERITED.values()))


class Unauthorized(Exception):
    """The sender did not prove who he is; the message says why."""


@dataclass(frozen=True, slots=True)
class Asker:
    """A request's claim.

    Fields:
        authorization: the header; empty: there is none.
        is_secure: the request came over TLS.
        guesser: whoever sent it, and may be guessing a password.
    """

    authorization: str
    is_secure: bool
    guesser: Guesser = FREE

    @property
    def is_member(self) -> bool:
        """Whether it is claimed to be a member of the group's."""
        token = Token.parse(self.authorization)
        return token is not None and token.is_member

    def rights(self, reader: Reader, signed: Signed, env: Env) -> Rights:
        """What the sender may do, of `signed`, which he has to have signed. Raises Unauthorized, Guessing."""
        header = self.authorization.strip()
        if not header:
            return Rights(NOBODY, accounts.letters(reader, NOBODY))
        if len(header) > _MAX_HEADER:
            raise Unauthorized(f"an Authorization header of over {_MAX_HEADER} octets")
        if header.lower().startswith("basic "):
            return self._basic(reader, header[6:].strip(), signed.project_code, env)
        token = Token.parse(header)
        if token is None:
            raise Unauthorized(f"Authorization: expected {SCHEME} key=LOGIN, expires=UNIX, signature=HEX")
        if not token.is_member:
            self.guesser.check(token.login, env.monotonic())
        secret = _group_secret(reader) if token.is_member else _secret(reader, token.login, env)
        is_true = token.is_of(signed, secret or _NO_SECRET)
        now = env.clock_ms() / 1000
        if not token.is_in_time(now):
            raise Unauthorized("the signature has expired, or expires too late: see the Date of this reply")
        if not token.is_member:  # the group's secret cannot be guessed
            self._note(token.login, env, holds=is_true and bool(secret))
        if not is_true or not secret:
            raise Unauthorized("the signature does not hold")
        letters = READING if token.is_member else accounts.letters(reader, token.login)
        return Rights(token.login, letters)

    def _basic(self, reader: Reader, given: str, project_code: str, env: Env) -> Rights:
        if not self.is_secure:
            raise Unauthorized("a password is taken over TLS only: sign the request")
        try:
            text = base64.b64decode(given, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as exc:
            raise Unauthorized("the password is not in base64, or not UTF-8") from exc
        login, _, password = text.partition(":")
        self.guesser.check(login, env.monotonic())
        secret = _secret(reader, login, env)
        made = shared_secret(project_code, login, password).encode()
        holds = hmac.compare_digest(made, (secret or _NO_SECRET).encode()) and bool(secret)
        self._note(login, env, holds=holds)
        if not holds:
            raise Unauthorized("login or password is wrong")
        return Rights(login, accounts.letters(reader, login))

    def _note(self, login: str, env: Env, *, holds: bool) -> None:
        (self.guesser.held if holds else self.guesser.failed)(login, env.monotonic())


def _group_secret(reader: Reader) -> str:
    """What members sign with; empty: this repository is not one."""
    share = membership(reader)
    return "" if share is None else share.secret


def _secret(reader: Reader, login: str, env: Env) -> str:
    """What the account signs with; empty: it does not exist, or cannot log in."""
    try:
        known = None if login in _LOGINLESS else accounts.user(reader, login)
    except UnicodeEncodeError:
        return ""  # octets that are not UTF-8: SQLite holds no such login
    return known.secret if known is not None and known.may_log_in(env.clock_ms) else ""
