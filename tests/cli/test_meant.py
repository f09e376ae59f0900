"""What people are told who name what is not there, and who ask what happened to a name."""

import json

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("diff", "www.example.com"),
            "www.example.com is a name in example.com: `xferzone blame example.com www.",
        ),
        (("blame", "www.example.com"), "www.example.com is a name in example.com"),
        (("log", "www.example.com"), "`xferzone log example.com www.example.com`"),
        (("zone", "export", "nosuch.org"), "nosuch.org is no zone here: `xferzone zone list`"),
        (("branch", "nosuch.org", "test"), "nosuch.org is no zone here"),
        (("branch", "nosuch.org"), "nosuch.org is no zone here"),
        (("reset", "nosuch.org", "main~1"), "nosuch.org is no zone here"),
        (("edit", "nosuch.org"), "nosuch.org is no zone here"),
        (("log", "nosuch.org", "www.nosuch.org"), "nosuch.org is no zone here"),
        (("log", "example.com", "no.example.com"), "nothing ever changed no.example.com. in example.com"),
        (
            ("set", "www.example.com", "A", "192.0.2.1", "-b", "canarry"),
            "example.com has no branch canarry: `xferzone branch example.com` lists them",
        ),
        (("edit", "example.com", "-b", "canarry"), "example.com has no branch canarry"),
        (
            ("set", "www", "A", "192.0.2.1"),
            "no zone here contains www.; names are absolute, as in www.example.com",
        ),
        (("diff", "example.com", "@2000-01-01"), "there was nothing yet at 2000-01-01 00:00:00 UTC"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(zone: Run, words: tuple[str, ...], said: str) -> None:
    failed = zone(*words)
    assert (failed.code, failed.out) == (5, "")
    assert said in failed.err
    assert len(failed.err.splitlines()) == 1


def test_a_date_is_told_as_it_can_be_written(zone: Run) -> None:
    failed = zone("diff", "example.com", "@yesterday")
    assert failed.code == 2
    assert "@-2h" in failed.err
    assert zone("diff", "example.com", "@-2h").code == 5
    assert (
        "branch, a tag" in zone("diff", "example.com", "-2h@").err
        or zone("diff", "example.com", "x~y").code == 2
    )


def test_what_was_removed_says_how_it_comes_back(zone: Run) -> None:
    zone("zone", "remove", "example.com")
    failed = zone("set", "www.example.com", "A", "192.0.2.7")
    assert failed.code == 5
    assert "example.com/main was removed" in failed.err
    assert "`xferzone reset example.com ~1`" in failed.err
    assert zone("reset", "example.com", "~1").code == 0
    assert zone("show", "www.example.com").code == 0
    assert [line.rsplit("[")[-1] for line in zone("log", "example.com", "-n", "2").out.splitlines()] == [
        "served]",
        "removed]",
    ]


def test_served_is_said_of_what_dns_answers_from_alone(zone: Run) -> None:
    zone("branch", "example.com", "canary")
    states = [entry["state"] for entry in json.loads(zone("--format", "json", "log", "example.com").out)]
    assert states == ["tip", "served"]
    assert "[tip]" in zone("log", "example.com", "-n", "1").out
    assert "[tip]" in zone("log", "--help").out
    canary, main = json.loads(zone("--format", "json", "branch", "example.com").out)
    assert (canary["served"], canary["published"]) == (False, True)
    assert (main["served"], main["published"]) == (True, True)
    first, second = zone("branch", "example.com").out.splitlines()
    assert not first.endswith("served")
    assert second.endswith(" served")


def test_who_changed_a_name_and_when(zone: Run) -> None:
    zone("set", "mail.example.com", "A", "192.0.2.9")
    zone("set", "WWW.example.com", "A", "192.0.2.7", "--as", "bob")
    zone("add", "a.www.example.com", "A", "192.0.2.9")
    zone("delete", "www.example.com", "--as", "eve")
    zone("set", "x.example.com", "TXT", "www")
    lines = zone("log", "example.com", "www.example.com").out.splitlines()
    assert [line.split(" serial ")[1].split(":")[0] for line in lines] == ["9 eve", "7 bob", "5 ann"]
    assert "delete www.example.com" in lines[0]
    assert len(zone("log", "example.com", "www.example.com", "-n", "1").out.splitlines()) == 1
    assert len(json.loads(zone("--format", "json", "log", "example.com", "mail.example.com").out)) == 2
    assert len(zone("log", "example.com", "example.com").out.splitlines()) == 1


@pytest.mark.parametrize(
    "verb", [("reset",), ("diff",), ("show",), ("branch",), ("tag",), ("zone", "export")], ids=" ".join
)
def test_help_explains_revisions(xz: Run, verb: tuple[str, ...]) -> None:
    shown = xz(*verb, "--help").out
    assert (
        "REV: a check-in's id or its beginning, a branch, a tag, any of these with ~N, @DATE or @-2h" in shown
    )


@pytest.mark.parametrize("verb", [("branch",), ("tag",), ("zone", "remove")], ids=" ".join)
def test_options_that_mean_nothing_are_not_offered(xz: Run, verb: tuple[str, ...]) -> None:
    assert "--serial-jump" not in xz(*verb, "--help").out
    assert "--serial-jump" in xz("zone", "import", "--help").out


def test_a_removal_says_how_the_zone_comes_back(zone: Run) -> None:
    assert (
        "`xferzone reset example.com main~1` brings its records back"
        in zone("zone", "remove", "example.com").err
    )
    assert zone("reset", "example.com", "main~1").code == 0
    removed = zone("reset", "example.com", "main~1")
    assert removed.code == 6
    assert "example.com was removed there" in removed.err
