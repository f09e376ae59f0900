"""Who gets the canary: for ever the same clients, and only more of them when the percentage grows."""

import subprocess
from ipaddress import ip_address

import pytest

from xferzone.config import Network
from xferzone.nameserver import route
from xferzone.nameserver.edns import Edns, option
from xferzone.nameserver.respond import NOBODY
from xferzone.nameserver.route import Cohorts, Resolvers, cohort, prefix_of

ZONE = "example.com"
SUBNETS = [bytes((198, 18 + number // 256, number % 256)) for number in range(1000)]
SUBNETS_6 = [bytes.fromhex("20010db8") + number.to_bytes(2) for number in range(1000)]

#: Of docs/formats.md: made with printf and sha256sum.
VECTORS = [
    (b"salt1", "example.com", "c00002", 2083),
    (b"", "example.com", "c00002", 4085),
    (b"", "example.com", "20010db80001", 6266),
    (b"2026", "%root", "cb0071", 5692),
]


@pytest.mark.parametrize(("salt", "zone", "prefix", "expected"), VECTORS)
def test_cohorts_of_record(salt: bytes, zone: str, prefix: str, expected: int) -> None:
    assert cohort(salt, zone, bytes.fromhex(prefix)) == expected


def test_a_cohort_is_what_sha256sum_says() -> None:
    asked = b"salt1\0example.com\0\4\xc0\0\2"
    digest = subprocess.run(["sha256sum"], input=asked, capture_output=True, check=True).stdout
    assert int(digest[:16], 16) % 10_000 == cohort(b"salt1", ZONE, b"\xc0\0\2")


@pytest.mark.parametrize(
    ("client", "prefix"),
    [
        ("192.0.2.77", "c00002"),
        ("::ffff:192.0.2.77", "c00002"),
        ("2001:db8:1:2::3", "20010db80001"),
        ("::1", "000000000000"),
    ],
)
def test_a_client_counts_by_its_network(client: str, prefix: str) -> None:
    assert prefix_of(ip_address(client).packed).hex() == prefix


@pytest.mark.parametrize(("subnets", "expected"), [(SUBNETS, 202), (SUBNETS_6, 208)])
def test_twenty_percent_of_a_thousand_networks(subnets: list[bytes], expected: int) -> None:
    cohorts = Cohorts(ZONE, 2000, b"2026")
    assert sum(map(cohorts.gets_canary, subnets)) == expected
    assert 160 <= expected <= 240


def test_more_percent_only_add_networks() -> None:
    before: set[bytes] = set()
    for hundredths in (0, 1, 500, 2000, 5000, 9999, 10_000):
        cohorts = Cohorts(ZONE, hundredths, b"2026")
        now = {subnet for subnet in SUBNETS if cohorts.gets_canary(subnet)}
        assert before <= now
        before = now
    assert before == set(SUBNETS)
    assert not any(map(Cohorts(ZONE, 0, b"2026").gets_canary, SUBNETS))


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(route, "REMEMBERED", 100)
    cohorts, resolvers = Cohorts(ZONE, 2000, b"2026"), Resolvers((Network("198.16.0.0/12"),))
    asked = Edns(1232, False, option(8, bytes.fromhex("00011800c00002")))
    for subnet in SUBNETS:
        assert cohorts.gets_canary(subnet) == (cohort(b"2026", ZONE, subnet) < 2000)
        assert resolvers.subnet(subnet + b"\1", asked) is not None
    assert len(cohorts._known) <= 100
    assert len(resolvers._known) <= 100


def test_only_listed_resolvers_are_believed() -> None:
    resolvers = Resolvers((Network("192.0.2.0/24"), Network("2001:db8::53")))
    asked = Edns(1232, False, option(8, bytes.fromhex("00011800c63364")))
    believed = {
        client: resolvers.subnet(ip_address(client).packed, asked) is not None
        for client in ("192.0.2.9", "::ffff:192.0.2.9", "192.0.3.9", "2001:db8::53", "2001:db8::54")
    }
    assert list(believed.values()) == [True, True, False, True, False]
    assert resolvers.subnet(NOBODY, asked) is None
    assert resolvers.subnet(ip_address("192.0.2.9").packed, Edns(1232, False)) is None
    assert resolvers.subnet(ip_address("192.0.2.9").packed, None) is None
