"""Which zone a record goes to, where a zone and one below it are both here (RFC 4035 2.4 for DS)."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run

APEX = "@ 60 SOA ns1.example.net. h.example.net. 1 7200 3600 1209600 300\n@ 60 NS ns1.example.net.\n"
DS = ("DS", "1", "13", "2", "ab" * 32)
CHILD = "sub.example.com"
SIGNED = ("RRSIG", "DS", "13", "3", "60", "20270101000000", "20260101000000", "1", "example.com.", "AAAA")


@pytest.fixture
def both(zone: Run, tmp_path: Path) -> Run:
    """example.com, which delegates sub.example.com, and that; also alone.example.org, with no zone above it."""
    (tmp_path / "child").write_text(APEX)
    for name in (CHILD, "alone.example.org"):
        assert zone("zone", "add", name, "--from", "child").code == 0
    assert (
        zone("set", CHILD, "NS", "ns1.example.net", "-z", "example.com")
        .out.splitlines()[-1]
        .startswith("example.com/main ")
    )
    return zone


@pytest.mark.parametrize(
    ("words", "to"),
    [
        ((CHILD, *DS), "example.com"),
        ((CHILD, "TYPE43", "\\#", "36", "00010d02", "ff" * 32), "example.com"),
        ((CHILD, *SIGNED), "example.com"),
        ((f"www.{CHILD}", *DS), CHILD),
        ((CHILD, "CDS", *DS[1:]), CHILD),
        ((CHILD, "NS", "ns2.example.net."), CHILD),
        ((CHILD, "A", "192.0.2.1"), CHILD),
        ((CHILD, "RRSIG", "NS", *SIGNED[2:]), CHILD),
        (("alone.example.org", *DS), "alone.example.org"),
        ((CHILD, "A", "192.0.2.1", "-z", "Example.COM."), "example.com"),
        ((CHILD, *DS, "-z", CHILD), CHILD),
    ],
)
def test_a_record_goes_to_the_deepest_zone_and_ds_to_the_one_above(
    both: Run, words: tuple[str, ...], to: str
) -> None:
    done = both("add", *words)
    assert done.code == 0, done.err
    assert done.out.splitlines()[-1].startswith(f"{to}/main ")


def test_ds_is_shown_and_deleted_where_it_was_set(both: Run) -> None:
    both("set", CHILD, "60", *DS)
    assert both("show", CHILD, "DS").out == f"{CHILD}. 60 DS 1 13 2 {'ab' * 32}\n"
    assert both("show", CHILD, "DS", "-z", CHILD).code == 5
    assert both("show", CHILD, "SOA").code == 0
    assert both("show", CHILD, "SOA", "-z", "example.com").code == 5
    assert both("delete", CHILD, "DS").out.splitlines()[-1].startswith("example.com/main ")


def test_a_branch_of_the_zone_above_that_is_not_there_is_not_passed_over(both: Run) -> None:
    both("branch", CHILD, "test")
    failed = both("set", CHILD, *DS, "-b", "test")
    assert failed.code == 5
    assert "example.com has no branch test" in failed.err


def test_a_removed_zone_above_counts_as_gone(both: Run) -> None:
    both("zone", "remove", "example.com")
    assert both("set", CHILD, *DS).out.splitlines()[-1].startswith(f"{CHILD}/main ")


@pytest.mark.parametrize("by", ["-z", "XFERZONE_ZONE"])
@pytest.mark.parametrize(
    ("words", "chosen", "code", "said"),
    [
        (
            ("set", "www.example.com", "A", "192.0.2.1"),
            CHILD,
            2,
            f"www.example.com. is not in the zone {CHILD}.",
        ),
        (("set", "www", "A", "192.0.2.1"), "example.com", 2, "names are absolute, as in www.example.com."),
        (("add", "www.example.com", "A", "192.0.2.1"), "nosuch.org", 5, "no zone nosuch.org"),
        (("delete", "www.example.com"), CHILD, 2, "www.example.com. is not in the zone"),
        (("show", "www.example.com"), CHILD, 2, "www.example.com. is not in the zone"),
        (("show", "www.example.com"), "a..b", 2, "'a..b' is not a name"),
        (("log", "www.example.net"), "example.com", 2, "www.example.net. is not in the zone example.com."),
        (("blame", "www.example.net"), "example.com", 2, "www.example.net. is not in the zone example.com."),
        (("blame",), "nosuch.org", 5, "no zone nosuch.org"),
        (("log",), "nosuch.org", 5, "no zone nosuch.org"),
    ],
)
def test_a_chosen_zone_is_the_only_one_and_the_message_says_who_chose_it(
    both: Run,
    monkeypatch: pytest.MonkeyPatch,
    by: str,
    words: tuple[str, ...],
    chosen: str,
    code: int,
    said: str,
) -> None:
    if by == "-z":
        words = (*words, "-z", chosen)
    else:
        monkeypatch.setenv(by, chosen)
    failed = both(*words)
    assert (failed.code, failed.out) == (code, "")
    assert said in failed.err
    assert by in failed.err


def test_the_option_wins_over_the_variable_and_that_over_the_name(
    both: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XFERZONE_ZONE", "example.com")
    assert both("add", f"a.{CHILD}", "A", "192.0.2.1").out.splitlines()[-1].startswith("example.com/main ")
    assert (
        both("add", f"a.{CHILD}", "A", "192.0.2.1", "-z", CHILD)
        .out.splitlines()[-1]
        .startswith(f"{CHILD}/main ")
    )
    monkeypatch.setenv("XFERZONE_ZONE", "")
    assert both("add", f"b.{CHILD}", "A", "192.0.2.1").out.splitlines()[-1].startswith(f"{CHILD}/main ")


def test_log_and_blame_take_the_zone_either_way(both: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    for verb in ("log", "blame"):
        whole, of_www = both(verb, "example.com").out, both(verb, "example.com", "www.example.com").out
        assert of_www
        assert both(verb, "-z", "example.com").out == whole
        assert both(verb, "example.com", "-z", "example.com").out == whole
        assert both(verb, "-z", "example.com", "www.example.com").out == of_www
        assert both(verb, "example.com", "www.example.com", "-z", "example.com").out == of_www
        assert both(verb, "example.com", "www.example.com", "-z", CHILD).code == 2
        assert both(verb, "alone.example.org", "-z", "example.com").code == 2
    assert both("blame").code == 2
    other = both("blame", CHILD).out
    assert both("log", "-z", "example.com", CHILD).out.count("\n") == 1
    monkeypatch.setenv("XFERZONE_ZONE", "example.com")
    assert both("blame", "www.example.com").out == both("blame", "example.com", "www.example.com").out
    assert both("blame", CHILD).out == other
    assert both("log", "trunk").code == 0
    assert both("log", "example.com/main").code == 0


def test_the_other_side_of_a_delegation_is_told_with_its_command(both: Run) -> None:
    assert both("add", CHILD, "NS", "ns1.example.net.").err.endswith("nothing changed\n")
    told = both("set", CHILD, "NS", "ns2.example.net.").err
    assert "warning: example.com delegates sub.example.com to ns1.example.net., and that stays so" in told
    assert "`xferzone set sub.example.com NS ns2.example.net. -z example.com`" in told
    assert both("set", CHILD, "NS", "ns2.example.net.", "-z", "example.com").err == ""
    both("delete", CHILD, "NS", "-z", "example.com")
    told = both("set", CHILD, *DS).err
    assert "sub.example.com. has no NS in example.com, so nobody asks for this DS" in told
    assert "`xferzone set sub.example.com NS ns2.example.net. -z example.com`" in told
    told = both("set", "alone.example.org", *SIGNED).err
    assert "warning: alone.example.org. RRSIG DS belongs to the zone above, not here" in told
    told = both("set", "alone.example.org", *DS).err
    assert (
        told == "warning: alone.example.org. DS belongs to the zone above, not here: BIND refuses the zone\n"
    )
