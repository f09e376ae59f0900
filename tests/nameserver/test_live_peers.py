"""NSD, Knot, BIND and we, running, are sent the same questions and odd messages, by UDP and TCP (peers/README.md)."""

import contextlib
from collections.abc import Iterator, Mapping

import pytest

from tests.dnsd.test_servers import start, stop
from tests.live import PATIENCE_S, free_port, within
from tests.nameserver.made import question, said
from tests.nameserver.peers.asking import Udp, by_tcp, by_udp
from tests.nameserver.peers.cases import NAMES, TYPES
from tests.nameserver.peers.messages import MESSAGES
from tests.nameserver.peers.ours import repository
from tests.nameserver.peers.programs import running
from tests.nameserver.peers.rules import wrong, wrong_shape

pytestmark = pytest.mark.interop

TOGETHER = 200  # questions that are sent at once on a connection


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, int]]:
    with running(tmp_path_factory.mktemp("peers")) as ports:
        yield ports


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """An answerer and an agent of ours, with the same zones."""
    path = repository(tmp_path_factory.mktemp("ours"))
    found = free_port()
    listen = f"127.0.0.1:{found}"
    with start("answerer", path, listen) as answerer, start("agent", path, listen) as agent:
        assert within(PATIENCE_S, lambda: _answers(found))
        yield found
        stop(answerer)
        stop(agent)


def _answers(port: int) -> bool:
    asked = question("test.", "SOA")
    try:
        with Udp(port) as way:
            return way.ask(asked, 0.2) is not None and bool(by_tcp(port, asked))
    except OSError:
        return False


def test_every_question_is_answered_as_two_agree_or_as_was_decided(
    peers: Mapping[str, int], port: int
) -> None:
    failures = []
    with contextlib.ExitStack() as stack:
        ways = {server: stack.enter_context(Udp(its)) for server, its in peers.items()}
        our_way = stack.enter_context(Udp(port))
        for name in NAMES:
            for rdtype in TYPES:
                asked = question(name, rdtype)
                answers = {server: said(way.ask(asked)) for server, way in ways.items()}
                ours = said(our_way.ask(asked))
                if whom := wrong(name, rdtype, answers, ours):
                    failures.append((name, rdtype, whom, ours, answers))
    assert failures == []


def test_tcp_answers_what_udp_does_and_in_order(port: int) -> None:
    asked = [question(name, rdtype) for name in NAMES for rdtype in TYPES]
    with Udp(port) as way:
        for begin in range(0, len(asked), TOGETHER):
            batch = asked[begin : begin + TOGETHER]
            assert by_tcp(port, *batch) == [way.ask(message) for message in batch]


def test_many_questions_sent_at_once_are_all_answered_by_everybody(
    peers: Mapping[str, int], port: int
) -> None:
    asked = [question(name, "A") for name in NAMES][:100]
    for its in (*peers.values(), port):
        ids = [answer[:2] for answer in by_tcp(its, *asked)]
        assert sorted(ids) == sorted(message[:2] for message in asked)


def test_every_datagram_is_answered_as_two_agree_or_as_was_decided(
    peers: Mapping[str, int], port: int
) -> None:
    *theirs, ours = by_udp([*peers.values(), port], *MESSAGES.values())
    failures = {}
    for number, name in enumerate(MESSAGES):
        answers = {server: found[number] for server, found in zip(peers, theirs, strict=True)}
        if fault := wrong_shape(name, answers, ours[number]):
            failures[name] = fault, answers
    assert failures == {}


def test_every_message_by_tcp_is_answered_as_two_agree_or_as_was_decided(
    peers: Mapping[str, int], port: int
) -> None:
    failures = {}
    for name, message in MESSAGES.items():
        answers = {server: next(iter(by_tcp(its, message)), None) for server, its in peers.items()}
        if fault := wrong_shape(name, answers, next(iter(by_tcp(port, message)), None)):
            failures[name] = fault, answers
    assert failures == {}
