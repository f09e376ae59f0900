"""The keys of a group in etcd: moving a ref, listing all, and hearing of a change, beside the gateway alone.

"Alone" is one connection of the standard library's, with requests that were made before and replies that nobody reads.
"""

import http.client
import json
import threading
import time
from base64 import b64encode
from contextlib import closing
from pathlib import Path

from bench.measure import row, timed
from tests.etcds import running
from tests.live import PATIENCE_S
from xferzone.refs.etcd import Etcd

MOVES = 1_000
REFS = 20_000
LISTS = 7
HEARD = 200
THREADS = 16
_AT_ONCE = 100


def keys(directory: Path) -> None:
    with running(directory / "etcd") as etcd, closing(Etcd([etcd.url])) as ours:
        alone = http.client.HTTPConnection(etcd.url.removeprefix("http://"), timeout=PATIENCE_S)
        with closing(alone):
            _moves(ours, alone)
            _lists(ours, alone)
        _together(ours)
        _heard(ours)


def _value(number: int) -> bytes:
    """A ref's, as members write it."""
    return json.dumps({"checkin": f"{number:064x}", "member": "site-1", "serial": 2_026_113_001}).encode()


def _moves(ours: Etcd, alone: http.client.HTTPConnection) -> None:
    ours.transact({}, {"bench/group": b"rules", "bench/ours": _value(0), "bench/alone": _value(0)})
    taken, bare = [], []
    begun = time.process_time()
    for number in range(MOVES):
        expected = {"bench/group": b"rules", "bench/ours": _value(number)}
        taken.append(timed(ours.transact, expected, {"bench/ours": _value(number + 1)}))
    spent = time.process_time() - begun
    for number in range(MOVES):
        body = _transaction({"bench/group": b"rules", "bench/alone": _value(number)}, _value(number + 1))
        bare.append(timed(_post, alone, "/v3/kv/txn", body))
    assert (
        ours.list("bench/").values["bench/ours"] == ours.list("bench/").values["bench/alone"] == _value(MOVES)
    )
    row("move of a ref in etcd", taken, "ms", 1_000, ratio=("the gateway alone", bare))
    row("the same, the gateway alone", bare, "ms", 1_000)
    row("CPU of the client, each", [spent / MOVES], "ms", 1_000)


def _lists(ours: Etcd, alone: http.client.HTTPConnection) -> None:
    for first in range(0, REFS, _AT_ONCE):
        names = range(first, first + _AT_ONCE)
        ours.transact({}, {f"bench/ref/zone{number:05}.example.com/main": _value(number) for number in names})
    body = json.dumps({"key": _coded(b"bench/ref/"), "range_end": _coded(b"bench/ref0")}).encode()
    taken, bare, spent = [], [], []
    for _ in range(LISTS):
        begun = time.process_time()
        taken.append(timed(ours.list, "bench/ref/"))
        spent.append(time.process_time() - begun)
        bare.append(timed(_post, alone, "/v3/kv/range", body))
    row(f"list of {REFS:,} refs", taken, "ms", 1_000, ratio=("the gateway alone", bare))
    row("CPU of the client", spent, "ms", 1_000)


def _together(ours: Etcd) -> None:
    def move(name: str) -> None:
        for number in range(MOVES // THREADS):
            ours.transact({"bench/group": b"rules"}, {name: _value(number)})

    threads = [threading.Thread(target=move, args=(f"bench/thread/{each}",)) for each in range(THREADS)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rate = MOVES // THREADS * THREADS / (time.perf_counter() - begun)
    row(f"moves of {THREADS} threads at once", [rate], "a second")


def _heard(ours: Etcd) -> None:
    begin = ours.list("bench/heard/").stand.revision
    taken = []
    with closing(ours.watch("bench/heard/", begin + 1, PATIENCE_S)) as watch:
        next(watch)
        for number in range(HEARD):
            ours.transact({}, {"bench/heard/ref": _value(number)})
            begun = time.perf_counter()
            assert next(watch).values == {"bench/heard/ref": _value(number)}
            taken.append(time.perf_counter() - begun)
    row("answer to a move, to its watch", taken, "ms", 1_000)


def _transaction(expected: dict[str, bytes], value: bytes) -> bytes:
    """A move of the last of these keys to `value`."""
    compared = [
        {"key": _coded(key.encode()), "target": "VALUE", "result": "EQUAL", "value": _coded(each)}
        for key, each in expected.items()
    ]
    put = {"key": compared[-1]["key"], "value": _coded(value)}
    return json.dumps({"compare": compared, "success": [{"request_put": put}]}).encode()


def _coded(octets: bytes) -> str:
    return b64encode(octets).decode()


def _post(connection: http.client.HTTPConnection, path: str, body: bytes) -> None:
    connection.request("POST", path, body)
    reply = connection.getresponse()
    reply.read()
    assert reply.status == http.HTTPStatus.OK
