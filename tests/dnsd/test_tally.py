"""What DNS counts: each message under its type, each answer under its rcode, exactly unless there are too many."""

import random
import socket
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from tests.dnsd.test_following import World
from tests.live import free_port
from tests.nameserver.made import question, view_of
from tests.nameserver.test_wire import ONE_OPT, WWW, message, opt
from xferzone import metrics
from xferzone.config import Address
from xferzone.counters import NAMES, Counters, Role
from xferzone.dnsd import tally
from xferzone.dnsd.answerer import Answerer
from xferzone.dnsd.tally import Tally
from xferzone.metrics import ANSWERS, HITS, QUESTIONS, ROUTED
from xferzone.nameserver.zones import Zones


def sums(counters: Counters, family: metrics.Family) -> dict[str, int]:
    """What was counted, by type or rcode."""
    found: Counter[str] = Counter()
    totals = counters.sums()
    for cell, labels in family.combinations():
        found[labels.split('"')[1]] += totals[cell]
    return {label: number for label, number in found.items() if number}


@pytest.fixture
def counters() -> Counters:
    return Counters(metrics.SIZE)


QUERIES = {
    "A": message(),
    "AAAA": message(WWW + b"\0\x1c\0\1"),
    "CAA": message(WWW + b"\1\1\0\1"),
    "ANY": message(WWW + b"\0\xff\0\1"),
    metrics.OTHER: message(WWW + b"\0\x1d\0\1"),
}


@pytest.mark.parametrize("name", QUERIES)
def test_a_message_is_counted_under_its_type(counters: Counters, name: str) -> None:
    Tally(counters, Role.AGENT, "tcp").count(QUERIES[name], QUERIES[name], 1)
    assert sums(counters, QUESTIONS) == {name: 1}
    assert counters.sums()[QUESTIONS.cell(name, "tcp")] == 1


def test_answers_of_routed_zones_are_counted_by_cohort_and_once(counters: Counters) -> None:
    counting, answers = Tally(counters, Role.ANSWERER, "udp"), [3, 2]
    counting.routed(answers)
    counting.routed(answers)
    assert sums(counters, ROUTED) == {"main": 3, "canary": 2}
    assert answers == [0, 0]


@pytest.mark.parametrize("junk", [b"", b"\0" * 11, b"\1" * 12, b"\7" * 40, bytes(12), bytes(300)])
def test_whatever_comes_is_counted_once(counters: Counters, junk: bytes) -> None:
    Tally(counters, Role.ANSWERER, "udp").count(junk, None, 1)
    assert sum(sums(counters, QUESTIONS).values()) == 1
    assert sums(counters, ANSWERS) == {metrics.NO_ANSWER: 1}


def test_badvers_is_told_from_noerror(counters: Counters) -> None:
    count = Tally(counters, Role.ANSWERER, "udp").count
    asked = message(more=opt(), counts=ONE_OPT)
    for upper in (0, 1):
        made = bytearray(asked)
        made[-11 + 5] = upper
        count(asked, bytes(made), 1)
    assert sums(counters, ANSWERS) == {"NOERROR": 1, "BADVERS": 1}


class Asked:
    """An answerer in this process, and a client that asks it in batches."""

    def __init__(self, world: World, counters: Counters) -> None:
        at = Address("127.0.0.1", free_port())
        self._answerer = Answerer(world.zones, [at], counters).__enter__()
        (self._incoming,) = (key.data for key in self._answerer._selector.get_map().values() if key.data)
        self._client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._client.settimeout(5)
        self._client.connect(at)

    def batch(self, messages: Sequence[bytes], answers: int) -> None:
        for each in messages:
            self._client.send(each)
        self._answerer._answer(self._incoming)
        for _ in range(answers):
            self._client.recv(4096)

    def close(self) -> None:
        self._client.close()
        self._answerer.__exit__()


@pytest.fixture
def asked(tmp_path: Path, counters: Counters) -> Iterator[Asked]:
    world = World(tmp_path)
    with closing(world.zones), closing(Asked(world, counters)) as made:
        yield made


FOUND = question("www.example.com.", "A")
MISSING = question("none.example.com.", "AAAA")
STRANGE = question("www.example.org.", "MX")
ANSWERED = {"NOERROR": FOUND, "NXDOMAIN": MISSING, "REFUSED": STRANGE}


def test_every_question_and_answer_is_counted(asked: Asked, counters: Counters) -> None:
    for _ in range(10):
        asked.batch([FOUND, MISSING, STRANGE, FOUND, b"\0" * 5], 4)
    assert sums(counters, QUESTIONS) == {"A": 20, "AAAA": 10, "MX": 10, metrics.OTHER: 10}
    assert sums(counters, ANSWERS) == {"NOERROR": 20, "NXDOMAIN": 10, "REFUSED": 10, metrics.NO_ANSWER: 10}
    # All but the first of those for a name that is here.
    assert counters.sums()[HITS.cell()] == 19


def test_of_too_many_one_of_each_batch_stands_for_all(
    asked: Asked, counters: Counters, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tally, "EXACT", 0)
    asked._answerer._tally.beat(1)
    chance = random.Random(8)
    sent = Counter(chance.choices(list(ANSWERED), (6, 3, 1), k=20_000))
    left = [ANSWERED[rcode] for rcode in sent.elements()]
    chance.shuffle(left)
    for start in range(0, len(left), 50):
        asked.batch(left[start : start + 50], 50)
    found = sums(counters, ANSWERS)
    assert sum(found.values()) == sum(sums(counters, QUESTIONS).values()) == len(left)
    for rcode, number in sent.items():
        assert abs(found[rcode] - number) < 0.1 * len(left)
    assert counters.sums()[HITS.cell()] >= 0.55 * len(left)


def test_what_cannot_be_answered_is_counted_as_servfail(
    asked: Asked, counters: Counters, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_name: bytes, _rdtype: int) -> None:
        raise ValueError("broken")

    monkeypatch.setattr(asked._answerer._zones, "find", broken)
    asked.batch([FOUND, MISSING], 2)
    assert sums(counters, ANSWERS) == {"SERVFAIL": 2}
    assert counters.sums()[HITS.cell()] == 0


def test_questions_are_counted_by_zone_and_of_many_zones_together(counters: Counters) -> None:
    zones = Zones()
    for number in range(150):
        zones.put(b"\x04" + b"%04d" % number + b"\7example\0", lambda: view_of("@ 9 SOA n h 1 2 3 4 5", "x."))
    count = Tally(counters, Role.AGENT, "tcp", zones).count
    for number in range(150):
        count(message(b"\3WWW\x04" + b"%04d" % number + b"\7Example\0\0\1\0\1"), None, 2)
    count(message(b"\3www\5other\0\0\1\0\1"), None, 1)
    count(b"\1" * 40, None, 1)
    lines = list(metrics.of_zones(counters.sums(), counters.names()))
    assert 'xferzone_dns_zone_questions_total{zone="0000.example"} 2.0' in lines
    assert 'xferzone_dns_zone_questions_total{zone="0099.example"} 2.0' in lines
    assert lines[-1] == 'xferzone_dns_zone_questions_total{zone="other"} 100.0'
    assert len(lines) == 2 + metrics.PLACES + 1
    assert metrics.PLACES == NAMES
