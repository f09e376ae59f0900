"""Datagrams of a client that asks too much: what of the answers goes out, and who is exempt."""

import socket
from collections import Counter
from collections.abc import Callable, Iterator

import dns.message
import dns.rcode
import pytest

from tests.nameserver.made import question
from tests.nameserver.test_offers import FIRST, ZONES, asked, offers, option_of
from xferzone import metrics
from xferzone.config import Network
from xferzone.counters import Counters, Role
from xferzone.dnsd.datagrams import Datagrams, Singles, datagrams
from xferzone.dnsd.limiting import Limiting
from xferzone.dnsd.tally import Tally
from xferzone.dnsd.terms import Options, Rate, Terms
from xferzone.nameserver.cache import Responder
from xferzone.nameserver.edns import option


class Loop:
    """A bound socket, and what an answerer does with it."""

    def __init__(self, make: Callable[[socket.socket], Datagrams], rate: Rate) -> None:
        self.bound, self.client = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        self.bound.bind(("127.0.0.1", 0))
        self.client.connect(self.bound.getsockname())
        self.client.setblocking(False)
        self.counters = Counters(metrics.SIZE)
        said = offers()
        self.responder = Responder(ZONES, offers=said)
        self.limiting = Limiting(
            rate, self.responder, said, ZONES, Tally(self.counters, Role.ANSWERER, "udp")
        )
        self.incoming = make(self.bound)
        self.responder.client_of = self.incoming.client

    def ask(self, messages: list[bytes]) -> list[bytes]:
        """The answers."""
        answers = []
        for message in messages:
            self.client.send(message)
            assert self.incoming.receive() == 1
            (respond,) = self.limiting.limited(self.incoming, self.responder.respond)
            self.incoming.answer(respond, respond)
            try:
                answers.append(self.client.recv(4096))
            except BlockingIOError:
                continue
        return answers

    def limited(self, action: str) -> int:
        return self.counters.sums()[metrics.LIMITED.cell(action)]

    def close(self) -> None:
        self.bound.close()
        self.client.close()


@pytest.fixture(params=[datagrams, Singles])
def loop(request: pytest.FixtureRequest) -> Iterator[Loop]:
    made = Loop(request.param, Rate(20, 2, ()))
    yield made
    made.close()


def shapes(answers: list[bytes]) -> Counter[str]:
    found = Counter[str]()
    for answer in answers:
        read = dns.message.from_wire(answer)
        records = len(read.answer) + len(read.authority)
        found[f"{dns.rcode.to_text(read.rcode())} {records}{' tc' if answer[2] & 2 else ''}"] += 1
    return found


def test_the_networks_of_a_batch_are_those_of_its_clients(loop: Loop) -> None:
    for _ in range(3):
        loop.client.send(b"x")
    assert loop.incoming.receive() == 3
    assert loop.incoming.networks() == [b"\x7f\0\0"] * 3


@pytest.mark.parametrize("make", [datagrams, Singles])
def test_networks_of_ipv6(make: Callable[[socket.socket], Datagrams]) -> None:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as bound:
        bound.bind(("::1", 0))
        bound.sendto(b"x", bound.getsockname())
        incoming = make(bound)
        assert incoming.receive() == 1
        assert incoming.networks() == [bytes(7)]


def test_what_is_too_much_is_truncated_or_dropped(loop: Loop) -> None:
    answers = loop.ask([question("www.example.test.", "A")] * 100)
    assert shapes(answers) == {"NOERROR 1": 40, "NOERROR 0 tc": 30}
    assert (loop.limited("truncated"), loop.limited("dropped")) == (30, 30)
    loop.limiting.tick()
    assert shapes(loop.ask([question("alias.example.test.", "A")])) == {"NOERROR 2": 1}


def test_what_is_truncated_has_the_question_and_no_more(loop: Loop) -> None:
    wire = question("No.example.test.", "A", size=1232)
    answers = loop.ask([wire] * 100)
    (truncated,) = {answer for answer in answers if answer[2] & 2}
    read = dns.message.from_wire(truncated)
    assert truncated[12:] == wire[12:]
    assert (read.rcode(), read.id) == (dns.rcode.NXDOMAIN, dns.message.from_wire(wire).id)


def test_names_that_clients_invent_share_an_account(loop: Loop) -> None:
    for name in ("no{}.example.test.", "x{}.wild.example.test.", "x{}.other.test."):
        loop.limiting.tick()
        answers = loop.ask([question(name.format(number), "MX") for number in range(100)])
        sent = [answer for answer in answers if not answer[2] & 2]
        assert len(sent) <= 40


def test_a_client_without_a_valid_cookie_is_given_one_and_is_answered_with_it(loop: Loop) -> None:
    answers = loop.ask([asked(FIRST)] * 100)
    assert shapes(answers) == {"NOERROR 1": 40, "BADCOOKIE 0": 30}
    bad = next(read for read in map(dns.message.from_wire, answers) if read.rcode() == dns.rcode.BADCOOKIE)
    valid = option(10, option_of(bad, 10) or b"")
    assert shapes(loop.ask([asked(valid)] * 100)) == {"NOERROR 1": 100}
    assert loop.limited("badcookie") == 30


def test_loopback_is_exempt_unless_it_is_said() -> None:
    loop = Loop(datagrams, Rate(20, 2))
    assert len(loop.ask([question("www.example.test.", "A")] * 100)) == 100
    loop.close()


@pytest.mark.parametrize(
    ("per_second", "answerers", "share"),
    [(200, 1, 200), (200, 3, 67), (200, 16, 50), (30, 4, 30), (30, 1, 30)],
)
def test_answerers_share_the_rate(per_second: int, answerers: int, share: int) -> None:
    terms = Terms(options=Options(rate=Rate(per_second, 3, (Network("::1"),))))
    shared = terms.for_answerers(answerers, bytes(16))
    assert shared.options.rate == Rate(share, 3, (Network("::1"),))
    assert Terms().for_answerers(2, bytes(16)).options.rate is None
