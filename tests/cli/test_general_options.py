"""The options of all verbs stand before the verb or behind it, and the lists of verbs can be read."""

import re
from pathlib import Path

import pytest

from tests.cli.conftest import EVERY_VERB, Run


@pytest.mark.parametrize("verb", EVERY_VERB, ids=" ".join)
def test_every_verb_takes_them_and_its_help_does_not_repeat_them(xz: Run, verb: tuple[str, ...]) -> None:
    done = xz(*verb, "-R", "some.xferzone", "--format", "json", "--version")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("xferzone, version ")
    assert not re.search("-R, |--repository[ ,]|--format|--version", xz(*verb, "--help").out)


@pytest.mark.parametrize(
    "words",
    [
        ("log",),
        ("log", "example.com", "-n", "1"),
        ("show", "www.example.com", "A"),
        ("zone", "list"),
        ("zone", "export", "example.com"),
        ("remote",),
        ("user", "list"),
        ("set", "t.example.com", "TXT", "v=spf1", "-all", "--dry-run"),
        ("status",),
    ],
)
def test_a_verb_does_the_same_with_them_before_or_behind_it(
    zone: Run, tmp_path: Path, words: tuple[str, ...]
) -> None:
    (tmp_path / "zones.xferzone").rename(tmp_path / "other.xferzone")
    general = "--repository", "other.xferzone", "--format", "json"
    before = zone(*general, *words)
    assert before.code == 0, before.err
    assert zone(*words, *general) == before
    assert zone(words[0], *general, *words[1:]) == before
    assert zone(*general[2:], *words, *general[:2]) == before


def test_what_stands_last_counts(zone: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = zone("zone", "list")
    assert zone("-R", "nosuch", "--format", "json", "zone", "list", "-R", "zones.xferzone") == zone(
        "--format", "json", "zone", "list"
    )
    assert (
        zone("--format", "json", "zone", "-R", "nosuch", "list", "-R", "zones.xferzone", "--format", "text")
        == plain
    )
    assert zone("-R", "zones.xferzone", "zone", "list", "-R", "nosuch").code == 5
    monkeypatch.setenv("XFERZONE_REPOSITORY", "nosuch")
    assert zone("zone", "list").code == 5
    assert zone("zone", "list", "-R", "zones.xferzone") == plain


def test_behind_two_dashes_they_are_data(zone: Run) -> None:
    assert zone("set", "t.example.com", "TXT", "-R", "zones.xferzone", "--", "-R", "--format").code == 0
    assert zone("show", "t.example.com", "TXT").out == 't.example.com. 3600 TXT "-R --format"\n'


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("log", "-R"), "'-R' requires an argument"),
        (("log", "--format", "xml"), "'xml' is not one of 'text', 'json'"),
    ],
)
def test_a_misused_one_is_told(xz: Run, words: tuple[str, ...], told: str) -> None:
    done = xz(*words)
    assert done.code == 2
    assert told in done.err


@pytest.mark.parametrize("words", [(), ("zone",), ("user",), ("remote",)])
def test_no_line_of_a_list_of_verbs_is_cut(xz: Run, words: tuple[str, ...]) -> None:
    listed = xz(*words, "--help").out.partition("\nCommands:\n")[2]
    assert listed
    assert "..." not in listed
