"""What answerers hand to the agent: it is answered from the socket that it came to, and no other message is taken."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dns.message
import dns.rrset
import dns.tsigkeyring
import pytest

from tests.dnsd.test_following import World
from tests.dnsd.test_transfer import HERE, KEYRING, terms
from xferzone.counters import Role
from xferzone.dnsd.datagrams import Datagrams, Singles, datagrams
from xferzone.dnsd.following import open_zones
from xferzone.dnsd.handover import PACE, Giving, Handover
from xferzone.dnsd.requests import Requests
from xferzone.dnsd.service import Service
from xferzone.dnsd.tally import Tally
from xferzone.nameserver.cache import Responder
from xferzone.nameserver.respond import respond


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.zones.close()


def ixfr(serial: int) -> dns.message.Message:
    made = dns.message.make_query("example.com.", "IXFR", use_edns=False)
    made.authority.append(dns.rrset.from_text("example.com.", 0, "IN", "SOA", f"a. b. {serial} 1 1 1 1"))
    return made


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("singles", [False, True], ids=["batches", "singles"])
def test_a_message_that_is_handed_over_is_answered_from_where_it_was_asked(
    world: World, host: str, singles: bool
) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    signed = dns.message.make_query("www.example.com.", "A")
    signed.use_tsig(KEYRING)
    pair = Handover()
    with (
        closing(open_zones(world.project.path, terms(HERE))) as zones,
        socket.socket(family, socket.SOCK_DGRAM) as bound,
        socket.socket(family, socket.SOCK_DGRAM) as client,
    ):
        bound.bind((host, 0))
        client.connect(bound.getsockname())
        client.settimeout(10)
        service: Service[bytes] = Service(
            zones, lambda message, address: respond(message, zones, address, tcp=False)
        )
        requests = Requests(zones, service, Tally(None, Role.AGENT, "udp"))
        incoming: Datagrams = Singles(bound) if singles else datagrams(bound)
        responder = Responder(zones)
        giving = Giving(pair, zones, zones.terms.keys)
        responder.takes = giving.takes
        giving.incoming = incoming
        for asked, rows in ((signed, 1), (ixfr(0), 1 if host == "127.0.0.1" else 0)):
            client.send(asked.to_wire())
            assert incoming.receive() == 1
            assert responder.respond(incoming.message(0), 0) is None
            handed = pair.take()
            assert handed is not None
            with handed.bound:
                answer = requests.datagram(handed.message, handed.client)
                assert answer is not None
                handed.bound.sendto(answer, handed.peer)
            came = dns.message.from_wire(client.recv(2000), keyring=KEYRING, request_mac=asked.mac)
            assert len(came.answer) == rows
            assert came.had_tsig == bool(asked.keyring)
        assert pair.take() is None


def test_other_messages_stay_and_a_flood_of_signed_ones_is_bounded(world: World) -> None:
    pair = Handover()
    with (
        closing(open_zones(world.project.path, terms(HERE))) as zones,
        socket.socket(type=socket.SOCK_DGRAM) as bound,
    ):
        bound.bind(("127.0.0.1", 0))
        responder = Responder(zones)
        giving = Giving(pair, zones, zones.terms.keys)
        responder.takes = giving.takes
        incoming = giving.incoming = datagrams(bound)
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.sendto(b"anything", bound.getsockname())
            assert incoming.receive() == 1
            unknown = dns.message.make_query("example.com.", "SOA")
            unknown.use_tsig(dns.tsigkeyring.from_text({"other.": "AAAA"}))
            plain = dns.message.make_query("example.com.", "SOA")
            for stays in (unknown, plain, ixfr(0)):
                wire = stays.to_wire()
                if stays.question[0].rdtype == dns.rdatatype.IXFR:
                    wire = wire.replace(b"\7example\3com", b"\7exomple\3com", 1)
                assert responder.respond(wire, 0) is not None
            signed = dns.message.make_query("example.com.", "SOA")
            signed.use_tsig(KEYRING)
            wire = signed.to_wire()
            for _ in range(3 * PACE):
                assert responder.respond(wire, 0) is None
        taken = 0
        while (handed := pair.take()) is not None:
            handed.bound.close()
            taken += 1
        assert 0 < taken <= PACE
