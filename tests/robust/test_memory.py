"""What large requests cost one worker: little enough memory, and no other request waits for them.

60 MB of igot lines, 60 MB of random bytes, a bomb, an artifact of 60 MB pushed and asked for, and
four of each at once. A mixture of 20, run by hand, took 199 MB (1,285 MB before requests took turns).
"""

import random
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest

from tests.live import PATIENCE_S, Server, serving, within
from tests.robust.site import PULL, PUSH, ask, by_ops, healthy, high_water, made, post, workers
from xferzone.cards import CFile, Clone, CloneSeqno, Error, File, Gimme, Push
from xferzone.cards.body import pack
from xferzone.hashing import artifact_id

MOST = 300  # megabytes of a worker
SIZE = 60_000_000
AT_ONCE = 4

LARGE = random.Random(1).randbytes(SIZE)
NAME = artifact_id(LARGE)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    repository = made(tmp_path_factory.mktemp("memory") / "z.xferzone")
    with serving(repository, "serve") as server:
        assert ask(server, by_ops(PUSH, File(NAME, LARGE)), level=0) == []
        yield server


def igots() -> bytes:
    rest = b"".join(b"igot %064x\n" % number for number in range(SIZE // 70))
    return pack(by_ops(PUSH, rest), level=1)


def bomb() -> bytes:
    """Comment lines, a thousandth of what they expand to."""
    line = b"#" * 1000 + b"\n"
    packed = zlib.compress(line * (SIZE // len(line)))
    assert 250 * len(packed) < SIZE
    return SIZE.to_bytes(4, "big") + packed


#: By name: the octets of a request, and what is said to it.
REQUESTS: dict[str, tuple[Callable[[], bytes], str]] = {
    "60 MB of igot lines": (igots, "over 500000 artifacts announced"),
    "60 MB of random bytes": (lambda: pack(by_ops(LARGE), level=0), "over 1000 lines that are not cards"),
    "a bomb": (bomb, ""),
    "a bomb over the bound": (
        lambda: (2**31).to_bytes(4, "big") + pack(by_ops(bytes(2 * 10**8)))[4:],
        "over 134217728",
    ),
    "an artifact pushed": (lambda: pack(by_ops(PUSH, File(NAME, LARGE)), level=0), ""),
    "a compressed one pushed": (lambda: compressed(), ""),
    "an artifact asked for": (lambda: pack(by_ops(PULL, Gimme(NAME))), NAME),
    "a clone": (lambda: pack(by_ops(Clone(3, 1))), NAME),
}


def compressed() -> bytes:
    content = bytes(SIZE) + b"end"
    return pack(by_ops(PUSH, CFile(artifact_id(content), len(content), pack(content))))


#: What the issue names, four of each at once.
TOGETHER = (
    "60 MB of igot lines",
    "60 MB of random bytes",
    "a bomb",
    "an artifact pushed",
    "an artifact asked for",
)


@cache
def octets(name: str) -> bytes:
    return REQUESTS[name][0]()


def told(server: Server, request: bytes) -> str:
    """What the first card of the answer says."""
    answer = post(server, request)
    assert answer.status == 200
    for card in answer.cards:
        if isinstance(card, Error):
            return card.text
        if isinstance(card, File | CFile):
            return card.artifact
        assert isinstance(card, CloneSeqno | Push), card
    return ""


@pytest.mark.parametrize("name", REQUESTS)
def test_a_large_request_is_answered_within_bounds(server: Server, name: str) -> None:
    (worker,) = workers(server)
    assert told(server, octets(name)).startswith(REQUESTS[name][1])
    assert workers(server) == [worker]
    assert high_water(worker) < MOST


def test_four_of_each_at_once_are_answered_within_bounds_and_delay_no_page(server: Server) -> None:
    (worker,) = workers(server)
    names = [*TOGETHER] * AT_ONCE
    with ThreadPoolExecutor(len(names)) as pool:
        answers = [pool.submit(told, server, octets(name)) for name in names]
        while not all(answer.done() for answer in answers):
            assert healthy(server, 5)
    for name, answer in zip(names, answers, strict=True):
        assert answer.result().startswith(REQUESTS[name][1])
    assert workers(server) == [worker]
    assert high_water(worker) < MOST


def test_what_was_taken_is_given_back(server: Server) -> None:
    (worker,) = workers(server)
    status = Path(f"/proc/{worker}/statm")
    assert within(PATIENCE_S, lambda: int(status.read_text().split()[1]) * 4096 < 120_000_000)
