"""What an etcd says: a line with an operation, then the octets of its reply, or the body of a sound one.

an answer        has a revision; a list has what was asked for, in order; a watch tells never less than before
anything else    Away; a lease that has ended only with a lease, changes that are gone only of a watch
"""

import json
import random
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from functools import cache
from typing import Final

from tests.fuzz.harms import OF_LINES
from tests.fuzz.kind import Harm, Kind, Shape, holds, kind_of_error
from xferzone.errors import Away
from xferzone.refs.etcd import Etcd
from xferzone.refs.gateway import Patience
from xferzone.refs.keys import Compacted, Keys, Lapsed, Stand

PREFIX: Final = "z/"
BEGIN: Final = 3  # of a watch
_PATIENCE: Final = Patience(connect=10.0, reply=10.0, total=10.0)
_HEADER: Final = {"cluster_id": "14841639068965178418", "member_id": "1", "revision": "7", "raft_term": "2"}
_A: Final = {"key": "ei9h", "create_revision": "2", "mod_revision": "3", "version": "2", "value": "MQ=="}
_B: Final = {"key": "ei9i", "create_revision": "4", "mod_revision": "4", "version": "1"}


class _Server:
    """A server of one reply a connection."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.reply = b""
        self.requests = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection, suppress(OSError):
                request = b""
                while not request.endswith(b"}"):
                    request += connection.recv(65_536)
                self.requests += 1
                connection.sendall(self.reply)


@cache
def _server() -> _Server:
    return _Server()


def _transacted(keys: Keys) -> Shape:
    done = keys.transact({"z/a": b"1", "z/b": None}, {"z/a": b"2"}, 9)
    holds(not (done.succeeded and done.found), "it succeeded, and was told what was there")
    holds(set(done.found) <= {"z/a", "z/b"}, "a key that was not asked for")
    return _stood(done.stand), done.succeeded, frozenset(done.found)


def _listed(keys: Keys) -> Shape:
    listed = keys.list(PREFIX)
    names = list(listed.values)
    holds(names == sorted(names, key=str.encode), "a list out of order")
    holds(all(each.startswith(PREFIX) for each in names), "a key that was not asked for")
    return _stood(listed.stand), min(len(names), 5)


def _watched(keys: Keys) -> Shape:
    told, lines = BEGIN - 1, 0
    with closing(keys.watch(PREFIX, BEGIN, 10.0)) as watch:
        try:
            for each in watch:
                holds(told <= each.told, "a watch tells less than before")
                holds(all(name.startswith(PREFIX) for name in each.values), "a key that was not asked for")
                told = each.told
                lines += _stood(each.stand)
        except (Away, Compacted) as exc:
            return min(lines, 5), _why(exc)
    raise AssertionError("a watch ended without a word")


def _granted(keys: Keys) -> Shape:
    lease = keys.grant(5)
    holds(0 < lease < 1 << 63, "a lease that is none")
    return "granted"


def _stood(stand: Stand) -> bool:
    holds(stand.revision > 0 and stand.cluster.isdigit(), "an answer without a revision")
    return True


_OPERATIONS: Final[Mapping[bytes, Callable[[Keys], Shape]]] = {
    b"transact": _transacted,
    b"list": _listed,
    b"watch": _watched,
    b"grant": _granted,
    b"keep": lambda keys: keys.keep(9),
    b"revoke": lambda keys: keys.revoke(9),
}


def _check(octets: bytes) -> Shape:
    name, _, reply = octets.partition(b"\n")
    name = name if name in _OPERATIONS else b"transact"
    operation = _OPERATIONS[name]
    server = _server()
    server.reply = reply if reply.startswith(b"HTTP/") else _sound(reply)
    before = server.requests
    with closing(Etcd([server.url], patience=_PATIENCE)) as keys:
        try:
            shape = operation(keys)
        except Away as exc:
            holds(
                operation is not _transacted or server.requests == before + 1, "a transaction was sent again"
            )
            return name, _why(exc)
        except Lapsed:
            holds(operation is _transacted, "a lease ended where none was")
            return name, "Lapsed"
    holds(
        operation is _transacted or b"revision" in reply or operation is not _listed, "an answer of nothing"
    )
    return name, shape


def _why(error: Exception) -> Shape:
    """The kind of the error, without the URL that its message begins with."""
    return kind_of_error(type(error)(str(error).rpartition(f"{_server().url}: ")[2]))


def _sound(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body


def _seeds() -> list[bytes]:
    there = [
        {"response_range": {"header": {"revision": "7"}, "kvs": [_A], "count": "1"}},
        {"response_range": {}},
    ]
    lapsed = "etcdserver: requested lease not found"
    created = {"result": {"header": _HEADER, "created": True}}
    events = {"result": {"header": _HEADER, "events": [{"kv": _A}, {"type": "DELETE", "kv": _B}]}}
    gone = {"result": {"header": {"cluster_id": "7"}, "canceled": True, "compact_revision": "5"}}
    refused = {
        "result": {"header": _HEADER, "created": True, "canceled": True, "cancel_reason": f"x {lapsed}"}
    }
    failed = {"error": {"grpc_code": 14, "http_code": 503, "message": "etcdserver: no leader"}}
    return [
        _seed("transact", {"header": _HEADER, "succeeded": True, "responses": [{"response_put": {}}]}),
        _seed("transact", {"header": _HEADER, "responses": there}),
        b"transact\n" + _chunked("404 Not Found", [{"error": lapsed, "message": lapsed, "code": 5}]),
        _seed("list", {"header": _HEADER, "kvs": [_A, _B], "count": "2"}),
        _seed("list", {"header": _HEADER, "kvs": [_A], "more": True, "count": "2"}),
        _seed("list", {"header": _HEADER}),
        b"watch\n" + _chunked("200 OK", [created, events, events]),
        b"watch\n" + _chunked("200 OK", [created, gone]),
        b"watch\n" + _chunked("200 OK", [created, events, failed]),
        b"watch\n" + _chunked("200 OK", [refused]),
        _seed("grant", {"header": _HEADER, "ID": "2324035725358400779", "TTL": "5"}),
        b"keep\n" + _chunked("200 OK", [{"result": {"header": _HEADER, "ID": "9", "TTL": "5"}}]),
        _seed("keep", {"result": {"header": _HEADER, "ID": "9"}}),
        _seed("revoke", {"header": _HEADER}),
        b"revoke\n" + _chunked("404 Not Found", [{"error": lapsed, "message": lapsed, "code": 5}]),
        b"list\n" + _sound(json.dumps({"header": _HEADER}).encode()),
        b"transact\n{}",
    ]


def _seed(operation: str, body: object) -> bytes:
    return operation.encode() + b"\n" + json.dumps(body).encode()


def _chunked(status: str, lines: Sequence[object]) -> bytes:
    chunks = [json.dumps(each).encode() + b"\n" for each in lines]
    body = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in chunks)
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head.encode() + body + b"0\r\n\r\n"


def _reworded(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """Another word of JSON in place of one."""
    words = (
        *(
            b'"revision"',
            b'"header"',
            b'"kvs"',
            b'"responses"',
            b'"events"',
            b'"key"',
            b'"more"',
            b'"canceled"',
        ),
        *(
            b'"fragment"',
            b'"error"',
            b'"TTL"',
            b'"ID"',
            b'"7"',
            b'"0"',
            b'"-1"',
            b"7",
            b"true",
            b"false",
            b"null",
        ),
        *(b"{}", b"[]", b'""', b'"99999999999999999999"', b'"ei9h"', b'"!"', b"[" * 2_000),
    )
    return octets.replace(chance.choice(words), chance.choice(words), chance.choice((1, -1)))


def _asked_else(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """The same reply to another operation."""
    return chance.choice(list(_OPERATIONS)) + b"\n" + octets.partition(b"\n")[2]


_HARMS: Final[Sequence[Harm]] = (*OF_LINES, *[_reworded] * 12, *[_asked_else] * 2)

ETCD: Final = Kind(
    name="etcd",
    code=("refs/etcd.py", "refs/endpoint.py", "refs/gateway.py", "refs/reply.py"),
    seeds=_seeds,
    harms=_HARMS,
    check=_check,
    memory=lambda size: 4_000_000 + 100 * size,
)
