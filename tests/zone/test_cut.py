"""The cut rule: its bounds, its locality, and that an edit leads to the files that cutting the whole anew gives."""

import random
from collections.abc import Mapping, Sequence
from hashlib import sha256
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xferzone.errors import ZoneInvalid
from xferzone.zone import cut
from xferzone.zone.cut import Limits, Piece
from xferzone.zonefile import names, text
from xferzone.zonefile.record import Record
from xferzone.zonefile.whole import DefaultTTL

ZONE = "example.com"
ORIGIN = names.zone_name(ZONE)
DEFAULT = DefaultTTL(60, b"; a minute")
SMALL = Limits(least=120, most=480)
TXT = 16

Zone = dict[bytes, list[Record]]


def records_of(owner: bytes, *sizes: int) -> list[Record]:
    """TXT records of `owner` with texts of these sizes, each unlike the others."""
    made = []
    for index, size in enumerate(sizes):
        octets = (b"%d." % index + b"x" * size)[:size]
        rdata = b"".join(
            bytes((len(octets[at : at + 255]),)) + octets[at : at + 255] for at in range(0, size, 255)
        )
        made.append(Record(owner, 60, TXT, rdata or b"\0"))
    return made


def zone_of(sizes: Mapping[bytes, Sequence[int]]) -> Zone:
    return {owner: records_of(owner, *each) for owner, each in sizes.items()}


def blocks_of(zone: Zone) -> list[cut.Block]:
    return text.blocks([record for records in zone.values() for record in records], ORIGIN, DEFAULT)


def pieces_of(made: Sequence[tuple[str, bytes]], loaded: list[str], *, with_keys: bool) -> list[Piece]:
    """The files as pieces that note in `loaded` whose content was asked for."""

    def piece(name: str, content: bytes) -> Piece:
        def load() -> bytes:
            loaded.append(name)
            return content

        first = names.owner_key(cut.split(content)[0][0]) if with_keys and content else None
        return Piece(name, len(content), load, first)

    return [piece(name, content) for name, content in made]


def rule(blocks: list[cut.Block], limits: Limits) -> list[int]:
    """Where files begin: the rule word by word, slowly (docs/architecture.md, Data model)."""
    rank = [sha256(owner).digest()[:16] for owner, _ in blocks]
    offset = [0, *accumulate(len(written) for _, written in blocks)]
    begins = [0]
    while True:
        s = begins[-1]
        if offset[-1] - offset[s] < limits.most:
            return begins
        later = range(s + 1, len(blocks))
        fits = [i for i in later if limits.least <= offset[i] - offset[s] < limits.most]
        over = [i for i in later if offset[i] - offset[s] >= limits.most]
        if not fits and not over:
            return begins
        begins.append(min(fits, key=lambda i: (rank[i], i)) if fits else over[0])


labels = st.text("abcdefghijklmnop", min_size=1, max_size=3).map(str.encode)
owners = st.lists(labels, min_size=1, max_size=2).map(b".".join)
sizes = st.lists(st.sampled_from([0, 5, 20, 60, 100, 255, 300, 500]), min_size=1, max_size=3)
zones = st.dictionaries(st.just(b"@") | owners, sizes, min_size=1, max_size=60)
edits = st.dictionaries(st.just(b"@") | owners, st.none() | sizes, min_size=1, max_size=4)


@given(zones)
def test_files_are_cut_where_the_rule_says(zone: Mapping[bytes, Sequence[int]]) -> None:
    blocks = blocks_of(zone_of(zone))
    begins = rule(blocks, SMALL)
    made = cut.cut_blocks(ZONE, blocks, SMALL)
    parts = [blocks[start:end] for start, end in zip(begins, [*begins[1:], None], strict=True)]
    assert [content for _, content in made] == [b"".join(written for _, written in part) for part in parts]
    heads = [f"{ZONE}.zone.d/{sha256(part[0][0]).hexdigest()[:32]}.zone" for part in parts[1:]]
    assert [name for name, _ in made] == [f"{ZONE}.zone", *heads]
    assert [block for _, content in made for block in cut.split(content)] == blocks


@given(zones, st.lists(edits, min_size=1, max_size=3), st.booleans())
@settings(max_examples=300)
def test_an_edit_gives_what_cutting_the_whole_anew_gives(
    zone: Mapping[bytes, Sequence[int]], series: list[Mapping[bytes, Sequence[int] | None]], with_keys: bool
) -> None:
    records = zone_of(zone)
    made = cut.cut_blocks(ZONE, blocks_of(records), SMALL)
    for edit in series:
        edited = {owner: records_of(owner, *(each or ())) for owner, each in edit.items()}
        before = dict(made)
        loaded: list[str] = []
        gone, come = cut.recut(ZONE, pieces_of(made, loaded, with_keys=with_keys), edited, DEFAULT, SMALL)
        records |= edited
        made = cut.cut_blocks(ZONE, blocks_of(records), SMALL)
        after = {name: content for name, content in before.items() if name not in gone} | dict(come)
        assert after == dict(made)
        assert not set(gone) - before.keys()
        assert all(before.get(name) != content for name, content in come)
        assert len(loaded) == len(set(loaded))


def test_a_zone_without_records_is_one_empty_file() -> None:
    assert cut.cut(ZONE, [], DEFAULT) == [("example.com.zone", b"")]
    gone, come = cut.recut(
        ZONE, [Piece("example.com.zone", 0, lambda: b"")], {b"a": records_of(b"a", 3)}, DEFAULT
    )
    assert (gone, come) == ([], [("example.com.zone", b'a 60 TXT "0.x"\n')])
    assert cut.recut(ZONE, [], {b"a": records_of(b"a", 3)}, DEFAULT) == ([], come)
    gone, come = cut.recut(ZONE, pieces_of(come, [], with_keys=True), {b"a": []}, DEFAULT)
    assert (gone, come) == ([], [("example.com.zone", b"")])


def test_a_file_is_named_by_its_first_owner_as_written() -> None:
    owner = names.owner_text((b"a+b", b"x.y"))
    assert owner == rb"a\043b.x\046y"
    # printf '%s' 'a\043b.x\046y' | sha256sum
    assert cut.name_of(ZONE, owner) == "example.com.zone.d/a2bb0e33e2371a1470fd088c5e524559.zone"


def test_an_edit_that_changes_nothing_changes_no_file() -> None:
    zone = zone_of({b"@": [5], **{b"h%03d" % i: [90] for i in range(50)}})
    made = cut.cut_blocks(ZONE, blocks_of(zone), SMALL)
    assert len(made) > 5
    edit = {b"h025": zone[b"h025"], b"nothing": []}
    assert cut.recut(ZONE, pieces_of(made, [], with_keys=True), edit, DEFAULT, SMALL) == ([], [])


def owner_of_size(index: int, size: int) -> tuple[bytes, list[Record]]:
    """An owner whose text, a comment line and a record, has `size` bytes."""
    record = Record(b"o%05d" % index, 60, 1, b"\x0a\0\0\1")
    rest = size - len(text.line(record, ORIGIN)) - len(b"\n;\n")
    return record.owner, [record._replace(above=(b";" + b"c" * rest,))]


@pytest.mark.parametrize(
    ("sizes", "counts"),
    [
        ([131_071], [1]),
        ([131_072], [1]),
        ([65_535, 65_536], [2]),  # 131,071 bytes: one file
        ([65_536, 65_536], [1, 1]),  # 131,072 bytes: the second owner begins at 65,536, which qualifies
        ([32_767, 98_305], [2]),  # 32,767 is too few for a cut, and no owner begins at 131,072
        ([32_768, 98_304], [1, 1]),
        ([32_767, 98_305, 300], [2, 1]),  # none qualifies: the first at >= 131,072
        ([32_767, 98_304, 300], [2, 1]),  # 131,071 qualifies
        ([400_000, 300], [1, 1]),
    ],
)
def test_the_bounds_to_the_byte(sizes: list[int], counts: list[int]) -> None:
    zone = dict(owner_of_size(index, size) for index, size in enumerate(sizes))
    assert [len(written) for _, written in blocks_of(zone)] == sizes
    made = cut.cut(ZONE, [record for records in zone.values() for record in records], DEFAULT)
    assert [len(cut.split(content)) for _, content in made] == counts


def test_comment_lines_count_and_stay_with_their_owner() -> None:
    comment = b"; " + b"c" * 2_000
    records = [Record(b"h%03d" % i, 60, 1, b"\x0a\0\0\1", (comment,), b"; behind") for i in range(200)]
    made = cut.cut(ZONE, records, DEFAULT)
    assert len(made) > 2
    assert all(content.startswith(comment) and content.endswith(b"; behind\n") for _, content in made)
    assert [owner for _, content in made for owner, _ in cut.split(content)] == [
        record.owner for record in records
    ]


def test_every_file_but_the_last_is_in_bounds() -> None:
    chance = random.Random(7)
    zone = zone_of({b"@": [9]} | {b"h%d" % i: [chance.randrange(250)] for i in range(12_000)})
    made = cut.cut(ZONE, [record for records in zone.values() for record in records], DEFAULT)
    assert len(made) > 10
    assert all(32_768 <= len(content) < 131_072 for _, content in made[:-1])


def test_an_owner_has_a_bound() -> None:
    records = [Record(b"big", 60, TXT, b"\xff%b" % (b"%08d" % i).ljust(255, b"x")) for i in range(3_700)]
    assert cut.cut(ZONE, records, DEFAULT)
    with pytest.raises(ZoneInvalid, match=r"big has \d+ bytes of text, 1000000 are allowed"):
        cut.cut(
            ZONE,
            records + [Record(b"big", 60, 1, bytes((10, 0, i // 256, i % 256))) for i in range(5_000)],
            DEFAULT,
        )
    with pytest.raises(ZoneInvalid, match="are allowed"):
        cut.recut(ZONE, [], {b"big": [record._replace(ttl=1_000_000_000) for record in records * 1]}, DEFAULT)


def test_one_edited_record_makes_one_new_file_nearly_always(capsys: pytest.CaptureFixture[str]) -> None:
    chance = random.Random(20)
    zone: Zone = {b"@": records_of(b"@", 30)}
    for number in range(20_000):
        owner = b"host-%05d" % number
        zone[owner] = [Record(owner, 3600, 1, bytes((10, 0, number >> 8, number & 255)))]
    made = cut.cut(ZONE, [record for records in zone.values() for record in records], DEFAULT)
    news, loads = [], []
    everyone = list(zone)
    loaded: list[str] = []
    pieces = pieces_of(made, loaded, with_keys=True)
    for _ in range(1_000):
        owner = chance.choice(everyone)
        kind = chance.randrange(3)
        other = Record(owner, 3600, 1, chance.randbytes(4))
        edit = {owner: [other]} if kind == 0 else {owner: [*zone[owner], other]} if kind == 1 else {owner: []}
        gone, come = cut.recut(ZONE, pieces, edit, DEFAULT)
        news.append(len(come) + len([name for name in gone if name not in dict(come)]))
        loads.append(len(loaded))
        loaded.clear()
    with capsys.disabled():
        print(
            f"\n1,000 edits of {len(made)} files: {news.count(1)} made one new file, {max(news)} at most;",
            end=" ",
        )
        print(f"{sum(loads) / 1000:.1f} files were read on average, {max(loads)} at most")
    assert news.count(1) >= 950
    assert max(loads) <= 8


NAMES = [
    ("example.com.zone", True),
    ("example.com.zone.d/0123456789abcdef0123456789abcdef.zone", True),
    ("example.com.zone.d/mine.zone", True),
    ("example.com.zone.d/.zone", False),
    ("example.com.zone.d/a/b.zone", False),
    ("example.com.zone.d/mine.txt", False),
    ("example.com.zone.d", False),
    ("Example.com.zone", False),
    ("www.example.com.zone", False),
    ("x/example.com.zone", False),
    ("example.com.zone/", False),
    ("README", False),
]


@pytest.mark.parametrize(("name", "belongs"), NAMES)
def test_which_files_belong_to_a_zone(name: str, belongs: bool) -> None:
    assert cut.is_zone_file("example.com", name) is belongs
