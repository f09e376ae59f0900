"""The merge of two versions of a zone onto the one that both began with."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xferzone.zone.merge import merged
from xferzone.zonefile import names, text
from xferzone.zonefile.record import Record
from xferzone.zonefile.whole import DefaultTTL, ZoneText

ORIGIN = names.zone_name("example.com")
SOA = "@ 3600 SOA ns1 hostmaster {} 7200 3600 {} 300"
BASE = (
    SOA.format(1, 100),
    "@ 3600 NS ns1",
    "@ 3600 NS ns2",
    "www 300 A 192.0.2.1",
    "www 300 TXT a ; note",
    "x 60 A 192.0.2.9",
)


def records(*lines: str, ttl: int = 3600) -> ZoneText:
    return ZoneText(text.read("\n".join(lines).encode() + b"\n", ORIGIN), DefaultTTL(ttl))


def changed(*changes: str) -> ZoneText:
    """The base without the lines that begin with a minus, and with the others."""
    gone = {line[1:] for line in changes if line[0] == "-"}
    assert gone <= set(BASE)
    return records(
        *(line for line in BASE if line not in gone), *(line for line in changes if line[0] != "-")
    )


def line_set(given: Sequence[Record]) -> set[str]:
    return set(text.write(given, ORIGIN).decode().splitlines())


@pytest.mark.parametrize(
    ("theirs", "yours", "together"),
    [
        (["a 60 A 192.0.2.2"], ["b 60 A 192.0.2.3"], ["a 60 A 192.0.2.2", "b 60 A 192.0.2.3"]),
        (["www 300 A 192.0.2.2"], ["www 300 A 192.0.2.3"], ["www 300 A 192.0.2.2", "www 300 A 192.0.2.3"]),
        (["-www 300 A 192.0.2.1"], ["-x 60 A 192.0.2.9"], ["-www 300 A 192.0.2.1", "-x 60 A 192.0.2.9"]),
        (
            ["-www 300 A 192.0.2.1", "www 300 A 192.0.2.7"],
            ["-www 300 TXT a ; note", "www 300 TXT b"],
            ["-www 300 A 192.0.2.1", "www 300 A 192.0.2.7", "-www 300 TXT a ; note", "www 300 TXT b"],
        ),
        (  # the same on both sides
            ["-x 60 A 192.0.2.9", "x 60 A 192.0.2.8"],
            ["-x 60 A 192.0.2.9", "x 60 A 192.0.2.8"],
            ["-x 60 A 192.0.2.9", "x 60 A 192.0.2.8"],
        ),
        (  # a TTL is the whole RRset's
            ["-x 60 A 192.0.2.9", "x 5 A 192.0.2.9"],
            ["x 60 A 192.0.2.10"],
            ["-x 60 A 192.0.2.9", "x 5 A 192.0.2.9", "x 5 A 192.0.2.10"],
        ),
        (
            ["-www 300 TXT a ; note", "www 300 TXT a ; other"],
            ["www 300 TXT c"],
            ["-www 300 TXT a ; note", "www 300 TXT a ; other", "www 300 TXT c"],
        ),
        (  # the later serial, and the field that one side changed
            [f"-{BASE[0]}", SOA.format(7, 100)],
            [f"-{BASE[0]}", SOA.format(5, 200)],
            [f"-{BASE[0]}", SOA.format(7, 200)],
        ),
        (
            [f"-{BASE[0]}", SOA.format(7, 100)],
            ["-@ 3600 NS ns2"],
            [f"-{BASE[0]}", SOA.format(7, 100), "-@ 3600 NS ns2"],
        ),
    ],
)
def test_disjoint_sides_are_made_one(theirs: list[str], yours: list[str], together: list[str]) -> None:
    for one, other in ((theirs, yours), (yours, theirs)):
        found = merged(records(*BASE), changed(*one), changed(*other), ORIGIN)
        assert found.conflicts == []
        assert line_set(found.records) == line_set(changed(*together).records)


X = "x 60 A 192.0.2.9"


@pytest.mark.parametrize(
    ("theirs", "yours", "what"),
    [
        ([f"-{X}", "x 60 A 192.0.2.8"], [f"-{X}", "x 60 A 192.0.2.7"], ("x", 1)),
        ([f"-{X}", "x 60 A 192.0.2.8"], [f"-{X}"], ("x", 1)),
        ([f"-{X}", "x 5 A 192.0.2.9"], [f"-{X}", "x 6 A 192.0.2.9"], ("x", 1)),
        ([f"-{X}", "x 5 A 192.0.2.9"], [f"-{X}"], ("x", 1)),
        ([f"-{X}", f"{X} ; one"], [f"-{X}", f"{X} ; two"], ("x", 1)),
        ([f"-{X}", f"{X} ; one"], [f"-{X}"], ("x", 1)),
        (["new 60 A 192.0.2.1"], ["new 61 A 192.0.2.2"], ("new", 1)),
        (["new 60 CNAME www"], ["new 60 CNAME x"], ("new", 5)),
        (["new 60 CNAME www"], ["new 60 A 192.0.2.1"], ("new", None)),
        (["x 60 TXT b"], [f"-{X}", "x 60 CNAME www"], ("x", None)),
        (["-@ 3600 NS ns1"], ["-@ 3600 NS ns2"], ("@", 2)),
        ([f"-{BASE[0]}", SOA.format(1, 200)], [f"-{BASE[0]}", SOA.format(2, 300)], ("@", 6)),
    ],
)
def test_what_both_changed_each_in_its_way_is_a_conflict(
    theirs: list[str], yours: list[str], what: tuple[str, int | None]
) -> None:
    (conflict,) = merged(records(*BASE), changed(*theirs), changed(*yours), ORIGIN).conflicts
    assert (conflict.owner.decode(), conflict.rdtype) == what
    (turned,) = merged(records(*BASE), changed(*yours), changed(*theirs), ORIGIN).conflicts
    assert (turned.theirs, turned.yours) == (conflict.yours, conflict.theirs)


_LINES = st.lists(
    st.builds(
        "{} {} {}".format,
        st.sampled_from(["a", "b", "c.d"]),
        st.just("60"),
        st.sampled_from(["A 192.0.2.1", "A 192.0.2.2", "TXT x", "TXT y ; why", "MX 5 a"]),
    ),
    max_size=8,
    unique=True,
)


@given(_LINES, _LINES, _LINES)
def test_of_every_merge_each_side_s_own_changes_are_kept(
    base: list[str], theirs: list[str], yours: list[str]
) -> None:
    three = [records(*BASE[:3], *side) for side in (base, theirs, yours)]
    assert line_set(merged(three[0], three[1], three[0], ORIGIN).records) == line_set(three[1].records)
    found = merged(three[0], three[1], three[2], ORIGIN)
    was, one, other = (line_set(side.records) for side in three)
    conflicted = {conflict.owner.decode() for conflict in found.conflicts}
    for line in was | one | other:
        if line.split()[0] not in conflicted:
            expected = line in (was & one & other) | ((one | other) - was)
            assert (line in line_set(found.records)) == expected, line


@pytest.mark.parametrize(
    ("theirs", "yours", "default"),
    [
        (3600, 300, 300),
        (300, 3600, 300),
        (300, 300, 300),
        (300, None, 300),
        (3600, None, 3600),
        (300, 600, None),
    ],
)
def test_the_default_ttl_is_that_of_the_side_that_changed_it(
    theirs: int, yours: int | None, default: int | None
) -> None:
    base, one, other = records(*BASE), records(*BASE, ttl=theirs), records(*BASE, ttl=yours or 0)
    if yours is None:
        other = other._replace(default=None)
    found = merged(base, one, other, ORIGIN)
    assert found.conflicts == []
    assert found.default == (None if default is None else DefaultTTL(default))
    assert [each.ttl for each in found.defaults] == ([] if default is not None else [3600, theirs, yours])
