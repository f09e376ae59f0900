"""How many answers of one kind one network gets, beside a plain account of each second; kinds; bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.nameserver.made import question, view_of, zones_of
from tests.nameserver.test_answer import many
from tests.nameserver.test_respond import ZONE
from tests.nameserver.test_wire import message
from xferzone.nameserver import rate
from xferzone.nameserver.cache import Responder
from xferzone.nameserver.rate import ACCOUNTS, DROP, NETWORKS, SEND, TRUNCATE, WINDOW, Limiter, Verdict, kind

NET = b"\xc0\0\2"
CLIENT = b"\xc0\0\2\7"
V6 = b"\x20\1\x0d\xb8\0\0\1"


def asked(limiter: Limiter, number: int, of_kind: bytes = b"a1", network: bytes = NET) -> list[Verdict]:
    """What becomes of so many answers, each in a batch of its own."""
    found = []
    for _ in range(number):
        found.append(limiter.verdict(network, of_kind) if limiter.exceeding([network]) else SEND)
    return found


def test_what_stays_below_the_rate_is_sent() -> None:
    limiter = Limiter(10, 2)
    for _ in range(20):
        assert asked(limiter, 10) == [SEND] * 10
        limiter.tick()


def test_a_flood_is_limited_from_its_first_second_on() -> None:
    limiter = Limiter(10, 2)
    first = asked(limiter, 100)
    assert first[:10] == [SEND] * 10
    assert first.count(SEND) == 20
    assert first[20:24] == [DROP, TRUNCATE, DROP, TRUNCATE]
    limiter.tick()
    assert asked(limiter, 100).count(SEND) == 0


@pytest.mark.parametrize(("slip", "truncated"), [(0, 0), (1, 60), (2, 30), (3, 20)])
def test_slip(slip: int, truncated: int) -> None:
    assert asked(Limiter(10, slip), 80).count(TRUNCATE) == truncated


def test_errors_are_never_truncated() -> None:
    assert asked(Limiter(10, 1), 80, b"e").count(TRUNCATE) == 0


def test_a_flood_that_ends_is_forgiven_after_the_window() -> None:
    limiter = Limiter(10, 2)
    for _ in range(3 * WINDOW):
        asked(limiter, 100)
        limiter.tick()
    quiet = 0
    while asked(limiter, 1) != [SEND]:
        quiet += 1
        limiter.tick()
    assert WINDOW <= quiet <= WINDOW + 1


@given(st.lists(st.integers(0, 60), max_size=40), st.integers(1, 20))
def test_from_the_second_second_on_an_account_is_exact(seconds: list[int], per_second: int) -> None:
    limiter = Limiter(per_second, 0)
    asked(limiter, 3 * per_second)  # seen as a flood
    limiter.tick()
    balance = min(
        per_second, per_second - per_second
    )  # 3 x came, of which the network's first were not looked at
    for number in seconds:
        expected = 0
        for _ in range(number):
            balance = max(balance - 1, -WINDOW * per_second)
            expected += balance >= 0
        sent = asked(limiter, number).count(SEND)
        assert sent == expected
        limiter.tick()
        balance = min(balance + per_second, per_second)
        if NET not in limiter._looked_at:
            break  # quiet for longer than an account can owe


def test_kinds_and_networks_have_accounts_of_their_own() -> None:
    limiter = Limiter(10, 0)
    asked(limiter, 100)
    limiter.tick()
    assert asked(limiter, 10).count(SEND) == 0
    assert asked(limiter, 10, b"a2").count(SEND) == 10
    assert asked(limiter, 10, network=V6).count(SEND) == 10


def test_many_names_of_one_network_are_not_limited() -> None:
    """A large resolver asks for much, each name seldom; some share a cell."""
    limiter = Limiter(200, 2)
    for _ in range(3):
        for number in range(30_000):
            assert asked(limiter, 1, b"a%d" % number) == [SEND]
        limiter.tick()


@pytest.mark.parametrize(
    ("exempt", "client", "is_limited"),
    [
        ("192.0.2.0/24", CLIENT, False),
        ("192.0.0.0/16", CLIENT, False),
        ("192.0.2.7", CLIENT, False),
        ("192.0.2.8", CLIENT, True),
        ("198.51.100.0/24", CLIENT, True),
        ("2001:db8::/32", CLIENT, True),
        ("2001:db8::/32", V6 + bytes(9), False),
        ("2001:db8:0:100::1", V6 + bytes(8) + b"\1", False),
        ("2001:db8:0:100::1", V6 + bytes(8) + b"\2", True),
    ],
)
def test_exempt_networks_and_addresses(exempt: str, client: bytes, is_limited: bool) -> None:
    limiter = Limiter(10, 2, [exempt])
    network = client[: rate.PREFIXES[len(client)]]
    exceeding = [limiter.exceeding([network]) for _ in range(20)]
    assert (
        network in exceeding[-1] and not (network in limiter.partly and limiter.spares(client))
    ) == is_limited


def test_forged_sources_use_no_memory_without_end() -> None:
    limiter = Limiter(50, 2)
    for second in range(2):
        for number in range(NETWORKS // 32 * 3):
            sources = [(32 * number + each).to_bytes(4)[1:] for each in range(32)]
            limiter.exceeding(sources)
            assert len(limiter._datagrams) <= NETWORKS + 64
        limiter.tick()
        assert second or not limiter._looked_at
    limiter.exceeding([NET] * 51)
    for number in range(2 * ACCOUNTS):
        for _ in range(51):
            limiter.verdict(NET, b"a%d" % number)
    assert len(limiter._accounts) <= ACCOUNTS


ZONES = zones_of(view_of(ZONE + many('big 60 TXT "{:0100}"', 10), "example.test."))
WWW = b"\3www\7example\4test\0"
ORIGIN = WWW[4:]


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (question("www.example.test.", "A"), b"a" + WWW + b"\0\1\0\1"),
        (question("WWW.example.test.", "A"), b"a" + WWW + b"\0\1\0\1"),
        (question("www.example.test.", "AAAA"), b"a" + WWW + b"\0\x1c\0\1"),
        (question("big.example.test.", "TXT", size=512), b"a\3big" + ORIGIN + b"\0\x10\0\1"),
        (question("x.wild.example.test.", "MX"), b"w" + ORIGIN),
        (question("y.wild.example.test.", "MX"), b"w" + ORIGIN),
        (question("x.dn.example.test.", "A"), b"n" + ORIGIN),
        (question("x.wild.example.test.", "A"), b"n" + ORIGIN),
        (question("no.example.test.", "A"), b"n" + ORIGIN),
        (question("www.example.test.", "TLSA"), b"n" + ORIGIN),
        (question("a.sub.example.test.", "A"), b"r\3sub" + ORIGIN),
        (question("b.sub.example.test.", "A"), b"r\3sub" + ORIGIN),
        (question("a\\000b.example.test.", "A"), b"n" + ORIGIN),
        (question("a\\000b.wild.example.test.", "MX"), b"w" + ORIGIN),
        (question("a\\000b.sub.example.test.", "A"), b"r\3sub" + ORIGIN),
        (question("www.other.test.", "A"), b"e"),
        (message(flags=0x1000), b"e"),
        (message(b"\3www"), b"e"),
    ],
)
def test_kinds(wire: bytes, expected: bytes) -> None:
    responder = Responder(ZONES)
    for _ in range(3):  # made, and kept
        responder.is_own = True
        answer = responder.respond(wire)
        assert answer is not None
        assert kind(wire, answer, ZONES, is_own=responder.is_own) == expected
