"""What people are told who name what is not there, and who ask what happened to a name."""

import json
from pathlib import Path

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
        (("zone", "export", "nosuch.org"), "no zone nosuch.org in this repository: `xferzone zone list`"),
        (("branch", "nosuch.org", "test"), "no zone nosuch.org in this repository"),
        (("branch", "nosuch.org"), "no zone nosuch.org in this repository"),
        (("reset", "nosuch.org", "main~1"), "no zone nosuch.org in this repository"),
        (("edit", "nosuch.org"), "no zone nosuch.org in this repository"),
        (("log", "nosuch.org", "www.nosuch.org"), "no zone nosuch.org in this repository"),
        (("log", "example.com", "no.example.com"), "nothing ever changed no.example.com. in example.com"),
        (
            ("set", "www.example.com", "A", "192.0.2.1", "-b", "canarry"),
            "example.com has no branch canarry: `xferzone branch example.com` lists its branches",
        ),
        (("edit", "example.com", "-b", "canarry"), "example.com has no branch canarry"),
        (
            ("set", "www", "A", "192.0.2.1"),
            "no zone here contains www.; names are absolute, as in www.example.com",
        ),
        (("add", "*", "A", "192.0.2.1"), "no zone here contains *.; names are absolute, as in *.example.com"),
        (
            ("add", "*.nosuch.org", "A", "192.0.2.1"),
            "no zone here contains *.nosuch.org.: `xferzone zone list`",
        ),
        (("diff", "example.com", "@2000-01-01"), "nothing existed yet at 2000-01-01 00:00:00 UTC"),
    ],
)
def test_what_is_not_there_is_said_with_what_is(zone: Run, words: tuple[str, ...], said: str) -> None:
    failed = zone(*words)
    assert (failed.code, failed.out) == (5, "")
    assert said in failed.err
    assert len(failed.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("zone", "export", "exmaple.com"),
            "no zone exmaple.com in this repository: did you mean example.com?",
        ),
        (("log", "-z", "examle.com"), "did you mean example.com?"),
        (("diff", "Example.con"), "did you mean example.com?"),
        (("set", "www.exampel.com", "A", "192.0.2.1"), "did you mean www.example.com?"),
        (("show", "a.b.exampl.com"), "did you mean a.b.example.com?"),
        (("zone", "export", "192.0.2.0/24"), "is not a zone: its reverse zone is 2.0.192.in-addr.arpa"),
    ],
)
def test_a_zone_that_is_nearly_here_is_asked_about(zone: Run, words: tuple[str, ...], said: str) -> None:
    failed = zone(*words)
    assert failed.code == 5
    assert said in failed.err


def test_a_removed_zone_is_not_what_was_meant(zone: Run) -> None:
    zone("zone", "remove", "example.com")
    assert "did you mean" not in zone("zone", "export", "exmaple.com").err


NOT_NAMES = [
    (
        "192.0.2.0/24",
        "is a network: did you mean its reverse zone, `xferzone zone add 2.0.192.in-addr.arpa`?",
    ),
    ("192.0.2.128/25", "`xferzone zone add 2.0.192.in-addr.arpa`?"),
    ("10.0.0.0/8", "`xferzone zone add 10.in-addr.arpa`?"),
    ("10.16.0.0/12", "`xferzone zone add 16.10.in-addr.arpa`, the first of 16 that it has?"),
    ("192.0.2.1", "is an address: did you mean its reverse zone, `xferzone zone add 2.0.192.in-addr.arpa`?"),
    ("2001:db8::/32", "`xferzone zone add 8.b.d.0.1.0.0.2.ip6.arpa`?"),
    ("2001:db8::/33", "`xferzone zone add 0.8.b.d.0.1.0.0.2.ip6.arpa`, the first of 8 that it has?"),
    (
        "example.com.zone",
        "looks like a file: did you mean `xferzone zone add example.com --from example.com.zone`?",
    ),
    ("./db.example.org", "did you mean `xferzone zone add example.org --from ./db.example.org`?"),
    ("/etc/bind/example.org.db", "`xferzone zone add example.org --from /etc/bind/example.org.db`?"),
    ("~/example.org.zone", "looks like a file"),
    ("..\\zones\\example.org.txt", "`xferzone zone add example.org --from"),
    ("zones/local", "did you mean `xferzone zone add ZONE --from zones/local`?"),
]


@pytest.mark.parametrize(("name", "said"), NOT_NAMES)
def test_a_new_name_that_looks_like_a_file_or_a_network_is_asked_about(
    zone: Run, name: str, said: str
) -> None:
    failed = zone("zone", "add", name)
    assert (failed.code, failed.out) == (2, "")
    assert said in failed.err
    assert "example.com." in zone("zone", "list").out


@pytest.mark.parametrize(
    "name", ["0/25.2.0.192.in-addr.arpa", "example.com.zone.", "192.0.2.0/24.", "example.zone", "."]
)
def test_a_name_that_is_meant_is_taken(zone: Run, name: str) -> None:
    done = zone("zone", "add", name)
    assert done.code == 0, done.err


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
    states = [
        entry["state"] for entry in json.loads(zone("--format", "json", "log", "example.com").out)["checkins"]
    ]
    assert states == ["tip", "served"]
    assert "[tip]" in zone("log", "example.com", "-n", "1").out
    assert "[tip]" in zone("log", "--help").out
    canary, main = json.loads(zone("--format", "json", "branch", "example.com").out)["branches"]
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
    assert (
        len(json.loads(zone("--format", "json", "log", "example.com", "mail.example.com").out)["checkins"])
        == 2
    )
    assert len(zone("log", "example.com", "example.com").out.splitlines()) == 1


@pytest.mark.parametrize(
    "verb", [("reset",), ("diff",), ("show",), ("branch",), ("tag",), ("zone", "export")], ids=" ".join
)
def test_help_explains_revisions(xz: Run, verb: tuple[str, ...]) -> None:
    shown = xz(*verb, "--help").out
    assert (
        "REV: a check-in's id or its beginning, a branch, a tag, any of these with ~N, @DATE or @-2h" in shown
    )


def test_a_removal_says_how_the_zone_comes_back(zone: Run) -> None:
    assert (
        "`xferzone reset example.com main~1` brings its records back"
        in zone("zone", "remove", "example.com").err
    )
    assert zone("reset", "example.com", "main~1").code == 0
    removed = zone("reset", "example.com", "main~1")
    assert removed.code == 6
    assert "example.com was removed there" in removed.err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (
            ("set", "www.example.com", "CNAME", "example.net."),
            6,
            "www.example.com. has A already: delete it first, because a CNAME stands alone",
        ),
        (
            ("set", "alias.example.com", "A", "192.0.2.1"),
            6,
            "alias.example.com. has CNAME already: delete it first",
        ),
        (("add", "alias.example.com", "CNAME", "example.org."), 6, "has 2 CNAME records, one is allowed"),
        (("set", "www.example.com", "A", "300"), 6, "(a TTL stands before the type)"),
        (("delete", "www.example.com", "A", "192.0.2.2"), 5, "has no such A record: it has 192.0.2.1"),
        (("delete", "example.com", "NS"), 6, "example.com. would have no NS record, which every zone needs"),
        (("delete", "example.com"), 6, "`xferzone zone remove example.com` removes the zone"),
        (("add", "zone", "foo.example"), 2, "`xferzone zone add foo.example` adds a zone"),
        (("show", "a.b.wild.example.com"), 5, "*.wild.example.com. stands for it"),
        (
            ("zone", "import", "example.com", "other"),
            6,
            "other: the file is of example.org., not of example.com.",
        ),
    ],
)
def test_a_refused_change_says_how_it_could_be_done(
    zone: Run, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    zone("set", "alias.example.com", "CNAME", "example.net.")
    zone("set", "*.wild.example.com", "A", "192.0.2.1")
    (tmp_path / "other").write_text(
        "example.org. 60 SOA a.example.org. b.example.org. 1 2 3 4 5\nexample.org. 60 NS a.x.\n"
    )
    failed = zone(*words)
    assert (failed.code, failed.out) == (code, "")
    assert said in failed.err
    assert "line" not in failed.err
    assert len(failed.err.splitlines()) == 1


def test_names_of_an_soa_that_were_meant_relative_are_warned_of(zone: Run) -> None:
    done = zone("set", "example.com", "SOA", "ns1", "hostmaster", "9", "7200", "3600", "1209600", "300")
    assert done.code == 0
    for name in ("ns1", "hostmaster"):
        assert (
            f"{name}. has one label, and names are absolute here: did you mean {name}.example.com.?"
            in done.err
        )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("CNAME", "www"),
            "warning: www. has one label, and names are absolute here: did you mean www.example.com.?",
        ),
        (("MX", "10", "www"), "warning: www. has one label"),
        (
            ("CNAME", "a.www"),
            "warning: a.www. is in no zone here, and names are absolute: did you mean a.www.example.com.?",
        ),
        (("CNAME", "www.elsewhere.org"), ""),
        (("NS", "www", "mail"), "warning: mail. has one label"),
        (("CNAME", "www."), ""),
        (("CNAME", "www.example.com"), ""),
        (("TXT", "www"), ""),
    ],
)
def test_a_target_that_was_meant_relative_is_warned_of(zone: Run, words: tuple[str, ...], said: str) -> None:
    zone("set", "a.www.example.com", "A", "192.0.2.7")
    done = zone("set", "x.example.com", *words)
    assert done.code == 0
    assert said in done.err
    assert bool(said) == bool(done.err)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("*.example.com", ""),
        ("*.sub.example.com", ""),
        ("a*.example.com", "warning: a*.example.com. A has a * that stands for no other name"),
        ("*a.example.com", "it must be the whole first label"),
        ("_tcp.*.example.com", "it must be the whole first label"),
        ("*.*.example.com", "it must be the whole first label"),
        ("**.example.com", "it must be the whole first label"),
    ],
)
def test_a_star_that_is_no_wildcard_is_warned_of(zone: Run, name: str, said: str) -> None:
    done = zone("add", name, "A", "192.0.2.7")
    assert done.code == 0
    assert said in done.err
    assert bool(said) == bool(done.err)
    assert zone("set", "www.example.com", "A", "192.0.2.7").err == ""


def test_records_beside_ns_at_a_wildcard_are_shown_and_not_warned_of(zone: Run) -> None:
    zone("add", "*.example.com", "NS", "ns.example.org.")
    assert zone("add", "*.example.com", "TXT", "shown").err == ""
    zone("set", "sub.example.com", "NS", "ns.example.org.")
    assert "is at a delegation and never shown" in zone("add", "sub.example.com", "TXT", "hidden").err


@pytest.mark.parametrize(
    ("files", "code", "said"),
    [
        (["zones.xferzone"], 5, "no zone here contains zones.xferzone., but there is a file of that name"),
        (["a.example.com", "b.example.com"], 2, "a.example.com and b.example.com are files here"),
    ],
)
@pytest.mark.parametrize("verb", ["set", "add", "delete"])
def test_files_that_the_shell_put_in_place_of_a_star_are_recognized(
    zone: Run, tmp_path: Path, verb: str, files: list[str], code: int, said: str
) -> None:
    for name in files:
        (tmp_path / name).touch()
    failed = zone(verb, *files, "A", "192.0.2.1")
    assert failed.code == code
    assert said in failed.err
    assert "a * is to be quoted, as in '*.example.com'" in failed.err
    assert "'*.example.com'" in zone("add", "--help").out


def test_a_relative_name_in_a_batch_says_how_it_is_written(zone: Run) -> None:
    failed = zone("apply", "example.com", "-", stdin="add * A 192.0.2.1\n")
    assert failed.code == 2
    assert (
        "line 1: *. is not in the zone example.com.: names are absolute, as in *.example.com." in failed.err
    )


def test_every_line_of_an_error_begins_alike(zone: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.zone").write_text("x A 1.2.3\ny A 1.2\n")
    lines = zone("zone", "check", "bad.zone").err.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("xferzone: bad.zone ") for line in lines)
    assert "was taken for zone bad., --zone says another" in lines[-1]


def test_an_edit_with_a_fault_says_the_reason_first(zone: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "sed -i s/192.0.2.25/bad/")
    first, *_, stored, kept, onward = zone("edit", "example.com").err.splitlines()
    assert "bad" in first
    assert "nothing was stored" in stored
    assert "your text is in /" in kept
    assert "xferzone edit example.com --resume /" in onward


def test_ids_in_messages_are_short(zone: Run) -> None:
    zone("set", "www.example.com", "A", "192.0.2.7")
    (tip, *_) = json.loads(zone("--format", "json", "log", "example.com").out)["checkins"]
    failed = zone("diff", "example.com", tip["checkin"][:-1] + "~9")
    assert tip["checkin"][:-1] in failed.err
    assert tip["checkin"] not in zone("diff", "example.com", tip["checkin"] + "~9").err
