r"""Cards that open a message: who sends it, for which project, and to what end.

    login USER NONCE SIGNATURE            client only, the first card
    pull SERVERCODE PROJECTCODE           client only
    push SERVERCODE PROJECTCODE           a server's push card answers a clone
    clone ?VERSION SEQNO?                 client only; both missing or VERSION < 2: a clone by igot and gimme
    clone_seqno SEQNO                     server only; 0: all is sent
    cookie TEXT                           a client keeps it and sends it back
    pragma NAME ?ARG ...?                 at most four arguments; unknown names mean nothing

A login is proved as follows; each hash is a lower-case hex SHA1:

    NONCE     = hash of every byte of the body behind the LF of the login line
    SECRET    = hash of "PROJECTCODE/USER/PASSWORD", or the password if it is 40 hex digits itself
    SIGNATURE = hash of NONCE SECRET

A login does not expire: whoever sees a request can send it again.
Source: Fossil 2.21, www/sync.wiki section 3.3; src/xfer.c page_xfer(), check_login(); src/sha1.c
sha1_shared_secret(). Checked against tests/vectors/login.json.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Self

from xferzone import escape
from xferzone.cards.base import (
    MAX_SIZE,
    Card,
    Cursor,
    Parser,
    escaped,
    expect,
    line,
    octets,
    parse_code,
    parse_integer,
    text,
)

_HASHED = re.compile(r"[0-9a-fA-F]{40}")


@dataclass(frozen=True, slots=True)
class Login(Card):
    """The sender claims to be `user`.

    Fields:
        user: unescaped.
        nonce, signature: as sent, in ASCII; other octets become \\xNN, which matches no hash.
        end: offset of the byte behind this line: the nonce covers body[end:]. 0 if the card was not parsed. Two cards
            that differ in it alone are equal.
    """

    operator: ClassVar[bytes] = b"login"
    user: str
    nonce: str
    signature: str
    end: int = field(default=0, compare=False)

    def encode(self) -> bytes:
        return line(self.operator, escaped(self.user), self.nonce, self.signature)

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        expect(args, 3)
        nonce, signature = (token.decode("ascii", "backslashreplace") for token in args[1:])
        return cls(escape.decode_text(args[0]), nonce, signature, cursor.offset)


@dataclass(frozen=True, slots=True)
class Pull(Card):
    """The sender wants artifacts of the project; `server_code` is any token and is ignored."""

    operator: ClassVar[bytes] = b"pull"
    server_code: str
    project_code: str

    def encode(self) -> bytes:
        return line(self.operator, self.server_code, self.project_code)

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        expect(args, 2)
        return cls(text(args[0]), parse_code(args[1]))


@dataclass(frozen=True, slots=True)
class Push(Card):
    """A client has artifacts to give; a server says which project is being cloned."""

    operator: ClassVar[bytes] = b"push"
    server_code: str
    project_code: str

    def encode(self) -> bytes:
        return line(self.operator, self.server_code, self.project_code)

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        expect(args, 2)
        return cls(text(args[0]), parse_code(args[1]))


@dataclass(frozen=True, slots=True)
class Clone(Card):
    """The sender wants everything, from position `seqno` of the server's choice on.

    Both are None in the oldest form. A `seqno` that is not a number reads as 0; stock 2.21 then begins at the first
    artifact, as for 1, and later releases refuse it.
    """

    operator: ClassVar[bytes] = b"clone"
    version: int | None = None
    seqno: int | None = None

    def encode(self) -> bytes:
        if self.version is None or self.seqno is None:
            return line(self.operator)
        return line(self.operator, self.version, self.seqno)

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        # Stock refuses no clone card: what is not of the newer form reads as the oldest, a number too large as the
        # largest.
        if len(args) != 2 or not args[0].isdigit():
            return cls()
        version, seqno = (min(int(arg[:20]), MAX_SIZE) if arg.isdigit() else 0 for arg in args)
        return cls(version, seqno)


@dataclass(frozen=True, slots=True)
class CloneSeqno(Card):
    """The position to ask for in the next clone card; 0: nothing is left."""

    operator: ClassVar[bytes] = b"clone_seqno"
    seqno: int

    def encode(self) -> bytes:
        return line(self.operator, self.seqno)

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        expect(args, 1)
        return cls(parse_integer(args[0]))


@dataclass(frozen=True, slots=True)
class Cookie(Card):
    """One token of the server that a client sends back; `text` is not escaped and holds no blank."""

    operator: ClassVar[bytes] = b"cookie"
    text: str

    def encode(self) -> bytes:
        return line(self.operator, self.text)

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        expect(args, 1)
        return cls(text(args[0]))


@dataclass(frozen=True, slots=True)
class Pragma(Card):
    """Anything else that one side tells the other; `args` are at most four tokens, still escaped."""

    operator: ClassVar[bytes] = b"pragma"
    name: str
    args: tuple[str, ...] = ()

    def encode(self) -> bytes:
        return line(self.operator, self.name, *self.args)

    @classmethod
    def parse(cls, args: Sequence[bytes], cursor: Cursor) -> Self:
        if not args:
            raise ValueError("no name")
        name, *rest = map(text, args)
        return cls(name, tuple(rest))


#: One row a card of this family; cards/__init__.py joins the families.
PARSERS: Mapping[bytes, Parser] = {
    card.operator: card.parse for card in (Login, Pull, Push, Clone, CloneSeqno, Cookie, Pragma)
}


def nonce(rest: bytes) -> str:
    """The nonce of the login card that precedes `rest`, the remainder of the body."""
    return hashlib.sha1(rest).hexdigest()


def shared_secret(project_code: str | None, login: str, password: str) -> str:
    """What stock stores instead of `password`; a password of 40 hex digits is such a secret already.

    Where the project is not known (None) it is the password itself, which servers keep that store no secrets.
    """
    if project_code is None or _HASHED.fullmatch(password):
        return password
    return hashlib.sha1(octets(f"{project_code}/{login}/{password}")).hexdigest()


def signature(nonce: str, secret: str) -> str:
    """The proof that the sender of `nonce` knows `secret`; compare it in constant time."""
    return hashlib.sha1(octets(nonce + secret)).hexdigest()


def login_card(rest: bytes, project_code: str | None, login: str, password: str) -> Login:
    """The card that proves that `rest`, the remainder of the body, comes from `login`; `shared_secret` has None."""
    proof = nonce(rest)
    return Login(login, proof, signature(proof, shared_secret(project_code, login, password)))
