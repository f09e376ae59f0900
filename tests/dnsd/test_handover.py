"""What answerers hand to the agent: it is answered from the socket that it came to, and no other message is taken."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import dns.tsigkeyring
import pytest

from tests.dnsd import test_canaries as canary
from tests.dnsd.test_following import World
from tests.dnsd.test_transfer import ELSEWHERE, HERE, KEY, KEYRING, terms
from tests.live import free_port
from tests.nameserver import made as making
from xferzone import metrics
from xferzone.config import Address
from xferzone.counters import Counters, Role
from xferzone.dnsd import tally
from xferzone.dnsd.agent import TAKEN, Agent
from xferzone.dnsd.answerer import Answerer
from xferzone.dnsd.datagrams import Datagrams, Singles, datagrams
from xferzone.dnsd.following import ServedZones, open_zones
from xferzone.dnsd.handover import PACE, Giving, Handover
from xferzone.dnsd.limiting import Limiting
from xferzone.dnsd.tally import Tally
from xferzone.dnsd.terms import Allowed, Canary, Rate, Terms, ZoneTerms
from xferzone.nameserver.cache import Responder

RATE = 20  # answers a second


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.zones.close()


def ixfr(serial: int) -> dns.message.Message:
    made = dns.message.make_query("example.com.", "IXFR", use_edns=False)
    made.authority.append(dns.rrset.from_text("example.com.", 0, "IN", "SOA", f"a. b. {serial} 1 1 1 1"))
    return made


def signed(name: str, kind: str, size: int | None = None) -> dns.message.Message:
    made = dns.message.make_query(name, kind, use_edns=None if size is None else 0, payload=size)
    made.use_tsig(KEYRING)
    return made


class Pair:
    """An answerer's way of one socket, and an agent that takes what it hands over."""

    def __init__(self, zones: ServedZones, host: str = "127.0.0.1", *, singles: bool = False) -> None:
        self.family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.bound = socket.socket(self.family, socket.SOCK_DGRAM)
        self.bound.bind((host, 0))
        self.way = Handover()
        self.counters = Counters(metrics.SIZE)
        self.agent = Agent(zones, self.counters)
        self.incoming: Datagrams = Singles(self.bound) if singles else datagrams(self.bound)
        offers = zones.terms.options.offers()
        self.responder = Responder(zones, offers=offers)
        self.responder.client_of = self.incoming.client
        self.giving = Giving(self.way, zones, zones.terms.keys)
        self.responder.takes = self.giving.takes
        self.limiting = Limiting(
            Rate(RATE, 2, ()), self.responder, offers, zones, Tally(self.counters, Role.ANSWERER, "udp")
        )

    @contextmanager
    def client(self, host: str = "127.0.0.1") -> Iterator[socket.socket]:
        with socket.socket(self.family, socket.SOCK_DGRAM) as made:
            made.bind((host, 0))
            made.connect(self.bound.getsockname())
            made.settimeout(10)
            yield made

    def answer(self) -> list[bytes | None]:
        """What the answerer says to what has come."""
        said: list[bytes | None] = []
        received = self.incoming.receive()
        self.giving.begin(self.incoming)
        for slot in range(received):
            said.append(self.responder.respond(self.incoming.message(slot), slot))
        return said

    def asked(self, client: socket.socket, message: bytes) -> bytes:
        """The agent's answer."""
        client.send(message)
        assert self.answer() == [None]
        self.agent.take(self.way)
        return client.recv(4096)

    def handed(self) -> int:
        """How many messages wait for the agent, which does not get them."""
        number = 0
        while (found := self.way.take()) is not None:
            found.bound.close()
            number += 1
        return number

    def close(self) -> None:
        self.bound.close()


@contextmanager
def pair(world: World, on: Terms, host: str = "127.0.0.1", *, singles: bool = False) -> Iterator[Pair]:
    with (
        closing(open_zones(world.project.path, on)) as zones,
        closing(Pair(zones, host, singles=singles)) as made,
    ):
        yield made


def read(answer: bytes, asked: dns.message.Message) -> dns.message.Message:
    """The answer, whose signature is verified if it has one."""
    found = dns.message.from_wire(answer, keyring=KEYRING, request_mac=asked.mac)
    assert found.had_tsig == bool(asked.keyring)
    return found


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("singles", [False, True], ids=["batches", "singles"])
def test_a_message_that_is_handed_over_is_answered_from_where_it_was_asked(
    world: World, host: str, singles: bool
) -> None:
    with pair(world, terms(HERE), host, singles=singles) as made, made.client(host) as client:
        for asked, rows in (
            (signed("www.example.com.", "A"), 1),
            (ixfr(0), 1 if host == "127.0.0.1" else 0),
        ):
            assert len(read(made.asked(client, asked.to_wire()), asked).answer) == rows
        assert made.way.take() is None


def test_other_messages_stay_and_a_flood_of_signed_ones_is_bounded(world: World) -> None:
    with pair(world, terms(HERE)) as made, made.client() as client:
        unknown = dns.message.make_query("example.com.", "SOA")
        unknown.use_tsig(dns.tsigkeyring.from_text({"other.": "AAAA"}))
        plain = dns.message.make_query("example.com.", "SOA")
        elsewhere = ixfr(0).to_wire().replace(b"\7example\3com", b"\7exomple\3com", 1)
        for stays in (unknown.to_wire(), plain.to_wire(), elsewhere):
            client.send(stays)
            assert made.answer() != [None]
        question = signed("example.com.", "SOA").to_wire()
        for _ in range(3 * PACE):
            assert made.responder.respond(question, 0) is None
        assert 0 < made.handed() <= PACE


def test_one_network_has_no_more_handed_over_than_it_may_have_answers(world: World) -> None:
    """So a flood from one leaves the agent to others."""
    with pair(world, terms(HERE)) as made, made.client() as flood, made.client("127.0.1.1") as other:
        made.giving.is_too_much = made.limiting.is_too_much
        question = signed("example.com.", "SOA").to_wire()
        for each in [question] * 50 + [ixfr(0).to_wire()] * 50:
            flood.send(each)
            assert made.incoming.receive() == 1
            made.giving.begin(made.incoming)
            (respond,) = made.limiting.limited(made.incoming, made.responder.respond)
            assert respond(made.incoming.message(0), 0) is None
        assert made.handed() == 2 * RATE  # those of the second's first look, then those of an account
        other.send(question)
        assert made.incoming.receive() == 1
        made.giving.begin(made.incoming)
        (respond,) = made.limiting.limited(made.incoming, made.responder.respond)
        assert respond(made.incoming.message(0), 0) is None
        assert made.handed() == 1
        assert made.counters.sums()[metrics.LIMITED.cell("dropped")] == 100 - 2 * RATE


def test_what_is_handed_over_is_counted_once_with_its_rcode(world: World) -> None:
    with pair(world, terms(HERE)) as made, made.client() as client:
        counting = Tally(made.counters, Role.ANSWERER, "udp").counting(
            made.responder.respond, made.giving.has
        )
        for message in (signed("www.example.com.", "A"), signed("nope.example.com.", "AAAA")):
            client.send(message.to_wire())
            assert made.incoming.receive() == 1
            made.giving.begin(made.incoming)
            assert counting(made.incoming.message(0), 0) is None
            made.agent.take(made.way)
            client.recv(4096)
        sums = made.counters.sums()
        assert [sums[metrics.QUESTIONS.cell(kind, "udp")] for kind in ("A", "AAAA")] == [1, 1]
        rcodes = ("NOERROR", "NXDOMAIN", metrics.NO_ANSWER)
        assert [sums[metrics.ANSWERS.cell(rcode, "udp")] for rcode in rcodes] == [1, 1, 0]


@pytest.mark.parametrize("allowed", [HERE, ELSEWHERE], ids=["allowed", "not allowed"])
@pytest.mark.parametrize("is_signed", [False, True], ids=["unsigned", "signed"])
def test_axfr_over_udp_is_not_implemented(world: World, allowed: Allowed, is_signed: bool) -> None:
    """As NSD and Knot have it; RFC 5936 4.2 does not define it."""
    with pair(world, terms(allowed)) as made, made.client() as client:
        if is_signed:
            asked = signed("example.com.", "AXFR")
            answer = made.asked(client, asked.to_wire())
        else:
            asked = dns.message.make_query("example.com.", "AXFR")
            client.send(asked.to_wire())
            (said,) = made.answer()
            assert said is not None
            answer = said
        found = read(answer, asked)
        assert (found.rcode(), found.answer) == (dns.rcode.NOTIMP, [])


@pytest.mark.parametrize("size", [512, 1232])
def test_an_answer_that_a_signature_makes_too_long_keeps_opt_and_tsig(world: World, size: int) -> None:
    text = " ".join(["x" * 100] * (4 if size == 512 else 11))
    world.put("example.com", f"big 300 TXT {text}", "www 300 A 192.0.2.1")
    with pair(world, terms(HERE)) as made, made.client() as client:
        asked = signed("big.example.com.", "TXT", size)
        answer = made.asked(client, asked.to_wire())
        assert len(answer) <= size
        found = read(answer, asked)
        assert found.flags & dns.flags.TC
        assert (found.edns, found.answer, found.rcode()) == (0, [], dns.rcode.NOERROR)
        fits = signed("www.example.com.", "A", size)
        found = read(made.asked(client, fits.to_wire()), fits)
        assert not found.flags & dns.flags.TC
        assert (found.edns, len(found.answer)) == (0, 1)


def test_the_answer_to_a_forwarded_message_has_the_id_that_came_and_is_signed_with_the_original(
    world: World,
) -> None:
    with pair(world, terms(HERE)) as made, made.client() as client:
        asked = signed("www.example.com.", "A")
        as_sent = asked.to_wire()
        forwarded = bytes((as_sent[0] ^ 0xFF, as_sent[1])) + as_sent[2:]
        answer = made.asked(client, forwarded)
        assert answer[:2] == forwarded[:2]
        assert len(read(as_sent[:2] + answer[2:], asked).answer) == 1  # as the forwarder sends it on
        signature = read(answer, asked).tsig
        assert signature is not None
        assert signature[0].original_id == asked.id


def test_a_fault_is_servfail_over_udp_and_the_next_message_is_answered(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pair(world, terms(HERE)) as made, made.client() as client:
        with monkeypatch.context() as broken:
            broken.setattr(type(made.agent._zones.by_repository()[0].repository), "role", _broken)
            assert made.asked(client, ixfr(0).to_wire())[3] & 15 == dns.rcode.SERVFAIL
        assert made.asked(client, ixfr(0).to_wire())[3] & 15 == dns.rcode.NOERROR


def _broken(*_: object) -> str:
    raise ValueError("broken")


def test_a_turn_takes_a_few_messages_and_leaves_the_rest(world: World) -> None:
    with pair(world, terms(HERE)) as made, made.client() as client:
        question = signed("www.example.com.", "A").to_wire()
        client.send(question)
        assert made.incoming.receive() == 1
        made.giving.begin(made.incoming)
        for _ in range(TAKEN + 3):
            assert made.responder.respond(question, 0) is None
        made.agent.take(made.way)
        assert made.handed() == 3


def test_a_message_that_is_counted_for_a_batch_is_handed_over_once_and_routed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Above EXACT messages a second one of each batch stands for all."""
    monkeypatch.setattr(tally, "EXACT", 0)
    canaries = canary.World(tmp_path)
    canaries.put("next", "www 300 A 192.0.2.2")
    of_zone = ZoneTerms(canary=Canary("next", 0), transfer=(HERE,))
    on = Terms(zones=(("*", of_zone),), keys={KEY.name: KEY})
    counters, way, at = Counters(metrics.SIZE), Handover(), Address("127.0.0.1", free_port())
    with (
        closing(open_zones(canaries.project.path, on)) as zones,
        Answerer(zones, [at], counters, handover=way) as answerer,
        socket.socket(type=socket.SOCK_DGRAM) as client,
    ):
        (incoming,) = (key.data for key in answerer._selector.get_map().values() if key.data)
        answerer._tally.beat(1)
        client.connect(at)
        client.settimeout(10)
        question, plain = (
            signed("www.example.com.", "A").to_wire(),
            making.question("www.example.com.", "A", size=1232),
        )
        for batch, rows in ((question, 0), (plain, 1)):
            for _ in range(6):
                client.send(batch)
                client.send(batch)
                answerer._answer(incoming)
                for _ in range(2 * rows):
                    client.recv(4096)
        number = 0
        while (found := way.take()) is not None:
            found.bound.close()
            number += 1
        assert number == 12
        assert zones.routed == [12, 0]
        assert counters.sums()[metrics.QUESTIONS.cell("A", "udp")] == 12  # the agent counts the others
