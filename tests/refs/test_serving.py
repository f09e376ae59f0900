"""What a group serves of zones: when two lists of rules are one, and which values a key may have."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xferzone.errors import UsageError
from xferzone.refs.serving import MAX_VALUE, Canary, Rule, compact, differences, encode, parse
from xferzone.zone import patterns

NEXT = Canary("next", 2050, "salt")
ZONES = ["example", "a.example", "b.a.example", "c.b.a.example", "other", "a.other", "third.test"]
PATTERNS = ["*", "*.example", "*.a.example", "*.b.a.example", "*.other", *ZONES[:6]]
RULES = st.lists(
    st.builds(
        Rule, st.sampled_from(PATTERNS), st.sampled_from(["main", "stable"]), st.sampled_from([None, NEXT])
    ),
    max_size=6,
)


def served(rules: list[Rule] | tuple[Rule, ...], zone: str) -> tuple[str, Canary | None]:
    """By looking at each rule in turn."""
    for rule in rules:
        if rule.zone in (zone, "*") or (rule.zone.startswith("*.") and zone.endswith(rule.zone[1:])):
            return rule.branch, rule.canary
    return "main", None


@given(RULES, RULES)
def test_rules_differ_where_a_zone_is_served_in_two_ways_and_only_there(
    ours: list[Rule], theirs: list[Rule]
) -> None:
    every = {*ZONES, *(patterns.specimen(each) for each in PATTERNS)}
    differ = {zone for zone in every if served(ours, zone) != served(theirs, zone)}
    found = list(differences(ours, theirs))
    assert bool(found) == bool(differ)
    for each in found:
        one = patterns.specimen(each.zone)
        assert (each.ours.branch, each.ours.canary) == served(ours, one)
        assert (each.theirs.branch, each.theirs.canary) == served(theirs, one)
        assert each.place is None or ours[each.place] == each.ours


@given(RULES)
def test_what_a_key_has_says_the_same_and_no_rule_twice(rules: list[Rule]) -> None:
    kept = parse(encode(rules))
    assert not list(differences(rules, kept))
    assert len({each.zone for each in kept}) == len(kept)
    assert compact(kept) == kept
    assert len(kept) <= len(rules)


def test_what_tables_are_there_for_something_else_takes_no_room() -> None:
    plain = [Rule(f"{number}.example") for number in range(50_000)]
    assert encode(plain) == encode([]) == b'{"zones":[]}'
    assert compact([*plain[:1], Rule("*", "stable")]) == (plain[0], Rule("*", "stable"))


def test_the_order_of_what_does_not_meet_is_no_difference() -> None:
    ours = [Rule("a.example", "stable"), Rule("b.example", "stable", NEXT)]
    assert not list(differences(ours, ours[::-1]))
    assert not list(differences([], [Rule("*")]))
    (found,) = differences(ours, ours[:1])
    assert (found.zone, found.place, str(found.ours), str(found.theirs)) == (
        "b.example",
        1,
        "stable, canary next:20.5:salt",
        "main",
    )


def test_a_value_that_is_too_long_is_refused_with_what_to_do() -> None:
    many = [Rule(f"{number}.example", "stable") for number in range(20_000)]
    with pytest.raises(UsageError, match=rf"over {MAX_VALUE}: name many zones at once"):
        encode(many)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"zones":[{}]}',
        b'{"zones":[{"zone":"*","canary":{"branch":"next","hundredths":10001}}]}',
        b'{"zones":[]}' + b" " * MAX_VALUE,
        b"[" * 200_000,
        b'{"zones":[],"more":' + b"[" * 200_000,
    ],
    ids=["empty", "a list", "not text", "no zone", "over 100 percent", "too long", "deep", "deep within"],
)
def test_what_no_member_wrote_is_named(value: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(value)
