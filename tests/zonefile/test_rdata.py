"""Rdata of every type against records that BIND and dnspython judged, both ways, and against dnspython itself."""

import re
from pathlib import Path

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from xferzone.errors import ZoneInvalid
from xferzone.zonefile import fastpath, names, rdtypes, scanner, text
from xferzone.zonefile.rdata import layouts
from xferzone.zonefile.rdata.fields import Form
from xferzone.zonefile.rdata.names import NameReader, NameWriter, wire_name
from xferzone.zonefile.record import Record

RECORDS = Path(__file__).parents[1] / "data" / "records" / "records.tsv"
ORIGIN = dns.name.from_text("example.com.")
LABELS = (b"example", b"com")
NAMES = NameReader(LABELS)

# input, canonical text, wire form, judges: see tests/data/records/capture.py
ROWS = [row.encode("ascii").split(b"\t") for row in RECORDS.read_text("ascii").splitlines()]


def octets(record: Record) -> bytes:
    owner = wire_name((*names.owner_labels(record.owner), *LABELS))
    numbers = record.rdtype.to_bytes(2, "big") + b"\0\1" + record.ttl.to_bytes(4, "big")
    return owner + numbers + len(record.rdata).to_bytes(2, "big") + record.rdata


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[1].decode("ascii")[:40])
def test_a_record_means_what_the_judges_say_and_is_written_in_one_form(row: list[bytes]) -> None:
    line, canonical, wire, _judges = row
    for given_line in (line, canonical):
        (record,) = text.read(given_line + b"\n", ORIGIN)
        assert octets(record) == bytes.fromhex(wire.decode("ascii"))
        assert text.line(record, ORIGIN) == canonical
        assert layouts.canonical(record.rdtype, record.rdata) == record.rdata


def test_the_records_are_of_all_types() -> None:
    read = [record for row in ROWS for record in text.read(row[0] + b"\n", ORIGIN)]
    types = {record.rdtype for record in read}
    assert len(ROWS) >= 300
    assert types >= layouts.LAYOUTS.keys()
    assert types >= {number for number in rdtypes.MNEMONICS.values() if rdtypes.is_stored(number)}
    shown = {record.rdtype for record, row in zip(read, ROWS, strict=True) if rb"\#" not in row[1]}
    assert shown >= rdtypes.PRESENTED.keys()


def test_canonical_text_shows_45_types_for_ever() -> None:
    kept = """A NS CNAME SOA PTR HINFO MX TXT RP AFSDB KEY AAAA LOC SRV NAPTR KX CERT DNAME DS SSHFP IPSECKEY RRSIG
        NSEC DNSKEY DHCID NSEC3 NSEC3PARAM TLSA SMIMEA CDS CDNSKEY OPENPGPKEY CSYNC ZONEMD SVCB HTTPS SPF NID L32 L64
        LP EUI48 EUI64 URI CAA"""
    assert [name.decode() for _, name in sorted(rdtypes.PRESENTED.items())] == kept.split()
    assert len(rdtypes.PRESENTED) == 45


REFUSED = [
    ("A", "1.2.3", "1.2.3 is not an IPv4 address"),
    ("A", "1.2.3.256", "not an IPv4 address"),
    ("A", "1.2.3.04", "not an IPv4 address"),
    ("A", "1.2.3.4.5", "not an IPv4 address"),
    ("A", "::1", "not an IPv4 address"),
    ("A", '"1.2.3.4"', "must not stand in quotes"),
    ("A", "", "something is missing"),
    ("A", "1.2.3.4 5", "5 is too much"),
    ("A", r"\# 3 010203", "too short"),
    ("A", r"\# 5 0102030405", "too long"),
    ("A", r"\# 4 0102030", "even number of hex digits"),
    ("A", r"\# 4 01020g04", "even number of hex digits"),
    ("A", r"\# 4 010203", "3 octets, not 4"),
    ("A", r"\#", "something is missing"),
    ("A", r"\# x 01", "x is not a number"),
    ("A", r'\# 4 "01020304"', "must not stand in quotes"),
    ("AAAA", "1.2.3.4", "not an IPv6 address"),
    ("AAAA", "1::2::3", "not an IPv6 address"),
    ("AAAA", "fe80::1%eth0", "not an IPv6 address"),
    ("AAAA", "1:2:3:4:5:6:7", "not an IPv6 address"),
    ("AAAA", "1:2:3:4:5:6:7:8:9", "not an IPv6 address"),
    ("AAAA", "12345::", "not an IPv6 address"),
    ("AAAA", ":1::", "not an IPv6 address"),
    ("AAAA", "::1.2.3.4:5", "not an IPv6 address"),
    ("AAAA", "1::2:3:4:5:6:7:8", "not an IPv6 address"),
    ("NS", "a..b", "empty label"),
    ("NS", ".a", "empty label"),
    ("NS", "a" * 64, "64 octets, 63 are allowed"),
    ("NS", ".".join(["a" * 60] * 5) + ".", "306 octets, 255 are allowed"),
    ("NS", r"a\25", "backslash"),
    ("NS", r"a\256", "not an octet"),
    ("NS", r"\# 4 03777777", "too short"),
    ("NS", r"\# 3 01c00c", "too short"),
    ("NS", r"\# 2 c00c", "compressed"),
    ("NS", r"\# 2 0000", "too long"),
    ("MX", "mail", "mail is not a number from 0 to 65535"),
    ("MX", "65536 mail", "not a number from 0 to 65535"),
    ("MX", "-1 mail", "not a number"),
    ("MX", "+1 mail", "not a number"),
    ("MX", "1_0 mail", "not a number"),
    ("MX", "10", "something is missing"),
    ("MX", "10 a b", "too much"),
    ("SRV", "1 2 65536 a", "not a number"),
    ("SRV", "1 2 3", "something is missing"),
    ("TXT", "", "something is missing"),
    ("TXT", f'"{"x" * 256}"', "256 octets, 255 are allowed: divide it"),
    ("TXT", r"\# 0", "no character-string"),
    ("TXT", r"\# 2 0261", "too short"),
    ("TXT", r'"\256"', "not an octet"),
    ("TXT", r'"\25"', "backslash"),
    ("HINFO", 'a"b"', "a blank is missing"),
    ("HINFO", '"a""b"', "a blank is missing"),
    ("CAA", '0 issue"a"', "a blank is missing"),
    ("SOA", "a b 1 2 3 4", "something is missing"),
    ("SOA", "a b 4294967296 2 3 4 5", "not a number"),
    ("SOA", "a b 1 2 3 4 4294967296", "more than 2^32 - 1 seconds"),
    ("SOA", "a b 1 2x 3 4 5", "interval"),
    ("SOA", "a b 1h 2 3 4 5", "1h is not a number"),
    ("NAPTR", "1 1 a b c", "something is missing"),
    ("CAA", '256 issue "x"', "not a number"),
    ("CAA", '0 is-sue "x"', "letters and digits"),
    ("CAA", "0 issue", "something is missing"),
    ("CAA", "0 issue a b", "too much"),
    ("CAA", r"\# 2 0005", "too short"),
    ("DS", "1 8 2 00", "1 octets, not 32"),
    ("DS", "1 8 1 " + "00" * 21, "21 octets, not 20"),
    ("DS", "1 NONSENSE 2 00", "not a number"),
    ("DS", "1 8 2", "something is missing"),
    ("DS", r"\# 4 0001 08 02", "0 octets, not 32"),
    ("DNSKEY", "256 3 8 AwE", "not base64"),
    ("DNSKEY", "256 3 8 Aw=E", "not base64"),
    ("DNSKEY", "256 3 8 AwEAA*==", "not base64"),
    ("TLSA", "3 1 1 0g", "hex digits"),
    ("SSHFP", "1 1", "something is missing"),
    ("RRSIG", "A 8 2 300 20261301000000 20260101000000 1 . wP/u", "is not a moment"),
    ("RRSIG", "A 8 2 300 20260230000000 20260101000000 1 . wP/u", "is not a moment"),
    ("RRSIG", "A 8 2 300 21000229000000 20260101000000 1 . wP/u", "is not a moment"),
    ("RRSIG", "A 8 2 300 20260101000061 20260101000000 1 . wP/u", "is not a moment"),
    ("RRSIG", "A 8 2 300 4294967296 1 1 . wP/u", "is not a moment"),
    ("RRSIG", "FOO 8 2 300 1 1 1 . wP/u", "FOO is not a record type"),
    ("NSEC", "a FOO", "FOO is not a record type"),
    ("NSEC", "a TYPE65536", "not a record type"),
    *[
        ("NSEC", f"a A {word}", "a type that no record has")
        for word in ["TKEY", "TSIG", "IXFR", "AXFR", "MAILB", "MAILA", "any"]
    ],
    ("RRSIG", "ANY 8 2 300 1 1 1 . wP/u", "a type that no record has"),
    ("RRSIG", "A 8 2 5m 1 1 1 . wP/u", "5m is not a number"),
    ("DNSKEY", "256 3 8 AQAB=", "not base64"),
    ("DNSKEY", "256 3 8 AR==", "not base64"),
    ("OPENPGPKEY", "AAB=", "not base64"),
    ("IPSECKEY", "1 0 RSASHA256 . AAAA", "RSASHA256 is not a number"),
    ("NSEC3", "1 0 0 - 2t======", "without padding"),
    ("NSEC3", "1 0 0 - 2t7b4g4", "groups of 8 digits"),
    ("NXT", "a TYPE128", "over 127"),
    ("LOC", "1 n 0 E 0", "then N/S"),
    ("LOC", "1 N 0 E 0 +1m", "+1m is not"),
    ("NSEC", r"\# 3 00 0000", "window"),
    ("NSEC", r"\# 36 00 0021" + "01" * 33, "window"),
    ("NSEC", r"\# 4 00 000240", "too short"),
    ("NSEC3", "1 0 0 - 0w", "base32hex"),
    ("NSEC3", "1 0 0 a 00", "hex digits"),
    ("NSEC3PARAM", "1 0 0", "something is missing"),
    ("HTTPS", "1 . alpn", "alpn has a protocol id"),
    ("HTTPS", '1 . alpn=""', "alpn has a protocol id"),
    ("HTTPS", "1 . alpn=h2,,h3", "alpn has a protocol id"),
    ("HTTPS", r"1 . alpn=h2\\", "backslash in a list"),
    ("HTTPS", "1 . port", "is not a number"),
    ("HTTPS", "1 . port=65536", "is not a number"),
    ("HTTPS", "1 . port=1 port=2", "given twice"),
    ("HTTPS", "1 . port=1 key3=x", "given twice"),
    ("HTTPS", "1 . key3=x", "value of 1 octets"),
    ("HTTPS", "1 . ipv4hint=1.2.3", "IPv4"),
    ("HTTPS", "1 . ipv6hint=1.2.3.4", "IPv6"),
    ("HTTPS", "1 . ech=*", "base64"),
    ("HTTPS", "1 . no-default-alpn", "needs alpn"),
    ("HTTPS", "1 . no-default-alpn=x alpn=h2", "takes no value"),
    ("HTTPS", "1 . mandatory=alpn", "alpn is mandatory and missing"),
    ("HTTPS", "1 . mandatory=mandatory", "mandatory lists"),
    ("HTTPS", "1 . mandatory=alpn,alpn alpn=h2", "mandatory lists"),
    ("HTTPS", "1 . mandatory alpn=h2", "is not a SvcParamKey"),
    ("HTTPS", "1 . foo=bar", "foo is not a SvcParamKey"),
    ("HTTPS", "1 . ALPN=h2", "ALPN is not a SvcParamKey"),
    ("HTTPS", "1 . key01=h2", "key01 is not a SvcParamKey"),
    ("HTTPS", "1 . key65536=h2", "is not a SvcParamKey"),
    ("HTTPS", '1 . alpn= "h2"', "alpn has a protocol id"),
    ("HTTPS", '1 . "alpn=h2"', "must not stand in quotes"),
    ("HTTPS", r"\# 11 0001 00 0003 0002 0050 0001", "cut off"),
    ("HTTPS", r"\# 15 0001 00 0003 0002 0050 0001 0002 0168", "not in ascending order"),
    ("HTTPS", r"\# 8 0001 00 0003 0001 50", "value of 1 octets"),
    ("SVCB", "65536 .", "not a number"),
    ("WKS", "1.2.3.4 icmp 1", "icmp is not a number"),
    ("WKS", "1.2.3.4 tcp smtp", "smtp is not a number"),
    ("WKS", "1.2.3.4 tcp 65536", "not a number"),
    ("ISDN", "a b c", "3 character-strings, 2 are allowed"),
    ("LOC", "91 N 0 E 0", "not an angle from 0 to 90"),
    ("LOC", "90 0 0.001 N 0 E 0", "not an angle"),
    ("LOC", "1 60 N 0 E 0", "not an angle"),
    ("LOC", "1 X 0 E 0", "then N/S"),
    ("LOC", "1 N 0 E", "an altitude"),
    ("LOC", "1 N 0 E -100000.01m", "the altitude"),
    ("LOC", "1 N 0 E 42849672.96", "the altitude"),
    ("LOC", "1 N 0 E 0 90000000.01", "the size"),
    ("LOC", "1 N 0 E 0 1 1 1 1", "three sizes"),
    ("LOC", r"\# 3 010203", "too short"),
    ("APL", "1:1.2.3.4", "not an address prefix"),
    ("APL", "1:1.2.3.4/33", "prefix of 33 bits"),
    ("APL", "3:00/0", "not an address prefix"),
    ("HIP", "2 20 AwE", "not base64"),
    ("IPSECKEY", "10 1 2 . AA==", "IPv4"),
    ("IPSECKEY", "10 0 2 a AA==", "a dot means"),
    ("IPSECKEY", "10 4 2 . AA==", "gateway of kind 4"),
    ("AMTRELAY", "10 2 1 1.2.3.4", "0 or 1"),
    ("NSAP", "47", "0x"),
    ("EUI48", "00-00-5e-00-53", "6 octets in hex"),
    ("NID", "1 00144:4fff:ff20:ee64", "8 octets in hex"),
    ("ZONEMD", "1 1 1", "something is missing"),
    ("A6", "0 ::1", r"write it as \# length hex"),
    ("NULL", "x", r"write it as \# length hex"),
    ("TYPE65280", "x", r"write it as \# length hex"),
    ("TYPE65280", r"\# 1 0000", "2 octets, not 1"),
]


@pytest.mark.parametrize(("kind", "written", "reason"), REFUSED)
def test_what_no_rdata_is_refused_with_the_reason(kind: str, written: str, reason: str) -> None:
    line = f"x 300 {kind} {written}\n".encode()
    with pytest.raises(ZoneInvalid, match=re.escape(reason)) as caught:
        text.read(line, ORIGIN)
    (fault,) = caught.value.faults
    assert fault.line == 1
    assert fault.reason.startswith(f"{kind}: ")


def test_rdata_has_65535_octets_at_most() -> None:
    assert len(text.read(rb"x 1 TYPE65280 \# 65535 " + b"00" * 65535, ORIGIN)[0].rdata) == 65535
    for line in (rb"x 1 TYPE65280 \# 65536 " + b"00" * 65536, b"x 1 TXT" + b' "%b"' % (b"y" * 255) * 257):
        with pytest.raises(ZoneInvalid, match="65535"):
            text.read(line, ORIGIN)


# What two of BIND, Knot and NSD read, and we did not: its octets.
TAKEN = [
    ("CAA", '0 "issue" "a"', "000569737375 6561"),
    ("CDS", "1 8 2 aa", "0001 08 02 aa"),
    ("ZONEMD", "1 241 1 aabb", "00000001 f1 01 aabb"),
    ("ZONEMD", "1 1 1 aabb", "00000001 01 01 aabb"),
    ("EUI48", "0-0-5e-0-53-2a", "00005e00532a"),
    ("LOC", "1 N 1 E +1m", "00121613 8036ee80 8036ee80 009896e4"),
    ("NXT", "a A MX", "0161 076578616d706c65 03636f6d00 4001"),
    ("NXT", "a A NXT TYPE127", "0161 076578616d706c65 03636f6d00 40000002 000000000000000000000001"),
    ("URI", '1 2 ""', "0001 0002"),
]


@pytest.mark.parametrize(("kind", "written", "wire"), TAKEN)
def test_what_two_servers_read_is_read(kind: str, written: str, wire: str) -> None:
    (record,) = text.read(f"x 300 {kind} {written}\n".encode(), ORIGIN)
    assert record.rdata == bytes.fromhex(wire)
    assert text.read(text.write([record], ORIGIN), ORIGIN)[0].rdata == record.rdata


# Wire forms that are sound but have no text that gives them back, or none that every server reads.
GENERIC = [
    (rdtypes.TLSA, "030101"),
    (rdtypes.SMIMEA, "030101"),
    (rdtypes.SSHFP, "0101"),
    (rdtypes.CERT, "0001000000"),
    (rdtypes.KEY, "c0000300"),
    (rdtypes.OPENPGPKEY, ""),
    (rdtypes.URI, "000a0001"),
    (rdtypes.CAA, "00 03 612e62"),
    (rdtypes.LOC, "01" + "12" * 3 + "80000000" * 3),  # version 1
    (rdtypes.LOC, "00" + "a1" * 3 + "80000000" * 3),  # a digit over 9
    (rdtypes.LOC, "00" + "1a" * 3 + "80000000" * 3),  # a power over 9
    (rdtypes.LOC, "00" + "05" * 3 + "80000000" * 3),  # 0e5
    (rdtypes.LOC, "00" + "12" * 3 + "00000000" * 3),  # beyond the pole
    (rdtypes.NSEC, "00 0002 4000"),  # a padded bitmap
]


@pytest.mark.parametrize(("rdtype", "hexadecimal"), GENERIC)
def test_what_would_not_read_back_is_written_in_generic_form(rdtype: int, hexadecimal: str) -> None:
    wire = bytes.fromhex(hexadecimal)
    assert layouts.canonical(rdtype, wire) == wire
    line = text.line(Record(b"x", 5, rdtype, wire), ORIGIN)
    assert line.startswith(rb"x 5 TYPE%d \# %d" % (rdtype, len(wire)))
    assert text.read(line, ORIGIN)[0].rdata == wire


IN_THE_ZONE = "0161 07 6578616d706c65 03 636f6d 00"
ABSOLUTE = [
    (rdtypes.MX, f"000a {IN_THE_ZONE}", b"MX 10 a", "10 a.example.com."),
    (rdtypes.NS, "07 6578616d706c65 03 636f6d 00", b"NS @", "example.com."),
    (rdtypes.NS, "00", b"NS .", "."),
    (rdtypes.KX, f"000a {IN_THE_ZONE}", b"KX 10 a.example.com.", "10 a.example.com."),
    (rdtypes.HTTPS, f"0001 {IN_THE_ZONE}", b"HTTPS 1 a.example.com.", "1 a.example.com."),
    (
        rdtypes.HTTPS,
        "0001 0161 07 4578616d706c65 03 636f6d 00",
        b"HTTPS 1 a.Example.com.",
        "1 a.Example.com.",
    ),
    (rdtypes.NSEC, f"{IN_THE_ZONE} 000140", b"NSEC a.example.com. A", "a.example.com. A"),
    (rdtypes.LOC, "00" * 16, rb"TYPE29 \# 16 " + b"00" * 16, rf"\# 16 {'00' * 16}"),
]


@pytest.mark.parametrize(("rdtype", "hexadecimal", "canonical", "shown"), ABSOLUTE)
def test_names_are_relative_in_the_text_of_nine_types_and_absolute_in_all_else(
    rdtype: int, hexadecimal: str, canonical: bytes, shown: str
) -> None:
    wire = bytes.fromhex(hexadecimal)
    assert text.line(Record(b"x", 5, rdtype, wire), ORIGIN) == b"x 5 " + canonical
    assert text.shown_type_and_rdata(rdtype, wire) == (rdtypes.type_name(rdtype), shown)


FOR_PEOPLE = [
    (
        rdtypes.RRSIG,
        "00ff" + "00" * 16 + "00 01",
        "RRSIG TYPE255 0 0 0 19700101000000 19700101000000 0 . AQ==",
    ),
    (rdtypes.SIG, "0105" + "00" * 16 + "00 01", "SIG RESINFO 0 0 0 19700101000000 19700101000000 0 . AQ=="),
    (rdtypes.NSEC, "00 0006 000000000020", "NSEC . APL"),
    (rdtypes.NXT, "00", r"NXT \# 1 00"),
    (rdtypes.APL, "", r"APL \# 0"),
    (rdtypes.APL, "0001 08 02 0a00", r"APL \# 6 000108020a00"),  # a zero that text leaves out
    (rdtypes.WKS, "01020304 06 0000", r"WKS \# 7 01020304060000"),
    (rdtypes.HIP, "00 02 0000", r"HIP \# 4 00020000"),
]


@pytest.mark.parametrize(("rdtype", "hexadecimal", "shown"), FOR_PEOPLE)
def test_people_are_shown_a_presentation_that_reads_back(rdtype: int, hexadecimal: str, shown: str) -> None:
    record = Record(b"x", 5, rdtype, layouts.canonical(rdtype, bytes.fromhex(hexadecimal)))
    (line,) = text.shown_lines([record], ORIGIN)
    assert line == f"x 5 {shown}".encode()
    assert text.read(line + b"\n", ORIGIN)[0][:4] == record[:4]


def test_in_the_root_zone_every_name_is_relative() -> None:
    (record,) = text.read(b"com. 5 MX 1 a.net.\n", dns.name.root)
    assert text.line(record, dns.name.root) == b"com 5 MX 1 a.net"
    assert text.line(record._replace(rdata=b"\0\1\0"), dns.name.root) == b"com 5 MX 1 @"


# -- any rdata, and damaged text


def canonical_or_none(rdtype: int, wire: bytes) -> bytes | None:
    try:
        return layouts.canonical(rdtype, wire)
    except ValueError:
        return None


WIRES = [(record.rdtype, record.rdata) for row in ROWS for record in text.read(row[1] + b"\n", ORIGIN)]
types = st.sampled_from(sorted(layouts.LAYOUTS)) | st.integers(1, 65534).filter(rdtypes.is_stored)


@st.composite
def damaged_wires(draw: st.DrawFn) -> tuple[int, bytes]:
    rdtype, wire = draw(st.sampled_from(WIRES))
    changed = bytearray(wire)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(changed)))
        changed[at : at + draw(st.integers(0, 2))] = draw(st.binary(max_size=3))
    return rdtype, bytes(changed)


@given(damaged_wires() | st.tuples(types, st.binary(max_size=40)))
@settings(max_examples=500)
def test_any_rdata_that_is_taken_is_written_and_read_back(given_wire: tuple[int, bytes]) -> None:
    rdtype, octets_ = given_wire
    wire = canonical_or_none(rdtype, octets_)
    assume(wire is not None)
    assert wire is not None
    line = text.line(Record(b"x", 5, rdtype, wire), ORIGIN)
    assert line.isascii()
    (record,) = text.read(line + b"\n", ORIGIN)
    assert (record.rdtype, record.rdata) == (rdtype, wire)
    assert text.line(record, ORIGIN) == line
    if rdtype in layouts.LAYOUTS:
        assert (layouts.presented(rdtype, wire, Form(NameWriter(LABELS))) is None) == (rb" \# " in line)
    (shown,) = text.shown_lines([record], ORIGIN)
    (again,) = text.read(shown + b"\n", ORIGIN)
    assert again[:4] == record[:4]


_RDATA = re.compile(rb"r[0-9]+ (?:(?:[0-9]\S*|IN) ){1,2}(\S+) (.*)")
TEXTS = [match.groups() for row in ROWS for line in row[:2] if (match := _RDATA.fullmatch(line))]
_BITS = [
    b'"',
    b"\\",
    b"0",
    b"255",
    b" ",
    b".",
    b"@",
    b"(",
    b")",
    b";",
    b"a",
    b"A",
    b"-",
    b"=",
    b",",
    b"1",
    b"65536",
]
_BITS += [
    b"\\000",
    b'\\"',
    b"\\\\",
    b"\xc3\xa9",
    b":",
    b"::",
    b"/",
    b"\t",
    b"\\#",
    b"  ",
    b'""',
    b"$",
    b"!",
    b"\r",
]


@st.composite
def damaged_texts(draw: st.DrawFn) -> tuple[bytes, bytes]:
    kind, written = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(written)))
        more = draw(st.sampled_from(_BITS) | st.sampled_from(TEXTS).map(lambda pair: pair[1][:12]))
        written = written[:at] + more + written[at + draw(st.integers(0, 2)) :]
    return kind, written


def ours(rdtype: int, written: bytes) -> bytes | None:
    entry = scanner.entry(written, 0, 1)
    if entry.fault or entry.end < len(written):
        return None
    try:
        return layouts.parsed(rdtype, entry.tokens, NAMES)
    except ValueError:
        return None


@given(damaged_texts())
@settings(max_examples=1000)
@example((b"SRV", b"0 0 65536 x"))
@example((b"CNAME", b"a\\\tb"))
@example((b"TXT", b'"a" "; "b"'))
def test_the_fast_parser_equals_the_long_way_on_all_that_it_takes(given_text: tuple[bytes, bytes]) -> None:
    kind, written = given_text
    rdtype, parser = fastpath.parsers(NAMES).get(kind, (rdtypes.parse_type(kind), None))
    try:
        if written.startswith(b"\\"):
            wire = fastpath.generic(rdtype, written)
        elif parser:
            wire = parser(written)
        else:
            return
    except ValueError:
        return
    assert ours(rdtype, written) == wire


#: dnspython 2.7 makes two octets of one above 127 in these, and counts up to any port.
LOOSE = {
    *(b"CAA", b"HINFO", b"ISDN", b"NAPTR", b"URI", b"WKS", b"X25"),
    *(b"TYPE257", b"TYPE13", b"TYPE20", b"TYPE35", b"TYPE256", b"TYPE11", b"TYPE19"),
}


@given(damaged_texts())
@settings(max_examples=1000)
def test_we_equal_dnspython_on_all_that_both_take(given_text: tuple[bytes, bytes]) -> None:
    kind, written = given_text
    assume(written.isascii() and not (kind in LOOSE and (b"\\" in written or b"65536" in written)))
    assume(b"\r" not in written)  # part of a word to dnspython, the end of one to us
    rdtype = rdtypes.parse_type(kind)
    wire = ours(rdtype, written)
    assume(wire is not None)
    try:
        number = dns.rdatatype.RdataType.make(rdtype)
        theirs = dns.rdata.from_text(dns.rdataclass.IN, number, written.decode("ascii"), ORIGIN, False)
    except (dns.exception.DNSException, ValueError):
        return
    assert layouts.canonical(rdtype, theirs.to_wire(origin=ORIGIN) or b"") == wire
