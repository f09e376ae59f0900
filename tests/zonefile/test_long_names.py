"""Names at the bound of 255 octets, wherever zone text, generic rdata or a command line has one."""

import dns.name
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xferzone.errors import UsageError, ZoneInvalid
from xferzone.zone import changes
from xferzone.zonefile import rdtypes, text
from xferzone.zonefile.rdata.names import wire_name

ORIGIN = dns.name.from_text("example.com.")
LONGEST = 255  # octets of a name in wire form; RFC 1035 3.1

SIGNATURE = "A 8 2 300 20300101000000 20240101000000 1 {} AAAA"
#: A line of zone text for every place of a name; {} is the name.
PLACES = [
    "{} 5 A 192.0.2.1",
    "{} IN 5 A 192.0.2.1",
    '{} 5 TXT ( "x" )',
    "{} 5 TYPE65280 \\# 0",
    "$ORIGIN {}.example.com.\n@ 5 A 192.0.2.1",
    "$ORIGIN {}.example.com.\nx.example.com. 5 NS @",
    *(
        f"x 5 {kind} {rdata}"
        for kinds, rdata in (
            ("NS CNAME DNAME PTR MD MF MB MG MR NSAP-PTR", "{}"),
            ("MX AFSDB RT KX LP", "10 {}"),
            ("MINFO RP TALINK", "{} x"),
            ("MINFO RP TALINK", "x {}"),
            ("PX", "1 {} x"),
            ("PX", "1 x {}"),
            ("SOA", "{} x 1 2 3 4 5"),
            ("SOA", "x {} 1 2 3 4 5"),
            ("SRV", "1 2 3 {}"),
            ("NAPTR", '1 2 "" "" "" {}'),
            ("SVCB HTTPS", "1 {} port=53"),
            ("NSEC", "{} A"),
            ("RRSIG SIG", SIGNATURE),
            ("IPSECKEY", "1 3 2 {} AAAA"),
            ("AMTRELAY", "1 0 3 {}"),
            ("HIP", "2 200100107B1A AwEAAbdx {}"),
            ("HIP", "2 200100107B1A AwEAAbdx x {} x"),
            ("DSYNC", "CDS NOTIFY 53 {}"),
        )
        for kind in kinds.split()
    ),
]


@st.composite
def labels(draw: st.DrawFn, size: int) -> list[bytes]:
    """Labels of a name in example.com that has `size` octets in wire form."""
    left = size - len(wire_name(ORIGIN.labels[:-1]))
    made = []
    while left:
        # Two octets at least are needed for another label.
        longest = min(64, left)
        part = draw(st.sampled_from([each for each in range(2, longest + 1) if left - each != 1]))
        made.append(draw(st.sampled_from([b"a", b"Z", b"_", b"\0"])) * (part - 1))
        left -= part
    return [*made, b"example", b"com"]


@settings(max_examples=200)
@given(
    st.integers(253, 257).flatmap(lambda size: st.tuples(st.just(size), labels(size))),
    st.sampled_from(PLACES),
    st.booleans(),
)
def test_a_name_has_255_octets_at_most_wherever_it_stands(
    name: tuple[int, list[bytes]], place: str, is_absolute: bool
) -> None:
    size, own = name
    relative = b".".join(label.replace(b"\0", b"\\000") for label in own[:-2]).decode()
    written = f"{relative}.example.com." if is_absolute and "$ORIGIN" not in place else relative
    content = place.format(written).encode() + b"\n"
    if size > LONGEST:
        with pytest.raises(ZoneInvalid, match=f"a name of {size} octets, 255 are allowed") as refused:
            text.read(content, ORIGIN)
        assert len(refused.value.faults) == 1
    else:
        (record,) = text.read(content, ORIGIN)
        assert text.read(text.write([record], ORIGIN), ORIGIN)[0][:4] == record[:4]


@pytest.mark.parametrize("size", range(253, 258))
def test_generic_rdata_has_no_longer_names_either(size: int) -> None:
    name = (b"\x3f" + b"a" * 63) * 3 + bytes([size - 194]) + b"b" * (size - 194) + b"\0"
    assert len(name) == size
    for kind in (rdtypes.NS, rdtypes.HTTPS, rdtypes.NSEC, rdtypes.HIP):
        before = {rdtypes.HTTPS: b"\0\1", rdtypes.HIP: b"\1\2\0\1\0\0"}.get(kind, b"")
        rdata = before + name
        line = b"x 5 TYPE%d \\# %d %b\n" % (kind, len(rdata), rdata.hex().encode())
        if size <= LONGEST:
            assert text.read(line, ORIGIN)[0].rdata == rdata
        else:
            with pytest.raises(ZoneInvalid, match="longer than 255 octets"):
                text.read(line, ORIGIN)


@settings(max_examples=60)
@given(st.integers(253, 257).flatmap(lambda size: st.tuples(st.just(size), labels(size))))
def test_a_command_line_has_no_longer_names(name: tuple[int, list[bytes]]) -> None:
    size, own = name
    written = b".".join(label.replace(b"\0", b"\\000") for label in own).decode()
    for words in (
        [written, "A", "192.0.2.1"],
        ["x.example.com", "CNAME", written],
        ["x.example.com", "MX", "1", f"{written}."],
        ["x.example.com", "HTTPS", "1", written],
    ):
        if size <= LONGEST:
            changes.parse_change("set", words)
        else:
            with pytest.raises((UsageError, ZoneInvalid), match=r"octets"):
                changes.parse_change("set", words)
