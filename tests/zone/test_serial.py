"""Law 3, and the pinned scanner: what it finds in zone text, in other text, and in damage."""

from pathlib import Path

import dns.name
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from xferzone.errors import ZoneInvalid
from xferzone.zone import serial
from xferzone.zonefile import text

ORIGIN = dns.name.from_text("example.com.")
DATA = Path(__file__).parents[1] / "data" / "records"

TOP = 0xFFFF_FFFF
HALF = 0x8000_0000

# previous, floor, following
LAW = [
    (None, None, None),
    (None, 5, 5),
    (None, 0, 0),
    (5, None, 5),
    (0, None, 0),
    (5, 6, 6),
    (5, 5, 6),
    (5, 4, 6),
    (5, 2026010101, 2026010101),
    (2026010101, 5, 2026010102),
    (1, HALF, HALF),
    (1, HALF + 1, 2),  # exactly half way round is no step forward
    (1, HALF + 2, 2),
    (TOP, 0, 0),
    (TOP, 1, 1),
    (TOP, TOP, 1),  # over the top, and never 0 by itself
    (TOP - 1, 5, 5),
    (TOP - 1, TOP - 1, TOP),
    (HALF, 0, HALF + 1),
    (HALF + 1, 0, 0),
    (0, 0, 1),
]


@pytest.mark.parametrize(("previous", "floor", "wanted"), LAW)
def test_law_3(previous: int | None, floor: int | None, wanted: int | None) -> None:
    assert serial.following(previous, floor) == wanted


serials = st.integers(0, TOP) | st.sampled_from([0, 1, HALF - 1, HALF, HALF + 1, TOP])


@given(serials, st.lists(st.none() | serials, max_size=50))
def test_serials_only_rise(first: int, floors: list[int | None]) -> None:
    now: int | None = first
    for floor in floors:
        before, now = now, serial.following(now, floor)
        assert before is not None
        assert now is not None
        if floor is None:
            assert now == before
        else:
            assert 0 < (now - before) % 2**32 < HALF


# zone text, what the scanner finds. These are pinned for ever: a replica that answers otherwise serves another serial.
FOUND = [
    ("", None),
    ("@ 3600 SOA a b 17 1 2 3 4\n", 17),
    ("@ 3600 SOA a b 17 1 2 3 4", 17),
    ("@ 3600 SOA a b 0 1 2 3 4\n", 0),
    ("@ 3600 SOA a b 4294967295 1 2 3 4\n", TOP),
    ("@ 3600 SOA a b 4294967296 1 2 3 4\n", None),
    ("@ 3600 SOA a b 00017 1 2 3 4\n", 17),
    ("@ 3600 SOA a b x 1 2 3 4\n", None),
    ("@ 3600 SOA a b\n", None),
    ("@ SOA\n", None),
    ("; x\n\n; y\n@ 3600 SOA a b 17 1 2 3 4 ; z\n", 17),
    ("@\t1h\tIN\tSOA\ta b 17 1 2 3 4\r\n", 17),
    ("@ IN 1h SOA a b 17 1 2 3 4\n", 17),
    ("@ in soa a b 17 1 2 3 4\n", 17),
    ("@ CLASS1 Soa a b 17 1 2 3 4\n", 17),
    ("@ CH SOA a b 17 1 2 3 4\n", None),
    ("  SOA a b 17 1 2 3 4\n", None),
    ("@ NS a\n  SOA a b 17 1 2 3 4\n", 17),
    ("example.com. SOA a b 17 1 2 3 4\n", 17),
    ("EXAMPLE.Com. SOA a b 17 1 2 3 4\n", 17),
    ("ex\\065mple.com. SOA a b 17 1 2 3 4\n", 17),
    ("e\\xample.com. SOA a b 17 1 2 3 4\n", 17),
    ("example\\.com. SOA a b 17 1 2 3 4\n", None),
    ("example.com SOA a b 17 1 2 3 4\n", None),
    ("www SOA a b 17 1 2 3 4\n", None),
    ("\\@ SOA a b 17 1 2 3 4\n", None),
    ('"@" SOA a b 17 1 2 3 4\n', None),
    ("$ORIGIN com.\nexample SOA a b 17 1 2 3 4\n", 17),
    ("$ORIGIN com.\n@ SOA a b 17 1 2 3 4\n", None),
    ("$ORIGIN .\nexample.com SOA a b 17 1 2 3 4\n", 17),
    ("$origin sub\n@ SOA a b 17 1 2 3 4\n", None),
    ("$ORIGIN a..b\n@ SOA a b 17 1 2 3 4\n", None),
    ("$ORIGIN\n@ SOA a b 17 1 2 3 4\n", 17),
    ("$TTL 5\n@ SOA a b 17 1 2 3 4\n", 17),
    ("$TTL 5 ; @ SOA a b 18 1 2 3 4\n@ 5 SOA a b 17 1 2 3 4\n", 17),
    ("$ttl 1h\n; head\n@ SOA a b 17 1 2 3 4\n$TTL 9\nx A 192.0.2.1\n", 17),
    ("$TTL ( 5\n) ; SOA\n@ SOA a b 17 1 2 3 4\n", 17),
    ("$TTL\n@ SOA a b 17 1 2 3 4\n", 17),
    ("$TTL 5 @ SOA a b 18 1 2 3 4\n@ SOA a b 17 1 2 3 4\n", 17),
    ("$TTL 5\n SOA a b 17 1 2 3 4\n", None),
    ("@ A 1.1.1.1\n$TTL 5\n SOA a b 17 1 2 3 4\n", 17),
    (" $TTL 5\n@ SOA a b 17 1 2 3 4\n", 17),
    ("\\036TTL SOA a b 17 1 2 3 4\n", None),
    ("www A 1.1.1.1\n SOA a b 17 1 2 3 4\n", None),
    ("@ A 1.1.1.1\n\n SOA a b 17 1 2 3 4\n", 17),
    ("@ A 1.1.1.1\n$ORIGIN x\n SOA a b 17 1 2 3 4\n", 17),
    ("$GENERATE 1-1 x A 1.1.1.1\n SOA a b 17 1 2 3 4\n", None),
    ("$GENERATE 1-1 @ A 1.1.1.1\n SOA a b 17 1 2 3 4\n", 17),
    ("@ SOA a b (\n17 ; 18\n1 2 3 4 )\n", 17),
    ("@ SOA (\na\nb 17 1 2 3\n4 )\n", 17),
    ("@ ( SOA ) ((a) b) 17 1 2 3 4\n", 17),
    ("( @ SOA a b 17 1 2 3 4 )\n", 17),
    ("@ SOA a b ( 17 1 2 3 4\n", 17),
    ("@ SOA a b ) 17 1 2 3 4\n", 17),
    ("@ SOA a\\ b c 17 1 2 3 4\n", 17),
    ("@ SOA a b ; 17\n", None),
    ("@ TYPE6 a b 17 1 2 3 4\n", 17),
    ("@ type00006 a b 17 1 2 3 4\n", 17),
    ("@ TYPE000006 a b 17 1 2 3 4\n", None),
    ("@ TYPE60 a b 17 1 2 3 4\n", None),
    ("@ SOA \\# 22 0000 00000011 00000001 00000002 00000003 00000004\n", 17),
    ("@ TYPE6 \\# 22 (0000 00000011 00000001\n00000002 00000003 00000004)\n", 17),
    ("@ SOA \\# 24 01610000 00000011 00000001 00000002 00000003 00000004\n", 17),
    ("@ SOA \\# 4 00000011\n", None),
    ("@ SOA \\# 22 0000 0000001x 00000001 00000002 00000003 00000004\n", None),
    ("@ SOA a b 17 1 2 3 4\n@ SOA a b 17 1 2 3 4\n", 17),
    ("@ SOA a b 17 1 2 3 4\n@ SOA c d 17 5 6 7 8\n", 17),
    ("@ SOA a b 17 1 2 3 4\n@ SOA a b 18 1 2 3 4\n", None),
    ("@ SOA a b 17 1 2 3 4\nx SOA a b 18 1 2 3 4\n", 17),
    ("@ SOA a b 17 1 2 3 4\n@ TXT SOA a b 18 1 2 3 4\n", 17),
    ('@ SOA a b 17 1 2 3 4\n@ TXT "\n@ SOA a b 18 1 2 3 4\n', None),
    ("@ SOA a b 17 1 2 3 4\n@ TXT (\n@ SOA a b 18 1 2 3 4 )\n", 17),
    ('@ SOA a b 17 1 2 3 4\n@ TXT ( "\n@ SOA a b 18 1 2 3 4\n" )\n', 17),
    ('@ SOA a b 17 1 2 3 4\n@ TXT "\\\n@ SOA a b 18 1 2 3 4\\\n"\n', 17),
    ('@ TXT ( "\n) @ SOA a b 18 1 2 3 4\n@ SOA a b 17 1 2 3 4\n', 17),
    ("; @ SOA a b 17 1 2 3 4\n", None),
    ('@ TXT "@ SOA a b 17 1 2 3 4"\n', None),
    ("@ NS soa\n", None),
    ("soa SOA a b 17 1 2 3 4\n", None),
    ("\xff\x00@ SOA a b 17 1 2 3 4\n@ SOA a b 18 1 2 3 4\n", 18),
    ("\ufeff@ SOA a b 17 1 2 3 4\n", None),
]


@pytest.mark.parametrize(("content", "wanted"), FOUND)
def test_what_the_pinned_scanner_finds(content: str, wanted: int | None) -> None:
    assert serial.scan(content.encode("utf-8"), ORIGIN) == wanted


def test_the_root_zone_has_an_apex_too() -> None:
    assert serial.scan(b"@ SOA a b 17 1 2 3 4\n", dns.name.root) == 17
    assert serial.scan(b". SOA a b 17 1 2 3 4\n", dns.name.root) == 17
    assert serial.scan(b"com. SOA a b 17 1 2 3 4\n", dns.name.root) is None


def test_several_serials_are_told_apart() -> None:
    content = b"@ SOA a b 17 1 2 3 4\n@ SOA a b 18 1 2 3 4\n@ SOA a b 17 1 2 3 4\n"
    assert serial.serials(content, ORIGIN) == {17, 18}


@pytest.mark.parametrize("name", ["dig.txt", "dig-multiline.txt", "kdig.txt", "transfer.zone"])
def test_transfers_have_one(name: str) -> None:
    assert serial.scan((DATA / name).read_bytes(), ORIGIN) == 5


PIECES = [
    "@",
    "example",
    "com.",
    "example.com.",
    "www",
    "SOA",
    "soa",
    "TYPE6",
    "a",
    "b",
    "17",
    "18",
    "1 2 3 4",
    "IN",
]
PIECES += [
    "3600",
    "$ORIGIN",
    "$TTL 5",
    "(",
    ")",
    ";",
    '"',
    "\\",
    "\n",
    "\n\n",
    " ",
    "\t",
    "\r\n",
    "\\#",
    "22",
    "00",
]
PIECES += [
    "@ 5 SOA a b 17 1 2 3 4\n",
    "\n@ 5 SOA a b ( 18\n1 2 3 4 )\n",
    "w 5 A 1.1.1.1\n",
    " 5 TXT soa\n",
    "\\065",
]

zone_texts = st.lists(st.sampled_from(PIECES), max_size=14).flatmap(
    lambda pieces: st.sampled_from(["", " "]).map(lambda glue: glue.join(pieces))
)


@given(zone_texts)
@settings(max_examples=1000)
@example("$ORIGIN com.\nexample 5 SOA a b 17 1 2 3 4")
def test_the_scanner_finds_the_soa_of_every_text_that_the_reader_takes(content: str) -> None:
    octets = content.encode()
    found = serial.serials(octets, ORIGIN)
    try:
        read = text.read(octets, ORIGIN)
    except ZoneInvalid:
        return
    soas = [record for record in read if record.owner == b"@" and record.rdtype == 6]
    assert found == {int.from_bytes(record.rdata[-20:-16], "big") for record in soas}
    assert serial.serials(text.write(read, ORIGIN), ORIGIN) == found


@given(st.binary(max_size=120) | st.binary(max_size=60).map(lambda octets: octets + b"@ SOA a b 17 1 2 3 4"))
@settings(max_examples=500)
def test_the_scanner_never_fails(content: bytes) -> None:
    found = serial.scan(content, ORIGIN)
    assert found is None or 0 <= found <= TOP


@given(zone_texts, st.integers(0, TOP))
@settings(max_examples=500)
@example("@ 60 IN SOA ns1 h ( ; one\n 17 ; serial\n 1 2 3 4 )\nsoa TXT a 17\n", 1017)
@example("$ORIGIN com.\nexample 5 SOA a b 17 1 2 3 4\nsoa 17 IN A 1.1.1.1", 1)
@example('soa TXT "SOA a 17"\n@ 17 IN 17 SOA "a" b 17 17 17 17 17', 0)
def test_another_serial_changes_no_other_octet(content: str, wanted: int) -> None:
    octets = content.encode()
    made = serial.with_serial(octets, ORIGIN, wanted)
    before = serial.scan(octets, ORIGIN)
    if made is None:
        assert before is None or b"\\#" in octets
        return
    assert serial.scan(made, ORIGIN) == wanted
    try:
        old, new = text.read(octets, ORIGIN), text.read(made, ORIGIN)
    except ZoneInvalid:
        return
    rest = [[each for each in read if each.rdtype != 6] for read in (old, new)]
    assert rest[0] == rest[1]
    assert serial.with_serial(made, ORIGIN, before or 0) is not None
