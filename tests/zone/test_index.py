"""Compiled zone files: everything that went in is found, nothing else is, and damage is noticed."""

import random
import time

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xferzone.errors import XferzoneError
from xferzone.zone import index
from xferzone.zone.index import BELOW, EMPTY, HAS_CNAME, HAS_DNAME, HAS_NS, Index, RRset, compile_index
from xferzone.zonefile.names import key_labels, labels_key, owner_key, owner_text
from xferzone.zonefile.record import Record

ORIGIN = dns.name.from_text("Example.test.")
APEX = [Record(b"@", 3600, 6, b"\1a\0\1b\0" + bytes(20)), Record(b"@", 3600, 2, b"\1a\0")]


def opened(*records: Record) -> Index:
    return Index(compile_index(records, ORIGIN))


def wire(*labels: bytes) -> bytes:
    return b"".join(bytes((len(label),)) + label for label in labels)


def found(compiled: Index, *labels: bytes) -> list[RRset] | None:
    node = compiled.find(wire(*labels))
    return None if node is None else index.rrsets(node)


def test_an_owner_has_its_rrsets_by_ascending_type() -> None:
    compiled = opened(Record(b"www", 60, 16, b"\1x"), Record(b"www", 30, 1, b"abcd"), *APEX)
    rrsets = found(compiled, b"www")
    assert rrsets is not None
    assert [(rrset.rdtype, rrset.number, rrset.ttl, [*rrset.rdatas()]) for rrset in rrsets] == [
        (1, 1, 30, [b"abcd"]),
        (16, 1, 60, [b"\1x"]),
    ]


def test_a_record_is_laid_out_as_in_a_message_that_asks_for_its_owner() -> None:
    (rrset,) = found(opened(Record(b"www", 60, 1, b"abcd")), b"www") or []
    assert rrset.records == b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04abcd"


def test_an_rrset_takes_the_lowest_ttl_and_drops_equal_records() -> None:
    given_twice = [
        Record(b"www", ttl, 1, rdata) for ttl, rdata in ((60, b"bbbb"), (20, b"aaaa"), (90, b"bbbb"))
    ]
    (rrset,) = found(opened(*given_twice), b"www") or []
    assert (rrset.ttl, rrset.number, [*rrset.rdatas()]) == (20, 2, [b"aaaa", b"bbbb"])


def test_signatures_have_the_lowest_ttl_of_those_that_cover_the_same_type() -> None:
    given = [(60, b"\0\1b"), (9, b"\0\2a"), (20, b"\0\1a"), (90, b"\0\1b"), (7, b"\0\2a")]
    (rrset,) = found(opened(*(Record(b"www", ttl, 46, rdata) for ttl, rdata in given)), b"www") or []
    assert (rrset.number, [*rrset.rdatas()]) == (3, [b"\0\1a", b"\0\1b", b"\0\2a"])
    assert [rrset.records[at + 6 : at + 10] for at in range(0, 45, 15)] == [
        ttl.to_bytes(4) for ttl in (20, 20, 7)
    ]


def test_one_type_is_found_among_many() -> None:
    node = opened(*(Record(b"www", 5, rdtype, b"\0\0\0\0") for rdtype in (99, 1, 16, 65535))).find(b"\3www")
    assert node is not None
    assert [rdtype for rdtype in (1, 2, 16, 99, 65280, 65535) if index.rrset(node, rdtype)] == [
        1,
        16,
        99,
        65535,
    ]


def test_names_between_owners_exist_without_records() -> None:
    compiled = opened(*APEX, Record(b"a.b.c", 5, 1, b"abcd"))
    assert compiled.find(wire(b"b", b"c")) == EMPTY
    assert compiled.find(wire(b"c")) == EMPTY
    assert compiled.find(wire(b"b")) is None
    assert compiled.find(wire(b"x", b"c")) is None


def test_a_name_before_the_first_owner_is_not_in_the_file() -> None:
    compiled = opened(Record(b"a.b.c", 5, 1, b"abcd"), Record(b"z.b.c", 5, 1, b"abcd"))
    assert compiled.find(wire(b"b", b"c")) is None
    assert compiled.first.startswith(labels_key((b"b", b"c")))


def test_an_owner_is_not_made_empty_by_one_below_it() -> None:
    compiled = opened(
        Record(b"a", 5, 1, b"abcd"), Record(b"x.a", 5, 1, b"abcd"), Record(b"y.x.a", 5, 1, b"abcd")
    )
    assert [key for key, _node in compiled] == [labels_key((b"a",)), b"a\0x\0", b"a\0x\0y\0"]


@pytest.mark.parametrize(("rdtype", "flag"), [(2, HAS_NS), (5, HAS_CNAME), (39, HAS_DNAME), (1, 0)])
def test_a_node_is_marked_by_what_a_search_must_know(rdtype: int, flag: int) -> None:
    node = opened(Record(b"www", 5, rdtype, b"\0\0\0\0")).find(b"\3www")
    assert node is not None
    assert node[0] == flag


def test_first_and_last_are_owners_and_the_zone_is_named() -> None:
    compiled = opened(
        Record(b"z.y", 5, 1, b"abcd"), Record(b"b.a", 5, 1, b"abcd"), Record(b"a.c", 5, 1, b"abcd")
    )
    assert (compiled.first, compiled.last) == (b"a\0b\0", b"y\0z\0")
    assert compiled.origin == b"\7example\4test\0"


def test_the_root_has_an_index_too() -> None:
    compiled = Index(compile_index(APEX, dns.name.root))
    assert compiled.origin == b"\0"
    assert len(found(compiled) or []) == 2


def test_equal_keys_of_the_hash_are_told_apart() -> None:
    # CRC-32 of the keys of these two is the same.
    names = (b"plumless", b"buckeroo")
    compiled = opened(*(Record(name, 5, 16, b"\x08" + name) for name in names))
    for name in names:
        (rrset,) = found(compiled, name) or []
        assert [*rrset.rdatas()] == [b"\x08" + name]


labels = st.sampled_from([b"a", b"b", b"*", b"ab", b"\0", b"\1", b"\0\1", b"\xff", b"a.b"])
owners = st.lists(labels, max_size=4).map(tuple)
records = st.builds(
    lambda owner, ttl, rdtype, rdata: Record(owner_text(owner), ttl, rdtype, rdata),
    owners,
    st.integers(0, 2**31 - 1),
    st.sampled_from([1, 2, 5, 16, 39, 65280]),
    st.sampled_from([b"\0", b"\1a\0", b"\1b\7example\4test\0", b"\7example\4test\0"]),
)


@given(st.lists(records, min_size=1, max_size=30), owners)
def test_all_that_went_in_is_found_and_nothing_else(given_: list[Record], other: tuple[bytes, ...]) -> None:
    compiled = opened(*given_)
    expected: dict[bytes, dict[int, set[bytes]]] = {}
    for record in given_:
        expected.setdefault(owner_key(record.owner), {}).setdefault(record.rdtype, set()).add(record.rdata)
    listed = {
        key: {rrset.rdtype: {*rrset.rdatas()} for rrset in index.rrsets(node)} for key, node in compiled
    }
    assert listed == expected
    assert [key for key, _node in compiled] == sorted(expected)
    for key in expected:
        node = compiled.find(wire(*key_labels(key)))
        assert node is not None
        covers = [above for above, types in expected.items() if above and types.keys() & {2, 39}]
        assert bool(node[0] & BELOW) == any(key != above and key.startswith(above) for above in covers)
    key = labels_key(other)
    if key not in expected:
        node = compiled.find(wire(*other))
        assert (node is not None) == (any(each.startswith(key) for each in expected) and key > min(expected))
        assert node is None or node[0] in (0, BELOW)


@given(st.lists(records, min_size=1, max_size=10), st.randoms())
def test_the_order_of_the_records_does_not_matter(given_: list[Record], chance: random.Random) -> None:
    shuffled = list(given_)
    chance.shuffle(shuffled)
    assert compile_index(given_, ORIGIN) == compile_index(shuffled, ORIGIN)


@given(st.data())
def test_damage_is_noticed(data: st.DataObject) -> None:
    content = bytearray(compile_index([*APEX, Record(b"www", 5, 1, b"abcd")], ORIGIN))
    place = data.draw(st.integers(0, len(content) - 1).filter(lambda at: not 1 <= at <= 3))
    content[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(XferzoneError, match="rebuild"):
        Index(bytes(content))


@pytest.mark.parametrize("size", range(0, 60, 7))
def test_a_part_of_an_index_is_none(size: int) -> None:
    with pytest.raises(XferzoneError, match="rebuild"):
        Index(compile_index(APEX, ORIGIN)[:size])


def test_300_000_records_are_compiled_in_a_few_seconds() -> None:
    many = [Record(b"h%06d" % number, 3600, 1, number.to_bytes(4)) for number in range(30_000)]
    begin = time.process_time()
    compile_index(many, ORIGIN)
    assert time.process_time() - begin < 1  # 0.15 s where it was written
