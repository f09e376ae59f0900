"""What comes back from etcd's JSON gateway: an answer, or why it is not one and what is to be looked at then.

200 and the message that was asked for      an answer
{"code", "message"}                         etcd refuses, in its own words
anything else                               a proxy, another server, or none
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

import msgspec

OK: Final = 200  # of HTTP
_SHOWN: Final = 200  # characters of what etcd says
_OURS: Final = "etcdserver: "  # how etcd's own words begin; those of others might repeat what they were sent
# embed/serve.go: while accounts are enabled the gateway refuses certificates by which etcd would know an account.
_BY_NAME: Final = b"CommonName of client"
_NAMED: Final = f"{_OURS}through its gateway no certificate with a common name (CN): use one without"
_NO_USER: Final = "user name is empty"
_NOT_ALLOWED: Final = (7, 16)  # gRPC's PERMISSION_DENIED, UNAUTHENTICATED
_NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

T = TypeVar("T")


class Fault(Enum):
    """What is to be looked at where there is no answer."""

    REACH = "whether it runs, and its URL"
    AUTHORITY = "whom we trust"
    CERTIFICATE = "our own certificate"
    LOGIN = "the account and its password"


class Failed(Exception):
    """There was no answer. `was_sent`: the request may have been read."""

    def __init__(self, why: str, *, was_sent: bool = True, fault: Fault = Fault.REACH) -> None:
        super().__init__(why)
        self.was_sent = was_sent
        self.fault = fault


class _Streamed(msgspec.Struct):
    """As _Error, where an answer would go on."""

    grpc_code: int = 0
    message: str = ""


class _Error(msgspec.Struct):
    """What etcd says instead of an answer; `code` is gRPC's."""

    code: int = 0
    message: str = ""
    error: str | _Streamed = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply as it came, or a line of one."""

    status: int
    body: bytes

    def parse(self, kind: type[T]) -> T:
        """The answer, of that kind. Raises Failed: it is not one."""
        if self.status != OK:
            raise Failed(self.refusal or f"it answers {self.status}", fault=self._fault)
        try:
            return msgspec.json.decode(self.body, type=kind)
        except _NOT_JSON as exc:
            raise Failed(
                self.refusal or "it does not answer as etcd does: is there a proxy in between?"
            ) from exc

    @property
    def code(self) -> int:
        """gRPC's code of a refusal; 0: it is none."""
        return 0 if self.status == OK else self._refusal[0]

    @property
    def refusal(self) -> str:
        """etcd's words; empty: it is none, or others refuse it."""
        return shown(self._refusal[1])

    @property
    def _fault(self) -> Fault:
        code, words = self._refusal
        if words == _NAMED:
            return Fault.CERTIFICATE
        return Fault.LOGIN if code in _NOT_ALLOWED or _NO_USER in words else Fault.REACH

    @property
    def _refusal(self) -> tuple[int, str]:
        try:
            said = msgspec.json.decode(self.body, type=_Error)
        except _NOT_JSON:
            return 0, _NAMED if self.body.startswith(_BY_NAME) else ""
        if isinstance(said.error, _Streamed):
            return said.error.grpc_code, said.error.message
        return said.code, said.message


def shown(message: str) -> str:
    """What etcd says, as part of a message of ours; empty: others say it."""
    _, own, words = message.partition(_OURS)
    return (
        "it says: " + "".join(each if each.isprintable() else "?" for each in words[:_SHOWN]) if own else ""
    )
