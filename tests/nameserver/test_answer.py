"""What a view says, beyond what the peers' and Ferret's cases show: glue, additional records, bounds, serials."""

import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.nameserver.made import Said, question, said, view_of, view_of_records, zones_of
from xferzone.errors import XferzoneError
from xferzone.nameserver.answer import MAX_STEPS, answer
from xferzone.nameserver.respond import respond
from xferzone.nameserver.view import View
from xferzone.zone.index import Index, compile_index
from xferzone.zonefile.names import owner_text
from xferzone.zonefile.record import Record

DIGEST = "00112233445566778899aabbccddeeff00112233"
APEX = "@ 3600 SOA ns host 7 3600 600 86400 300\n@ 3600 NS ns\nns 3600 A 192.0.2.1\n"


def ask(zone: str, name: str, rdtype: str, *, serial: int | None = None) -> Said:
    zones = zones_of(view_of(APEX + zone, "example.test.", serial=serial))
    return said(
        respond(question(f"{name}.example.test." if name else "example.test.", rdtype), zones, tcp=False)
    )


def truncated(
    zone: str, name: str, rdtype: str, *, size: int = 0, tcp: bool = False
) -> tuple[bool, dns.message.Message]:
    zones = zones_of(view_of(APEX + zone, "example.test."))
    wire = respond(question(f"{name}.example.test.", rdtype, size=size), zones, tcp=tcp)
    assert wire is not None
    decoded = dns.message.from_wire(wire)
    return bool(decoded.flags & dns.flags.TC), decoded


# -- SOA


def test_every_soa_has_the_serial_served_whatever_the_text_says() -> None:
    assert "host.example.test. 99 3600" in next(iter(ask("", "", "SOA", serial=99).answer))
    assert "host.example.test. 99 3600" in next(iter(ask("", "nope", "A", serial=99).authority))
    assert "host.example.test. 99 3600" in next(iter(ask("", "", "A", serial=99).authority))


@pytest.mark.parametrize(
    ("ttl", "minimum", "negative"), [(3600, 300, 300), (60, 300, 60), (5, 5, 5), (0, 9, 0)]
)
def test_a_negative_answer_lives_as_long_as_the_soa_and_its_minimum_allow(
    ttl: int, minimum: int, negative: int
) -> None:
    zones = zones_of(view_of(f"@ {ttl} SOA ns host 7 3600 600 86400 {minimum}\n@ 9 NS ns\n", "example.test."))
    (soa,) = said(respond(question("nope.example.test.", "A"), zones, tcp=False)).authority
    assert soa.split()[1] == str(negative)
    (soa,) = said(respond(question("example.test.", "SOA"), zones, tcp=False)).answer
    assert soa.split()[1] == str(ttl)


# -- referrals

REFERRAL = """
sub 3600 NS ns.sub
sub 3600 NS deep.ns.sub
sub 3600 NS ns.other
sub 3600 NS ns
sub 3600 NS ns.invalid.
sub 3600 NS nowhere.sub
ns.sub 60 A 192.0.2.53
ns.sub 60 AAAA 2001:db8::53
ns.sub 60 TXT "no address"
deep.ns.sub 60 A 192.0.2.54
other 60 NS ns.other
ns.other 60 A 192.0.2.55
"""


def test_a_referral_brings_every_address_that_the_zone_has() -> None:
    answer = ask(REFERRAL, "www.sub", "A")
    assert not answer.authoritative
    assert len(answer.authority) == 6
    assert answer.additional == {
        "ns.sub.example.test. 60 in a 192.0.2.53",
        "ns.sub.example.test. 60 in aaaa 2001:db8::53",
        "deep.ns.sub.example.test. 60 in a 192.0.2.54",
        "ns.other.example.test. 60 in a 192.0.2.55",
        "ns.example.test. 3600 in a 192.0.2.1",
    }


def many(line: str, number: int) -> str:
    return "".join(line.format(place) + "\n" for place in range(number))


def test_a_referral_without_its_own_glue_is_truncated() -> None:
    zone = "sub 60 NS ns.sub\n" + many("ns.sub 60 AAAA 2001:db8::{:x}", 20)
    cut, decoded = truncated(zone, "www.sub", "A")
    assert cut
    assert (len(decoded.authority), len(decoded.additional)) == (1, 0)


def test_a_referral_may_lack_glue_of_others() -> None:
    zone = "sub 60 NS ns.sub\nsub 60 NS ns.big\nns.sub 60 A 192.0.2.1\n" + many(
        "ns.big 60 AAAA 2001:db8::{:x}", 20
    )
    cut, decoded = truncated(zone, "www.sub", "A")
    assert not cut
    assert [rrset.name.to_text() for rrset in decoded.additional] == ["ns.sub.example.test."]


def test_own_glue_comes_before_that_of_others() -> None:
    zone = (
        many("sub 60 NS a{:03}.other", 9)
        + "sub 60 NS z.sub\nz.sub 60 A 192.0.2.1\n"
        + many("a{0:03}.other 60 AAAA ::1", 9)
    )
    cut, decoded = truncated(zone, "www.sub", "A")
    assert not cut
    assert decoded.additional[0].name.to_text() == "z.sub.example.test."


def test_nothing_below_a_cut_or_a_dname_is_answered() -> None:
    zone = (
        "sub 9 NS ns\nsub 9 TXT x\na.sub 9 TXT x\n*.sub 9 TXT x\ndn 9 DNAME target.invalid.\na.dn 9 TXT x\n"
    )
    for name in ("sub", "a.sub", "b.sub"):
        assert ask(zone, name, "TXT").authority == {"sub.example.test. 9 in ns ns.example.test."}
    assert "a.dn.example.test. 9 in cname a.target.invalid." in ask(zone, "a.dn", "TXT").answer


def test_ds_belongs_to_the_upper_side_of_a_cut() -> None:
    zone = f"sub 9 NS ns\nsub 9 DS 1 8 1 {DIGEST}\nbare 9 NS ns\n"
    assert ask(zone, "sub", "DS").answer == {f"sub.example.test. 9 in ds 1 8 1 {DIGEST}"}
    nothing = ask(zone, "bare", "DS")
    assert (nothing.authoritative, nothing.answer, len(nothing.authority)) == (True, frozenset(), 1)
    assert not ask(zone, "x.sub", "DS").authoritative


# -- additional records


def test_hosts_of_mx_and_srv_come_with_their_addresses_once() -> None:
    zone = "@ 60 MX 1 ns\n@ 60 MX 2 ns\n@ 60 MX 3 ns.invalid.\n_x 60 SRV 1 1 1 ns\n_x 60 SRV 2 2 2 ns\n"
    assert ask(zone, "", "MX").additional == {"ns.example.test. 3600 in a 192.0.2.1"}
    assert ask(zone, "_x", "SRV").additional == {"ns.example.test. 3600 in a 192.0.2.1"}
    _cut, decoded = truncated(zone, "_x", "SRV")
    assert len(decoded.additional) == 1


ALIASES = """
@ 60 HTTPS 0 svc
svc 60 HTTPS 1 web alpn=h2
svc 60 HTTPS 2 . port=8443
svc 60 A 192.0.2.7
svc 60 SVCB 1 ns
web 60 AAAA 2001:db8::7
_a 60 SVCB 0 svc
far 60 HTTPS 0 a1
a1 60 HTTPS 0 a2
a2 60 HTTPS 0 web
round 60 HTTPS 0 round
one 60 HTTPS 0 two
two 60 HTTPS 0 one
wild 60 HTTPS 0 x.star
*.star 60 HTTPS 1 .
*.star 60 A 192.0.2.9
none 60 HTTPS 0 .
out 60 HTTPS 0 svc.invalid.
cut 60 NS ns.cut
ns.cut 60 A 192.0.2.8
ns.cut 60 HTTPS 1 .
tocut 60 HTTPS 0 ns.cut
alias 60 CNAME svc
tocname 60 HTTPS 0 alias
"""
SVC = [
    'svc.example.test. 60 in https 1 web.example.test. alpn="h2"',
    'svc.example.test. 60 in https 2 . port="8443"',
]
ALIAS = "example.test. 60 in https 0"
NS_A = "ns.example.test. 3600 in a 192.0.2.1"
SVC_A, WEB = "svc.example.test. 60 in a 192.0.2.7", "web.example.test. 60 in aaaa 2001:db8::7"


@pytest.mark.parametrize(
    ("name", "rdtype", "additional"),
    [
        ("", "HTTPS", [*SVC, SVC_A, WEB]),
        ("svc", "HTTPS", [SVC_A, WEB]),
        ("_a", "SVCB", ["svc.example.test. 60 in svcb 1 ns.example.test.", SVC_A, NS_A]),
        ("far", "HTTPS", [f"a1.{ALIAS} a2.example.test.", f"a2.{ALIAS} web.example.test.", WEB]),
        ("round", "HTTPS", []),
        ("one", "HTTPS", [f"two.{ALIAS} one.example.test."]),
        ("wild", "HTTPS", ["x.star.example.test. 60 in https 1 .", "x.star.example.test. 60 in a 192.0.2.9"]),
        ("none", "HTTPS", []),
        ("out", "HTTPS", []),
        ("tocut", "HTTPS", ["ns.cut.example.test. 60 in a 192.0.2.8"]),
        ("tocname", "HTTPS", []),
    ],
)  # fmt: skip
def test_an_alias_of_a_service_comes_with_what_it_leads_to(
    name: str, rdtype: str, additional: list[str]
) -> None:
    answer = ask(ALIASES, name, rdtype)
    assert answer.additional == set(additional)
    assert len(answer.answer) == (2 if name == "svc" else 1)


def test_aliases_of_services_are_followed_for_sixteen_steps() -> None:
    chain = "".join(f"a{number} 60 SVCB 0 a{number + 1}\n" for number in range(40))
    assert len(ask(chain, "a0", "SVCB").additional) == 15


def test_additional_addresses_that_do_not_fit_are_left_out() -> None:
    zone = "mail 60 MX 1 big\n" + many("big 60 AAAA 2001:db8::{:x}", 20)
    cut, decoded = truncated(zone, "mail", "MX")
    assert (cut, len(decoded.answer), len(decoded.additional)) == (False, 1, 0)


# -- truncation


def test_a_large_rrset_is_truncated_by_udp_and_whole_by_tcp() -> None:
    zone = many('big 60 TXT "{:0100}"', 12)
    for size in (0, 512, 1231, 1232, 4096):
        cut, decoded = truncated(zone, "big", "TXT", size=size)
        assert (cut, decoded.answer) == (True, [])
    cut, decoded = truncated(zone, "big", "TXT", tcp=True)
    assert (cut, len(decoded.answer[0])) == (False, 12)


@pytest.mark.parametrize(
    ("size", "cut"), [(0, True), (512, True), (900, True), (1000, False), (1232, False), (4096, False)]
)
def test_who_offers_more_room_gets_more(size: int, cut: bool) -> None:
    zone = many('big 60 TXT "{:0100}"', 8)  # 940 bytes in all
    assert truncated(zone, "big", "TXT", size=size)[0] == cut


def test_what_tcp_cannot_carry_is_truncated_there_too() -> None:
    cut, decoded = truncated(many('big 60 TXT "{:0200}"', 400), "big", "TXT", tcp=True)
    assert (cut, decoded.answer) == (True, [])


# -- chains


def test_a_chain_is_followed_for_a_bounded_number_of_steps() -> None:
    zone = "".join(f"c{place} 60 CNAME c{place + 1}\n" for place in range(30))
    answer = ask(zone, "c0", "A")
    assert (answer.rcode, len(answer.answer)) == ("NOERROR", MAX_STEPS)


def test_two_dnames_that_feed_each_other_end() -> None:
    zone = "a 60 DNAME x.b\nb 60 DNAME a\n"
    answer = ask(zone, "q.a", "A")
    assert answer.rcode in ("NOERROR", "YXDOMAIN")
    assert 2 < len(answer.answer) <= MAX_STEPS + 2


def test_a_name_of_exactly_255_octets_can_be_made_by_a_dname() -> None:
    target = ".".join(["t" * 63] * 3)  # 192 octets, with "example.test." 206
    for size, rcode in ((48, "NXDOMAIN"), (49, "YXDOMAIN")):
        assert ask(f"dn 60 DNAME {target}\n", "q" * size + ".dn", "A").rcode == rcode


def test_an_answer_knows_whether_its_name_is_the_zones_own() -> None:
    view = view_of(
        APEX + "*.w 9 A 192.0.2.1\nsub 9 NS ns\ndn 9 DNAME x\na.ent 9 CNAME nope\n", "example.test."
    )
    own = {
        name: answer(dns.name.from_text(f"{name}.example.test.").to_wire() or b"", 1, view).own
        for name in ("ns", "ent", "a.ent", "w", "*.w", "q.w", "q", "x.sub", "x.dn", "dn")
    }
    assert [name for name, is_own in own.items() if is_own] == ["ns", "ent", "a.ent", "w", "*.w", "dn"]


# -- parts

labels = st.sampled_from(["a", "b", "c", "*"])
inside = st.lists(labels, max_size=3).map(".".join)
targets = inside.map(lambda name: f"{name}.example.test." if name else "example.test.") | st.just(
    "out.invalid."
)
kinds = st.sampled_from(["A 192.0.2.1", "TXT x", "NS", "CNAME", "DNAME", "MX 1", f"DS 1 8 1 {DIGEST}"])


@st.composite
def random_records(draw: st.DrawFn) -> list[Record]:
    """Records of a zone that may break every rule but that of having a SOA."""
    origin = dns.name.from_text("example.test.")
    made = [_record("", "SOA", "ns host 7 3600 600 86400 300", origin)]
    for owner, kind in draw(st.lists(st.tuples(inside, kinds), max_size=12)):
        rdtype, _, rdata = kind.partition(" ")
        if rdtype in ("NS", "CNAME", "DNAME", "MX"):
            rdata = f"{rdata} {draw(targets)}"
        made.append(_record(owner, rdtype, rdata, origin))
    return made


def _record(owner: str, rdtype: str, rdata: str, origin: dns.name.Name) -> Record:
    kind = dns.rdatatype.from_text(rdtype)
    wire = dns.rdata.from_text(dns.rdataclass.IN, kind, rdata, origin, relativize=False).to_wire()
    assert wire is not None
    return Record(owner_text([label.encode() for label in owner.split(".") if label]), 60, kind, wire)


@settings(max_examples=300)
@given(random_records(), inside, st.sampled_from(["A", "NS", "CNAME", "DS", "TXT", "ANY"]), st.integers(2, 8))
def test_how_a_zone_is_cut_does_not_show(records: list[Record], name: str, rdtype: str, parts: int) -> None:
    origin = dns.name.from_text("example.test.")
    asked = question(f"{name}.example.test." if name else "example.test.", rdtype)
    whole, cut = (zones_of(view_of_records(records, origin, parts=each)) for each in (1, parts))
    assert respond(asked, whole, tcp=False) == respond(asked, cut, tcp=False)


def test_parts_that_make_no_zone_are_refused() -> None:
    origin = dns.name.from_text("example.test.")
    apex = Index(compile_index([Record(b"@", 9, 2, b"\1a\0")], origin))
    other = Index(compile_index([Record(b"a", 9, 1, b"abcd")], origin))
    for parts in ([], [(b"a\0", other)], [(b"", apex)], [(b"", apex), (b"", apex)]):
        opened = [part for _first, part in parts]
        with pytest.raises(XferzoneError, match="rebuild"):
            View(
                b"\7example\4test\0",
                1,
                [(first, at) for at, (first, _) in enumerate(parts)],
                opened.__getitem__,
            )


def test_a_part_of_another_zone_is_refused() -> None:
    stranger = Index(compile_index([Record(b"@", 9, 6, bytes(22))], dns.name.from_text("other.test.")))
    with pytest.raises(XferzoneError, match="another zone"):
        View(b"\7example\4test\0", 1, [(b"", 0)], [stranger].__getitem__)
