"""The canary's view of a zone: the branch's records, but for what is main's in every answer; who gets which."""

import random
from ipaddress import ip_address

import dns.name
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nameserver.made import Said, pieces, question, said, serve
from tests.nameserver.test_answer import random_records
from tests.nameserver.test_respond import damaged, rcode, sound
from tests.nameserver.test_wire import ONE_OPT, message, opt
from xferzone.config import Network
from xferzone.nameserver import canary as canary_module
from xferzone.nameserver.cache import Responder
from xferzone.nameserver.canary import CanaryView, Differences, is_signed
from xferzone.nameserver.direct import Direct
from xferzone.nameserver.edns import option
from xferzone.nameserver.respond import respond
from xferzone.nameserver.route import Cohorts, Resolvers, Route
from xferzone.nameserver.view import View
from xferzone.nameserver.zones import Zones
from xferzone.zone.index import Index, compile_index
from xferzone.zonefile import text
from xferzone.zonefile.record import Record

ORIGIN = dns.name.from_text("example.test.")
DIGEST = 32 * "aa"
MAIN = f"""
@ 3600 SOA ns host 7 3600 600 86400 300
@ 3600 NS ns
@ 3600 TXT "main"
@ 3600 CDS 1 8 2 {DIGEST}
ns 3600 A 192.0.2.1
www 300 A 192.0.2.80
old 300 A 192.0.2.81
sub 300 NS ns.sub
sub 300 NS ns
sub 300 DS 1 8 2 {DIGEST}
ns.sub 300 A 192.0.2.53
deep.down 300 NS ns.deep.down
ns.deep.down 300 A 192.0.2.54
mail 300 MX 5 ns.sub
"""
CANARY = """
@ 60 SOA other other 9 1 1 1 1
@ 60 NS other
@ 60 TXT "canary"
@ 60 CDNSKEY 257 3 8 AwEAAcw=
ns 3600 A 198.51.100.1
other 60 A 198.51.100.2
www 300 A 198.51.100.80
new 300 CNAME www
sub 300 NS other
ns.sub 300 A 198.51.100.53
mine 300 NS ns.mine
ns.mine 300 A 198.51.100.54
mail 300 MX 5 ns.sub
to 300 CNAME x.sub
"""
RESOLVER = ip_address("203.0.113.53").packed
#: With the salt "2026" at 20 %.
IN_CANARY, IN_MAIN = ip_address("198.18.0.7").packed, ip_address("198.18.1.7").packed


def read(lines: str) -> list[Record]:
    return text.read(lines.encode(), ORIGIN)


def routed(main: list[Record], canary: list[Record], percent: int = 20, parts: int = 1) -> View:
    """Main's view, with the way to the canary; where that says more of main than of the branch, as a process has it."""
    mains, others = (
        [Index(compile_index(piece, ORIGIN)) for piece in pieces(each, parts)] for each in (main, canary)
    )
    opened = [*mains, *others]
    numbered = [(part.first, number) for number, part in enumerate(opened)]
    origin = ORIGIN.to_wire()
    assert origin is not None
    (soa,) = [record for record in main if record.rdtype == 6]
    serial = int.from_bytes(soa.rdata[-20:-16])
    view = View(origin, serial, numbered[: len(mains)], opened.__getitem__)
    differences = Differences.of(mains, others)
    second = CanaryView(view, numbered[len(mains) :], opened.__getitem__, differences)
    cohorts = Cohorts("example.test", 100 * percent, b"2026")
    view.canary = second
    view.route = Route(cohorts, Resolvers((Network("203.0.113.53"),)))
    return view


def served(main: str = MAIN, canary: str = CANARY, percent: int = 100) -> Zones:
    zones = Zones()
    serve(zones, routed(read(main), read(canary), percent))
    zones.resolvers = Resolvers((Network("203.0.113.53"),))
    return zones


def ask(zones: Zones, name: str, rdtype: str, client: bytes = IN_CANARY) -> Said:
    at = f"{name}.example.test." if name != "@" else "example.test."
    return said(respond(question(at, rdtype), zones, client, tcp=True))


# -- what is whose


def test_the_canary_has_its_own_records_and_lacks_those_that_it_removed() -> None:
    zones = served()
    assert ask(zones, "www", "A").answer == {"www.example.test. 300 in a 198.51.100.80"}
    assert ask(zones, "@", "TXT").answer == {'example.test. 60 in txt "canary"'}
    assert ask(zones, "new", "A").answer == {
        "new.example.test. 300 in cname www.example.test.",
        "www.example.test. 300 in a 198.51.100.80",
    }
    assert ask(zones, "old", "A").rcode == "NXDOMAIN"


@pytest.mark.parametrize("rdtype", ["SOA", "NS", "CDS", "CDNSKEY", "DNSKEY", "ZONEMD", "NSEC3PARAM"])
def test_the_apex_has_mains_records_of_some_types(rdtype: str) -> None:
    canaried, plain = served(), served(percent=0)
    of_canary, of_main = ask(canaried, "@", rdtype), ask(plain, "@", rdtype)
    assert of_canary.answer == of_main.answer
    assert of_canary.authority == of_main.authority


def test_every_soa_is_mains_also_in_denials() -> None:
    zones = served()
    soa = {"example.test. 300 in soa ns.example.test. host.example.test. 7 3600 600 86400 300"}
    assert ask(zones, "nothing", "A").authority == soa
    assert ask(zones, "www", "MX").authority == soa
    assert any(" 7 3600 600 " in record for record in ask(zones, "@", "SOA").answer)


@pytest.mark.parametrize("rdtype", ["A", "NS", "DS", "TXT", "ANY"])
@pytest.mark.parametrize(
    "name", ["sub", "x.sub", "ns.sub", "deep.down", "x.deep.down", "mine", "x.mine", "ns.mine"]
)
def test_every_delegation_is_mains_with_its_glue(name: str, rdtype: str) -> None:
    assert ask(served(), name, rdtype) == ask(served(percent=0), name, rdtype)


def test_a_referral_behind_an_alias_of_the_canary_is_mains() -> None:
    answer = ask(served(), "to", "A")
    referral = ask(served(percent=0), "x.sub", "A")
    assert answer.answer == {"to.example.test. 300 in cname x.sub.example.test."}
    assert (answer.authority, answer.additional) == (referral.authority, referral.additional)


def test_glue_that_goes_with_the_canarys_answer_is_mains() -> None:
    answer = ask(served(), "mail", "MX")
    assert "ns.sub.example.test. 300 in a 192.0.2.53" in answer.additional
    assert not any("198.51.100.53" in record for record in answer.additional)


def test_glue_of_a_delegation_that_the_canary_alone_has_goes_with_nothing() -> None:
    zones = served(canary=CANARY + "post 300 MX 5 ns.mine\n")
    answer = ask(zones, "post", "MX")
    assert answer.answer == {"post.example.test. 300 in mx 5 ns.mine.example.test."}
    assert not answer.additional


@pytest.mark.parametrize("bound", [50_000, 3])
def test_a_name_above_mains_delegation_exists(bound: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canary_module, "COMPARED", bound)
    answer = ask(served(), "down", "A")
    assert (answer.rcode, answer.answer) == ("NOERROR", frozenset())
    assert ask(served(), "nothing", "A").rcode == "NXDOMAIN"


def test_a_wildcard_of_the_canary_does_not_hide_a_name_above_mains_delegation() -> None:
    zones = served(canary=CANARY + "* 300 A 198.51.100.9\n")
    assert ask(zones, "anything", "A").answer
    assert not ask(zones, "down", "A").answer
    assert ask(zones, "x.deep.down", "A") == ask(served(percent=0), "x.deep.down", "A")


@settings(max_examples=200)
@given(random_records(), random_records(), st.data())
def test_whatever_the_branches_hold_delegations_and_serials_are_mains(
    main: list[Record], canary: list[Record], data: st.DataObject
) -> None:
    zones, plain = Zones(), Zones()
    parts = data.draw(st.integers(1, 3))
    serve(zones, routed(main, canary, 100, parts))
    serve(plain, routed(main, canary, 0, parts))
    for _ in range(8):
        labels = data.draw(st.lists(st.sampled_from(["a", "b", "c", "*"]), max_size=4))
        asked = question(
            ".".join([*labels, "example.test."]), data.draw(st.sampled_from(["A", "NS", "DS", "SOA"]))
        )
        mains, others = (said(respond(asked, each, IN_CANARY, tcp=True)) for each in (plain, zones))
        if any(" ns " in record for record in mains.authority) and not mains.answer:
            assert others == mains
        soas = {
            r for s in (mains, others) for part in (s.answer, s.authority) for r in part if " in soa " in r
        }
        assert len({record.split(" in soa ")[1] for record in soas}) <= 1
        if others.rcode == "NXDOMAIN":  # then nothing below it may be delegated
            below = question(f"a.{'.'.join([*labels, 'example.test.'])}", "A")
            assert not any(
                " ns " in record for record in said(respond(below, plain, IN_CANARY, tcp=True)).authority
            )


def test_what_differs_is_told_by_name() -> None:
    main, canary = (Index(compile_index(read(each), ORIGIN)) for each in (MAIN, CANARY))
    differences = Differences.of([main], [canary])
    assert differences is not None
    assert differences.at_apex() == ["SOA", "NS", "CDS", "CDNSKEY"]
    view = routed(read(MAIN), read(CANARY))
    assert differences.at_delegations(view) == ["deep.down", "ns.deep.down", "mine", "sub", "ns.sub"]
    assert differences.in_types


def test_another_serial_and_other_data_are_no_difference_in_types() -> None:
    canary = MAIN.replace(" 7 3600", " 9 3600").replace("192.0.2.80", "192.0.2.99")
    differences = Differences.of(*([Index(compile_index(read(each), ORIGIN))] for each in (MAIN, canary)))
    assert differences is not None
    assert not differences.in_types
    assert not differences.at_apex()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("@ 300 NSEC www A", True),
        ("@ 300 NSEC3PARAM 1 0 0 -", True),
        ("www 300 NSEC ns A", False),
        ("@ 300 DNSKEY 257 3 8 AwEAAcw=", False),
    ],
)
def test_a_signed_zone_shows_at_its_apex(line: str, expected: bool) -> None:
    view = routed(read(MAIN), read(CANARY + line))
    assert view.canary is not None
    assert is_signed(view, view.canary) == expected


# -- who gets which, and what of a subnet is said


def asked(subnet: str, name: str = "www.example.test.", rdtype: str = "A") -> bytes:
    """A question with that option, in hex; none: without OPT record."""
    wire = question(name, rdtype, size=1232 if subnet else 0)
    if not subnet:
        return wire
    told = option(8, bytes.fromhex(subnet))
    return wire[:-2] + len(told).to_bytes(2) + told


#: What a client sends, and gets: the canary or main, and the option's value in hex.
PLACED = {
    "an address of the canary": (IN_CANARY, "", True, ""),
    "an address of main": (IN_MAIN, "", False, ""),
    "no address": (b"", "", False, ""),
    "a stranger's subnet": (IN_MAIN, "0001 18 00 c61200", False, ""),
    "a stranger's subnet of main": (IN_CANARY, "0001 18 00 c61201", True, ""),
    "a stranger's nonsense": (IN_CANARY, "0003 18 18 c6", True, ""),
    "a resolver without a subnet": (RESOLVER, "", False, ""),
    "a subnet of the canary": (RESOLVER, "0001 18 00 c61200", True, "0001 18 18 c61200"),
    "a subnet of main": (RESOLVER, "0001 18 00 c61201", False, "0001 18 18 c61201"),
    "a longer one": (RESOLVER, "0001 20 00 c6120007", True, "0001 20 18 c6120007"),
    "a shorter one": (RESOLVER, "0001 17 00 c61200", False, "0001 17 17 c61200"),
    "privacy": (RESOLVER, "0001 00 00", False, "0001 00 00"),
    "one of IPv6": (RESOLVER, "0002 38 00 20010db8000900", False, "0002 38 30 20010db8000900"),
    "a shorter one of IPv6": (RESOLVER, "0002 20 00 20010db8", False, "0002 20 20 20010db8"),
}


@pytest.mark.parametrize(("client", "subnet", "is_canary", "told"), PLACED.values(), ids=PLACED)
def test_who_gets_the_canary_and_what_is_said_of_the_subnet(
    client: bytes, subnet: str, is_canary: bool, told: str
) -> None:
    zones = served(percent=20)
    wire = asked(subnet)
    answer = respond(wire, zones, client, tcp=False)
    assert answer is not None
    address = "198.51.100.80" if is_canary else "192.0.2.80"
    assert answer[29 + 5 :].startswith(
        bytes.fromhex("c00c 0001 0001 0000012c 0004") + ip_address(address).packed
    )
    assert zones.routed == [not is_canary, is_canary]
    if told:
        assert answer.endswith(option(8, bytes.fromhex(told)))
    else:
        assert b"\0\x08\0\x07" not in answer


@pytest.mark.parametrize(("name", "rdtype"), [("nothing", "A"), ("www", "MX"), ("x.sub", "A"), ("@", "SOA")])
@pytest.mark.parametrize("subnet", ["c61200", "c61201"])
def test_every_answer_of_a_routed_zone_has_the_scope(name: str, rdtype: str, subnet: str) -> None:
    at = "example.test." if name == "@" else f"{name}.example.test."
    answer = respond(asked(f"0001 18 00 {subnet}", at, rdtype), served(percent=20), RESOLVER, tcp=False)
    assert answer is not None
    assert answer.endswith(bytes.fromhex(f"0008 0007 0001 18 18 {subnet}"))


def test_a_zone_without_a_canary_tells_a_listed_resolver_that_its_answer_is_for_all() -> None:
    zones = served()
    zones.remove(b"\7example\4test\0")
    plain = routed(read(MAIN), read(CANARY))
    plain.route = None
    serve(zones, plain)
    for client, told in ((RESOLVER, True), (IN_MAIN, False)):
        answer = respond(asked("0001 18 00 c61200"), zones, client, tcp=False)
        assert answer is not None
        assert answer.endswith(bytes.fromhex("0008 0007 0001 18 00 c61200")) == told


@pytest.mark.parametrize(
    "subnet", ["0001 18 18 c61200", "0001 14 00 c6121f", "0003 00 00", "0000 00 00", "0001 18 00 c612", "00"]
)
def test_a_listed_resolver_that_names_no_subnet_is_told_so(subnet: str) -> None:
    assert rcode(respond(asked(subnet), served(), RESOLVER, tcp=False)) == "FORMERR"
    assert rcode(respond(asked(subnet), served(), IN_MAIN, tcp=False)) == "NOERROR"


# -- with answers kept


CLIENTS = [IN_CANARY, IN_MAIN, RESOLVER, b"", ip_address("2001:db8:7::1").packed]


@settings(max_examples=200)
@given(
    st.lists(
        st.tuples(
            sound
            | damaged()
            | st.sampled_from([asked(each[1], "wWw.example.test.") for each in PLACED.values()]),
            st.sampled_from(CLIENTS),
        ),
        min_size=1,
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_the_fast_path_equals_the_slow_one(
    questions: list[tuple[bytes, bytes]], chance: random.Random
) -> None:
    zones = served(percent=20)
    responder = Responder(zones)
    again = questions * 3
    chance.shuffle(again)
    for wire, client in again:
        responder.client_of = lambda _slot, client=client: client  # type: ignore[misc]  # as a batch has it
        answer = responder.respond(wire)
        before = zones.routed[:]
        assert answer == respond(wire, zones, client, tcp=False)
        responder.free()
        assert sum(before) <= sum(zones.routed)


def test_each_cohort_has_its_answer_made_once_and_both_die_with_the_view() -> None:
    zones = served(percent=20)
    responder = Responder(zones)
    answers = set()
    for client in [IN_CANARY, IN_MAIN] * 3:
        responder.client_of = lambda _slot, client=client: client  # type: ignore[misc]  # as a batch has it
        answers.add(responder.respond(message()))
    assert len(answers) == 2
    assert responder.made == 2
    assert zones.routed == [3, 3]
    serve(zones, routed(read(MAIN), read(CANARY.replace("198.51.100.80", "198.51.100.99")), 20))
    responder.client_of = lambda _slot: IN_CANARY
    assert said(responder.respond(message())).answer == {"www.example.test. 300 in a 198.51.100.99"}


def test_an_answer_that_has_no_room_for_the_option_is_made_anew() -> None:
    lines = "".join(f'big 60 TXT "{number:077}"\n' for number in range(5))
    zones = served(MAIN + lines, MAIN + lines, 100)
    responder = Responder(zones)
    responder.client_of = lambda _slot: RESOLVER
    for subnet in ("0001 18 00 c61200", "0002 80 00 20010db8000000000000000000000001"):
        for _ in range(2):
            wire = asked(subnet, "big.example.test.", "TXT").replace(b"\x04\xd0", b"\x02\x00")
            answer = responder.respond(wire)
            assert answer == respond(wire, zones, RESOLVER, tcp=False)
            assert answer is not None
            assert len(answer) <= 512


def test_an_answer_to_a_message_that_is_itself_an_answer_is_never_given() -> None:
    zones = served(percent=20)
    responder = Responder(zones)
    responder.client_of = lambda _slot: IN_CANARY
    wire = message(more=opt(), counts=ONE_OPT)
    responder.respond(wire)
    assert responder.respond(wire[:2] + bytes((wire[2] | 0x80,)) + wire[3:]) is None


def test_main_answers_its_clients_by_the_direct_way() -> None:
    zones = served(percent=20)
    wire = message()
    expected = respond(wire, zones, IN_MAIN, tcp=False)
    direct = Direct(zones)
    assert direct.answer(wire) is None
    answered = direct.answer(wire, 0, lambda _view, _slot: True)
    assert answered is not None
    assert answered[0] == expected
    assert direct.answer(asked("0001 18 00 c61200"), 0, lambda _view, _slot: True) is None
