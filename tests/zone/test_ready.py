"""Ready forms: what an answer holds instead of the records, and which hosts it brings."""

import pytest

from xferzone.zone import ready
from xferzone.zone.index import made_rrset
from xferzone.zone.ready import NOT_READY, Host
from xferzone.zonefile.rdtypes import CNAME, MX, NS, PTR, SOA, SRV

ORIGIN = b"\7example\4test\0"
AT_SUB = b"\xc0\x0c"
AT_ORIGIN = b"\xc0\x10"  # of a question for sub.example.test


def form(rdtype: int, *rdatas: bytes) -> bytes:
    return ready.form(b"\3sub", ORIGIN, rdtype, made_rrset(rdtype, 60, rdatas).records)


def test_names_are_compressed_and_hosts_in_the_zone_are_named() -> None:
    found = ready.read(form(MX, b"\0\1\1m" + ORIGIN, b"\0\2\1m" + ORIGIN, b"\0\3\1m\7invalid\0"))
    head = AT_SUB + b"\0\x0f\0\1\0\0\0\x3c"
    assert found.records == (
        head + b"\0\6\0\1\1m" + AT_ORIGIN + head + b"\0\4\0\2\xc0\x30" + head + b"\0\x0d\0\3\1m\7invalid\0"
    )
    assert (found.places, found.hosts) == ([], [Host(b"\xc0\x30", b"\1m")])


def test_a_delegation_names_hosts_below_it_first_and_says_where_pointers_stand() -> None:
    found = ready.read(form(NS, b"\1a" + ORIGIN, b"\1b\3sub" + ORIGIN, b"\3sub" + ORIGIN))
    assert [host.labels for host in found.hosts] == [b"\1b\3sub", b"\3sub", b"\1a"]
    moved = ready.moved(found.records, found.places, 5)
    # The owner of each, the zone's name, and the cut's, all five octets further.
    assert [at for at, octet in enumerate(moved) if octet != found.records[at]] == [
        place + 1 for place in found.places
    ]
    assert len(found.places) == 6


def test_addresses_of_a_service_begin_with_what_its_records_do_not_hold() -> None:
    found = ready.read(form(SRV, b"\0\0\0\0\0\1\1h" + ORIGIN))
    assert found.hosts == [Host(b"\1h" + AT_ORIGIN, b"\1h")]


@pytest.mark.parametrize(
    ("rdtype", "rdatas"),
    [
        (SOA, [b"\1a\0\1b\0" + bytes(20)]),
        (SRV, [b"\0\0\0\0\0\1\1h\1x" + ORIGIN, b"\0\0\0\0\0\1\1i\1x" + ORIGIN]),
        (NS, [b"\2%02d" % number + ORIGIN for number in range(90)]),
        (PTR, [bytes((60,)) + b"%060d" % number + b"\0" for number in range(40)]),
    ],
    ids=["SOA", "services whose names share labels", "many hosts", "large"],
)
def test_what_the_records_are_always_read_for(rdtype: int, rdatas: list[bytes]) -> None:
    assert form(rdtype, *rdatas) == NOT_READY


def test_the_target_of_an_alias_is_named_if_it_is_in_the_zone() -> None:
    assert ready.read(form(CNAME, b"\1t" + ORIGIN)).hosts == [Host(b"\xc0\x2e", b"\1t")]
    assert ready.read(form(CNAME, b"\1t\7invalid\0")).hosts == []
