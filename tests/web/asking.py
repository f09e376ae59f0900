"""Requests of the walk as a mirror signs them."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from xferzone.cards.session import shared_secret
from xferzone.replicate.signing import Signed, authorization, body_hash


@dataclass(frozen=True, slots=True)
class Mirror:
    """Somebody with a login; `host`: the server's name, as it is signed."""

    code: str
    login: str
    password: str
    host: str

    def headers(
        self, target: str, body: bytes = b"", *, method: str = "GET", ahead_s: int = 60
    ) -> Mapping[str, str]:
        """What makes a request for `target` this mirror's; it expires in so many seconds."""
        signed = Signed(self.code, self.host, method, target, body_hash(body))
        secret = shared_secret(self.code, self.login, self.password)
        token = authorization(signed, self.login, secret, int(time.time()) + ahead_s)
        stated = {"Content-Type": "application/json", "X-Content-SHA256": body_hash(body)}
        return {"Authorization": token, **(stated if body or method == "POST" else {})}
