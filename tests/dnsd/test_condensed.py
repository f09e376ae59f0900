"""What an IXFR brings, applied to the version that its sender has, is the version that is served."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype
import dns.rrset
import dns.xfr
import dns.zone
import pytest

from tests.dnsd.test_following import World
from tests.dnsd.test_transfer import HERE, talk, terms, transferred
from xferzone.refs import BranchName
from xferzone.zone.changes import parse_change

ZONE = "example.com"
MAIN = BranchName(ZONE, "main")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.zones.close()


def asked(port: int, serial: int) -> list[dns.rrset.RRset]:
    """The records of the answer to an IXFR from that serial."""
    query = dns.message.make_query(ZONE, "IXFR", use_edns=False)
    query.authority.append(dns.rrset.from_text(f"{ZONE}.", 0, "IN", "SOA", f"a. b. {serial} 1 1 1 1"))
    answer = dns.query.tcp(query, "127.0.0.1", 20, port, one_rr_per_rrset=True)
    return list(answer.answer)


def form(records: Sequence[dns.rrset.RRset]) -> str:
    if len(records) == 1:
        return "soa"
    return "ixfr" if records[1].rdtype == dns.rdatatype.SOA else "axfr"


def follow(port: int, zone: dns.zone.Zone) -> None:
    """Bring the zone up to date by IXFR, as a secondary does."""
    query, _ = dns.xfr.make_query(zone)
    dns.query.inbound_xfr("127.0.0.1", zone, query, port=port, timeout=20)


def copied(zone: dns.zone.Zone) -> dns.zone.Zone:
    made = dns.zone.Zone(zone.origin)
    with made.writer(True) as txn:
        for name, rdataset in zone.iterate_rdatasets():
            txn.add(name, rdataset)
    return made


def text(zone: dns.zone.Zone) -> list[str]:
    return sorted(str(zone.to_text()).splitlines())


def hosts(number: int) -> list[str]:
    return [f"host{each} 300 A 192.0.2.{each % 250}" for each in range(number)]


def test_from_every_version_of_a_random_history_one_ixfr_leads_to_the_served_one(world: World) -> None:
    chance = random.Random(11)
    several = [
        f"host{each} 60 TXT {'x' * 250} {'y' * 250}" for each in range(600)
    ]  # so that it has several files
    world.put(ZONE, *hosts(600), *several, "mix 300 MX 5 a", "mix 300 MX 6 b", serial=4_294_967_290)
    versions: list[dns.zone.Zone] = []

    def asks(port: int) -> None:
        for step in range(14):
            versions.append(transferred(port))
            change_one(world, chance, step)
        served = transferred(port)
        for version in versions:
            assert version.get_soa().serial != served.get_soa().serial
            made = copied(version)
            follow(port, made)
            assert text(made) == text(served)
            assert form(asked(port, version.get_soa().serial)) == "ixfr"

    talk(world, terms(HERE), asks)


def change_one(world: World, chance: random.Random, step: int) -> None:
    host = f"host{100 + chance.randrange(500)}.{ZONE}"
    wanted = chance.choice(
        [
            f"set {host} 300 A 192.0.2.{step}",
            f"set {host} {step + 400} A 192.0.2.7",
            f"add {host} 60 TXT t{step}",
            f"add new{step}.{host} 60 MX 5 {host}.",
            f"delete host{step}.{ZONE}",
            f"set mix.{ZONE} {600 + step} MX 5 a.{ZONE}.",
            f"set {ZONE} 3600 SOA ns.invalid. h.invalid. 1 {3_601 + step} 600 86400 300",
        ]
    )
    change(world, wanted)


def change(world: World, words: str) -> None:
    verb, *rest = words.split()
    with world.editing(ZONE) as edit:
        edit.change([parse_change(verb, rest)], words)


def test_of_a_change_of_ttl_alone_the_set_goes_and_comes(world: World) -> None:
    world.put(ZONE, *hosts(10), "mix 300 MX 5 a", "mix 300 MX 6 b", serial=7)
    world.put(ZONE, *hosts(10), "mix 60 MX 5 a", "mix 60 MX 6 b", serial=7)

    def asks(port: int) -> None:
        records = [str(record).split(" ", 4) for record in asked(port, 7)]
        assert [(row[1], row[3], row[4].split()[2 if row[3] == "SOA" else 0]) for row in records] == [
            ("3600", "SOA", "8"),
            ("3600", "SOA", "7"),
            ("300", "MX", "5"),
            ("300", "MX", "6"),
            ("3600", "SOA", "8"),
            ("60", "MX", "5"),
            ("60", "MX", "6"),
            ("3600", "SOA", "8"),
        ]

    talk(world, terms(HERE), asks)


def test_which_form_an_answer_has(world: World) -> None:
    world.put(ZONE, *hosts(20), serial=7)
    change(world, f"set host1.{ZONE} 300 A 192.0.2.99")

    def asks(port: int) -> None:
        assert form(asked(port, 7)) == "ixfr"
        assert form(asked(port, 8)) == "soa"
        assert form(asked(port, 9)) == "soa"
        assert form(asked(port, (8 + 2**31 + 5) % 2**32)) == "axfr"  # before ours by RFC 1982, and not known
        assert form(asked(port, 6)) == "axfr"
        world.put(ZONE, *(row.replace("192.0.2", "198.51.100") for row in hosts(20)), serial=7)
        assert form(asked(port, 9)) == "soa"
        assert form(asked(port, 8)) == "axfr"  # all of the zone has changed

    talk(world, terms(HERE), asks)


def test_over_a_removal_and_a_reset_the_differences_are_those_of_the_versions(world: World) -> None:
    world.put(ZONE, *hosts(20), serial=7)

    def asks(port: int) -> None:
        first = transferred(port)
        before, _ = world.project.served(str(MAIN))
        change(world, f"set host1.{ZONE} 300 A 192.0.2.99")
        second = transferred(port)
        with world.editing(ZONE) as edit:
            edit.reset(before, "back")
        third = transferred(port)
        world.remove(ZONE)
        world.put(ZONE, *hosts(20), "host2 300 TXT again", serial=7)
        for version in (first, second, third):
            made = copied(version)
            assert form(asked(port, version.get_soa().serial)) == "ixfr"
            follow(port, made)
            assert text(made) == text(transferred(port))

    talk(world, terms(HERE), asks)


def test_a_version_written_by_hand_is_read_whole(world: World) -> None:
    apex = b"@ 3600 SOA ns.invalid. h.invalid. 7 3600 600 86400 300\n@ 3600 NS ns.invalid.\n"
    world.put("b.example", "www 60 A 192.0.2.1", serial=7)
    hand = b"$TTL 60\n" + apex + b"www A 192.0.2.1\n 300 A 192.0.2.2\nmail (\n A 192.0.2.3 )\n"
    project = world.project
    parent, _ = project.served("b.example/main")
    project.push(project.manifest(None, parent, files={"b.example.zone": hand}))
    later = hand.replace(b"192.0.2.3", b"192.0.2.4")
    parent, serial = project.served("b.example/main")
    assert serial == 8
    project.push(project.manifest(None, parent, files={"b.example.zone": later}))

    def asks(port: int) -> None:
        zone = transferred(port, zone="b.example.")
        assert zone.get_soa().serial == 9
        for serial in (7, 8):
            query = dns.message.make_query("b.example", "IXFR", use_edns=False)
            query.authority.append(
                dns.rrset.from_text("b.example.", 0, "IN", "SOA", f"a. b. {serial} 1 1 1 1")
            )
            rows = dns.query.tcp(query, "127.0.0.1", 20, port, one_rr_per_rrset=True).answer
            assert form(rows) == "ixfr"
            said = [
                " ".join(str(row).split()[1:5:3] + str(row).split()[0:1]) for row in rows if row.rdtype == 1
            ]
            assert "60 192.0.2.4 mail.b.example." in said
            assert ("60 192.0.2.3 mail.b.example." in said) == (serial == 8)

    talk(world, terms(HERE), asks)


#: Of each, as a file of one zone: what stands in it before, beside the apex, after, and what an IXFR says of A records.
BY_HAND = {
    "another RRset has two TTLs": (
        b"www 300 A 192.0.2.1\nwww 60 A 192.0.2.2\nx 300 A 192.0.2.3\n",
        b"www 300 A 192.0.2.1\nwww 60 A 192.0.2.2\nx 300 A 192.0.2.4\n",
        ["x 300 192.0.2.3", "x 300 192.0.2.4"],
    ),
    "the changed RRset has two TTLs": (
        b"www 300 A 192.0.2.1\nwww 60 A 192.0.2.2\n",
        b"www 300 A 192.0.2.1\nwww 60 A 192.0.2.2\nwww 60 A 192.0.2.3\n",
        ["www 60 192.0.2.3"],
    ),
    "it has them under two names that are one": (
        b"www 60 A 192.0.2.1\nwww.b.example. 300 A 192.0.2.2\n",
        b"www 60 A 192.0.2.1\nwww.b.example. 300 A 192.0.2.2\nWWW 60 A 192.0.2.3\n",
        ["www 60 192.0.2.3"],
    ),
    "it no longer has them": (
        b"www 60 A 192.0.2.1\nwww.b.example. 300 A 192.0.2.2\n",
        b"www 300 A 192.0.2.1\n",
        ["www 300 192.0.2.1", "www 60 192.0.2.1", "www 60 192.0.2.2"],
    ),
}


@pytest.mark.parametrize(("before", "after", "wanted"), BY_HAND.values(), ids=BY_HAND)
def test_what_is_sent_of_rrsets_with_two_ttls_is_what_was_served(
    world: World, before: bytes, after: bytes, wanted: list[str]
) -> None:
    world.put("b.example", "old 60 A 192.0.2.1", serial=7)
    project = world.project
    apex = b"@ 3600 SOA ns.invalid. h.invalid. 8 3600 600 86400 300\n@ 3600 NS ns.invalid.\n"
    apex += b"".join(b"h%d 300 MX 5 x\n" % number for number in range(30))
    for content in (before, after):
        parent, _ = project.served("b.example/main")
        project.push(project.manifest(None, parent, files={"b.example.zone": apex + content}))

    def asks(port: int) -> None:
        query = dns.message.make_query("b.example", "IXFR", use_edns=False)
        query.authority.append(dns.rrset.from_text("b.example.", 0, "IN", "SOA", "a. b. 8 1 1 1 1"))
        rows = dns.query.tcp(query, "127.0.0.1", 20, port, one_rr_per_rrset=True).answer
        assert form(rows) == "ixfr"
        said = [f"{str(row.name).split('.')[0]} {row.ttl} {row[0]}" for row in rows if row.rdtype == 1]
        assert sorted(said) == sorted(wanted)

    talk(world, terms(HERE), asks)


def test_a_record_that_two_files_had_goes_only_with_the_last(world: World) -> None:
    world.put("b.example", "www 300 A 192.0.2.1", "a 300 MX 5 www", "b 300 MX 5 www", serial=7)
    project = world.project
    parent, _ = project.served("b.example/main")
    with project.store.reader() as reader:
        (whole,) = (reader.content(file) for file in reader.files(parent).values())
    files = {
        "b.example.zone": whole,
        "b.example.zone.d/x.zone": b"www 300 A 192.0.2.1\nmail 300 A 192.0.2.2\n",
    }
    assert project.push(project.manifest(None, parent, files=files)) == []
    parent, _ = project.served("b.example/main")
    assert project.push(project.manifest(None, parent, files={"b.example.zone": whole})) == []

    def asks(port: int) -> None:
        query = dns.message.make_query("b.example", "IXFR", use_edns=False)
        query.authority.append(dns.rrset.from_text("b.example.", 0, "IN", "SOA", "a. b. 8 1 1 1 1"))
        rows = dns.query.tcp(query, "127.0.0.1", 20, port, one_rr_per_rrset=True).answer
        assert form(rows) == "ixfr"
        assert [str(row) for row in rows if row.rdtype == 1] == ["mail.b.example. 300 IN A 192.0.2.2"]

    talk(world, terms(HERE), asks)


@pytest.mark.parametrize("changed", ["none", "first", "other"])
def test_a_set_with_two_ttls_is_followed_as_it_is_served(world: World, changed: str) -> None:
    """All records have the lowest. Whether one of the set changes, comes into having two, or another owner changes."""
    apex = b"@ 3600 SOA ns.invalid. h.invalid. 7 3600 600 86400 300\n@ 3600 NS ns.invalid.\n"
    plain = apex + b"mail 300 A 192.0.2.3\nwww 300 A 192.0.2.1\nwww 300 A 192.0.2.2\n"
    mixed = plain.replace(b"www 300 A 192.0.2.1", b"www 60 A 192.0.2.1")
    later = {
        "none": plain,
        "first": mixed.replace(b"192.0.2.1", b"192.0.2.9"),
        "other": mixed.replace(b"192.0.2.3", b"192.0.2.4"),
    }
    world.put("b.example", "www 60 A 192.0.2.1", serial=7)
    versions: list[dns.zone.Zone] = []

    def asks(port: int) -> None:
        for hand in (plain, mixed, later[changed]):
            versions.append(transferred(port, zone="b.example."))
            parent, _ = world.project.served("b.example/main")
            world.project.push(world.project.manifest(None, parent, files={"b.example.zone": hand}))
        served = transferred(port, zone="b.example.")
        for version in versions:
            assert version.get_soa().serial != served.get_soa().serial
            follow(port, version)
            assert text(version) == text(served)

    talk(world, terms(HERE), asks)
