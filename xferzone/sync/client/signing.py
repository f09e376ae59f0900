"""The login of a session's requests: by which secret it is made, and whether a better one is left.

    the project is known                 the shared secret of project, login and password
    it is not: the first of a clone      no login
    it is not, and that was refused      the password as it is

A clone learns the project's code from the first reply, even if that is a refusal. A server that does not tell it then
may keep passwords as they are typed, or the password is the shared secret itself, in 40 hex digits.
Source: Fossil 2.21, src/http.c http_build_login_card(), src/sha1.c sha1_shared_secret().
"""

from collections.abc import Iterable
from typing import Final

from xferzone.cards import Card, Comment, encode_cards
from xferzone.cards.session import login_card
from xferzone.env import Env
from xferzone.sync.client.options import Account

_COMMENT_SIZE: Final = 20  # random bytes; as many as stock sends


class Signing:
    """Makes the requests of one session out of their cards."""

    def __init__(self, account: Account | None, env: Env) -> None:
        """`account` None: no request carries a login."""
        self._account = account
        self._env = env
        self._signed_for: str | None = (
            None  # the project of the last login; empty: of none; None: there was no login
        )

    def body(self, cards: Iterable[Card], project_code: str | None, *, is_first: bool) -> bytes:
        """Card text of a request, which a random comment makes unlike any other."""
        comment = Comment(self._env.token(_COMMENT_SIZE).hex().upper())
        body = encode_cards([*cards, comment])
        account = self._account
        if account is None or (project_code is None and is_first):
            return body
        self._signed_for = project_code or ""
        return login_card(body, project_code, account.login, account.password).encode() + body

    def may_hold(self, project_code: str | None) -> bool:
        """Whether the next login may hold after a refusal: it is the first, or the first for the project."""
        if self._account is None:
            return False
        return self._signed_for is None or (self._signed_for == "" and project_code is not None)
