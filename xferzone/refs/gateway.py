"""etcd's JSON gateway: one message there, one answer back, from the first of several endpoints that gives one.

    POST URL/v3/kv/txn  {...}   ->   200 {"header": {...}, ...}     an answer
                                     401 {"code": 16, ...}          the token has lapsed: a new one, and once more
                                     anything else, or nothing      no answer: the next endpoint

A message that may be repeated goes to one endpoint after the other until there is an answer. One that may not goes on
only from an endpoint that has not read it: once it may have been read, nobody here knows what became of it, and the
caller is told so. The endpoint that answered is asked first from then on.

Source: etcd 3.4, etcdserver/api/v3rpc/rpctypes/error.go, and what its gateway was seen to answer.
"""

import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias, TypeVar

import msgspec

from xferzone.errors import Away, UsageError
from xferzone.refs.endpoint import Endpoint, Lines
from xferzone.refs.reply import Failed, Fault, Reply

CONNECT_S: Final = 3.0  # to connect to an endpoint; ours
REPLY_S: Final = 10.0  # of an endpoint, connecting included; etcd gives up a request after 7 s
TOTAL_S: Final = 20.0  # of all endpoints together
MAX_ENDPOINTS: Final = 16  # ours; etcd's advice is at most seven members
MAX_TOKEN: Final = 8_192  # characters; a signed one (JWT) has some hundreds

_NO_ACCOUNTS: Final = 9  # gRPC's FAILED_PRECONDITION, to a login: authentication is not enabled
# What etcd says before it has looked at a message: the token has lapsed, there was none, or accounts have changed.
_LOGIN_AGAIN: Final = ("invalid auth token", "user name is empty", "revision of auth store is old")

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Login:
    """An account of etcd. `password` is called for each new token."""

    user: str
    password: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds, as the constants of these names."""

    connect: float = CONNECT_S
    reply: float = REPLY_S
    total: float = TOTAL_S


PATIENCE: Final = Patience()
#: What mends a fault, in the caller's words.
Remedies: TypeAlias = Mapping[Fault, str]
NONE: Final[Remedies] = MappingProxyType({})


class Gateway:
    """The endpoints of one etcd. Threads may share it, processes may not: make one after a fork.

    Fields:
        name: all endpoints, for messages.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        login: Login | None = None,
        trusted: ssl.SSLContext | None = None,
        patience: Patience = PATIENCE,
        remedies: Remedies = NONE,
    ) -> None:
        """
        Args:
            urls: http or https, without an account; the preferred one first.
            trusted: for https; None: the system's authorities, and no certificate of ours.
            remedies: told where there is no answer.

        Raises:
            UsageError: one of them is not a URL, or there are none or too many.
        """
        different = list(dict.fromkeys(urls))
        if not 1 <= len(different) <= MAX_ENDPOINTS:
            raise UsageError(f"give 1 to {MAX_ENDPOINTS} URLs of etcd, not {len(different)}")
        self._patience = patience
        self._endpoints = [Endpoint(url, trusted, patience.connect) for url in different]
        self._remedies = remedies
        self._first = 0
        self._tokens = _Tokens(login)
        self.name = f"etcd at {', '.join(different)}"

    # many: what is asked, what is made of the answer, and whether twice
    def ask(
        self,
        path: str,
        message: Mapping[str, object],
        parse: Callable[[Reply], T],
        *,
        is_repeatable: bool = True,
    ) -> T:
        """What `parse` makes of the reply to a message.

        Args:
            path: below /v3/.
            parse: raises Failed: it is not an answer. What else it raises is raised.
            is_repeatable: it does no harm if it happens twice.

        Raises:
            Away: there was no answer.
        """
        octets = msgspec.json.encode(message)

        def way(endpoint: Endpoint, deadline: float) -> T:
            return parse(self._asked(endpoint, path, octets, deadline))

        return self._first_of(way, is_repeatable)

    def open(
        self, path: str, message: Mapping[str, object], refusal: Callable[[bytes], str]
    ) -> tuple[Lines, bytes]:
        """The lines of a reply that goes on, after the first one, and that.

        Args:
            refusal: why the first line refuses it; empty: it does not. Raises Failed: it is not an answer.

        Raises:
            Away: there was no answer.
        """
        octets = msgspec.json.encode(message)

        def opened(endpoint: Endpoint, deadline: float) -> tuple[Lines, bytes, bool]:
            token = self._token(endpoint, deadline)
            lines = endpoint.opened(path, octets, token, deadline)
            is_refused = True
            try:
                line = lines.next(deadline - time.monotonic())
                if line is None:
                    raise Failed("no answer in time")
                is_refused = self._is_login_wanted(refusal(line), token)
            finally:
                if is_refused:
                    lines.close()
            return lines, line, is_refused

        def way(endpoint: Endpoint, deadline: float) -> tuple[Lines, bytes]:
            lines, line, is_refused = opened(endpoint, deadline)
            if is_refused:
                lines, line, _ = opened(endpoint, deadline)
            return lines, line

        return self._first_of(way, True)

    def _is_login_wanted(self, words: str, token: str | None) -> bool:
        """Whether another token may get an answer where etcd has said `words` to this one, which is forgotten."""
        if self._tokens.login is None or not any(each in words for each in _LOGIN_AGAIN):
            return False
        self._tokens.forget(token)
        return True

    @property
    def connections(self) -> int:
        """How many were made to ask something."""
        return sum(endpoint.made for endpoint in self._endpoints)

    def close(self) -> None:
        """Close the connections that are idle."""
        for endpoint in self._endpoints:
            endpoint.close()

    def _first_of(self, way: Callable[[Endpoint, float], T], is_repeatable: bool) -> T:
        """What comes of the first endpoint by which anything comes."""
        count, begin = len(self._endpoints), self._first
        last = time.monotonic() + self._patience.total
        failures, faults = [], set()
        for at in ((begin + step) % count for step in range(count)):
            endpoint = self._endpoints[at]
            try:
                answer = way(endpoint, min(last, time.monotonic() + self._patience.reply))
            except Failed as exc:
                failures.append(f"{endpoint.shown}: {exc}")
                faults.add(exc.fault)
                # Threads may do this at once. They all name an endpoint, and a wrong one costs one attempt.
                self._first = (at + 1) % count
                if (exc.was_sent and not is_repeatable) or time.monotonic() >= last:
                    break
            else:
                self._first = at
                return answer
        remedies = [self._remedies[fault] for fault in Fault if fault in faults and fault in self._remedies]
        raise Away(f"no answer from etcd: {'; '.join(failures)}", "; ".join(remedies))

    def _asked(self, endpoint: Endpoint, path: str, octets: bytes, deadline: float) -> Reply:
        """A reply. A token that has lapsed is renewed."""
        token = self._token(endpoint, deadline)
        reply = endpoint.exchange(path, octets, token, deadline)
        if not self._is_login_wanted(reply.refusal, token):
            return reply
        # It was refused before it was looked at, so it may be sent, even if it must not be sent twice.
        return endpoint.exchange(path, octets, self._token(endpoint, deadline), deadline)

    def _token(self, endpoint: Endpoint, deadline: float) -> str | None:
        """None: there is no login, or etcd wants none."""
        return self._tokens.current(lambda login: _token(endpoint, login, deadline), deadline)


class _Tokens:
    """The token of a login, which is asked for once by all threads."""

    def __init__(self, login: Login | None) -> None:
        self.login = login
        self._lock = threading.Lock()
        self._is_known = login is None
        self._token: str | None = None

    def current(self, ask: Callable[[Login], str | None], deadline: float) -> str | None:
        """Raises Failed: it was not given."""
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise Failed("its login is not answered in time", was_sent=False)
        try:
            if not self._is_known and self.login is not None:
                self._token = ask(self.login)
                self._is_known = True
            return self._token
        finally:
            self._lock.release()

    def forget(self, token: str | None) -> None:
        """It has lapsed; by now there may be another one."""
        with self._lock:
            if self._token == token:
                self._is_known = False


class _Authenticated(msgspec.Struct):
    token: str


def _token(endpoint: Endpoint, login: Login, deadline: float) -> str | None:
    message = msgspec.json.encode({"name": login.user, "password": login.password()})
    reply = None
    try:
        reply = endpoint.exchange("auth/authenticate", message, None, deadline)
        if reply.code == _NO_ACCOUNTS:
            return None  # as etcd's own clients do, so that members can be configured before it is enabled
        token = reply.parse(_Authenticated).token
    except Failed as exc:
        fault = Fault.LOGIN if reply is not None and reply.refusal else exc.fault
        raise Failed(f"no login as {login.user!r}: {exc}", was_sent=False, fault=fault) from exc
    if not (0 < len(token) <= MAX_TOKEN and token.isascii() and token.isprintable()):
        raise Failed("it gives a token that cannot be sent", was_sent=False)
    return token
