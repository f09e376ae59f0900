r"""Signed requests: who asks, for what, until when. Both ends.

    Authorization: XFERZONE-HMAC key=LOGIN, expires=UNIX, signature=HEX
    Authorization: XFERZONE-HMAC member=NAME, expires=UNIX, signature=HEX

    SIGNATURE = HMAC-SHA256, in hex, keyed with the 40 hex digits of the account's secret, or the 64 of the group's, of
    seven lines:

        project code                 of the repository
        host                         as the client names it, with its port unless that is the scheme's own
        method                       GET for HEAD, too
        path                         from /v0/ on
        query                        behind the question mark, as sent; empty: there is none
        SHA-256 of the body          in hex, as the header X-Content-SHA256 says
        expiry                       seconds since 1970

Each line but the last ends with LF. LOGIN and NAME are escaped as in a URL. No account is a member, whatever its login:
the word before the name tells which secret counts. The host is signed so that one server cannot pass on
to another what it was sent. The same request sent again within its five minutes reads the same again.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote

MAX_AHEAD_S: Final = 300  # seconds that an expiry may lie ahead of the server's clock
SCHEME: Final = "XFERZONE-HMAC"
STATED_HASH: Final = "x-content-sha256"  # the header's name
EMPTY: Final = hashlib.sha256(b"").hexdigest()  # what a request without a body is taken to state

_ACCOUNT, _MEMBER = "key", "member"
_TOKEN = re.compile(
    rf"{SCHEME} +(key|member)=([^,\s]{{1,600}}), *expires=([0-9]{{1,12}}), *signature=([0-9a-f]{{64}})"
)


@dataclass(frozen=True, slots=True)
class Signed:
    """What a signature covers, but for its expiry.

    Fields:
        target: path and query, from "/v0/" on.
        body_hash: the body's SHA-256, as its header states.
    """

    project_code: str
    host: str
    method: str
    target: str
    body_hash: str = EMPTY

    def signature(self, secret: str, expires: int) -> str:
        """In hex, by the account's stored secret. Raises ValueError: a field has a line break."""
        path, _, query = self.target.partition("?")
        method = "GET" if self.method == "HEAD" else self.method
        fields = (self.project_code, self.host, method, path, query, self.body_hash, str(expires))
        if any("\n" in each for each in fields):
            raise ValueError("a line break in what is to be signed")
        octets = "\n".join(fields).encode("utf-8", "surrogateescape")
        return hmac.new(secret.encode("utf-8", "surrogateescape"), octets, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class Token:
    """What an Authorization header of ours says.

    Fields:
        login: of the account, or the member's name.
        expires: seconds since 1970.
        is_member: it is signed with the group's secret.
    """

    login: str
    expires: int
    signature: str
    is_member: bool = False

    @classmethod
    def parse(cls, header: str) -> "Token | None":
        """None: it is not one of ours, or not well formed."""
        match = _TOKEN.fullmatch(header.strip())
        if match is None:
            return None
        kind, name, expires, signature = match.groups()
        return cls(unquote(name, errors="surrogateescape"), int(expires), signature, kind == _MEMBER)

    def is_in_time(self, now: float) -> bool:
        """Whether it holds at this moment, seconds since 1970."""
        return now <= self.expires <= now + MAX_AHEAD_S

    def is_of(self, signed: Signed, secret: str) -> bool:
        """Whether it was made for that with this secret; it takes as long if not."""
        try:
            made = signed.signature(secret, self.expires)
        except ValueError:
            return False
        return hmac.compare_digest(made, self.signature)


def body_hash(body: bytes) -> str:
    """What the header X-Content-SHA256 has to say of a request's body, as it travels."""
    return hashlib.sha256(body).hexdigest()


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs requests: an account, or a member of a group, by its name."""

    name: str
    secret: str
    is_member: bool = False

    def authorization(self, signed: Signed, expires: int) -> str:
        """The Authorization header of a request. Raises ValueError: a field has a line break."""
        kind = _MEMBER if self.is_member else _ACCOUNT
        name = quote(self.name, safe="", errors="surrogateescape")
        signature = signed.signature(self.secret, expires)
        return f"{SCHEME} {kind}={name}, expires={expires}, signature={signature}"


def authorization(signed: Signed, login: str, secret: str, expires: int) -> str:
    """The Authorization header of an account's request.

    `secret`: cards.session.shared_secret of project, login and password.

    Raises:
        ValueError: a field has a line break.
    """
    return Signer(login, secret).authorization(signed, expires)
