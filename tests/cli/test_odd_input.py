"""The verbs given what nobody should type, and what somebody will."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("-all",), "-all"),
        (("v=spf1", "-all"), "v=spf1 -all"),
        (("-from", "a"), "-from a"),
        (("-hello",), "-hello"),
        (("-bar",), "-bar"),
        (("--", "-m", "--dry-run"), "-m --dry-run"),
        (("a", "-m", "why", "--unknown=x", "b"), "a --unknown=x b"),
    ],
)
def test_data_that_looks_like_options_is_data(zone: Run, words: tuple[str, ...], text: str) -> None:
    assert zone("set", "example.com", "TXT", *words).code == 0
    assert zone("show", "example.com", "TXT").out == f'example.com. 3600 TXT "{text}"\n'


def test_options_written_in_full_are_options(zone: Run) -> None:
    assert zone("set", "-m", "why", "www.example.com", "A", "192.0.2.7", "--as=bob").code == 0
    assert "bob: why" in zone("log", "example.com", "-n", "1").out
    failed = zone("set", "www.example.com", "A", "192.0.2.8", "-m")
    assert failed.code == 2
    assert "requires an argument" in failed.err
    assert "Example" in zone("delete", "-h").out


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ('set x.example.com TXT "abc', 2, "standard input line 2: a quote is not closed"),
        ("set x.example.com TXT abc\\", 2, "line 2: it ends with a backslash"),
        ("set x.example.net A 192.0.2.1", 2, "line 2: x.example.net. is not in the zone"),
        ("set x.example.com A 192.0.2", 6, "standard input line 2: "),
        ("move x.example.com", 2, "line 2: 'move' is not set, add or delete"),
    ],
)
def test_a_batch_names_the_line(zone: Run, line: str, code: int, said: str) -> None:
    failed = zone("apply", "example.com", "-", stdin=f"  ; a comment\n{line}\n")
    assert failed.code == code
    assert said in failed.err


def test_text_in_a_batch_is_as_on_the_command_line(zone: Run) -> None:
    batch = 'set k.example.com TXT v=DKIM1; k=rsa\r\nset q.example.com TXT "a  b" c\n  # done\n'
    assert zone("apply", "example.com", "-", stdin=batch).code == 0
    assert zone("show", "k.example.com").out == 'k.example.com. 3600 TXT "v=DKIM1; k=rsa"\n'
    assert zone("show", "q.example.com").out == 'q.example.com. 3600 TXT "a  b" "c"\n'


@pytest.mark.parametrize("login", ["", "nobody", "anonymous", "reader", "a b", "a\nb", "a\x1b", "\udcff"])
def test_names_that_no_account_may_have(xz: Run, tmp_path: Path, login: str) -> None:
    assert xz("init", "--admin", login).code == 2
    assert list(tmp_path.iterdir()) == []
    assert xz("init").code == 0
    assert xz("user", "add", login).code == 2
    assert len(xz("user", "list").out.splitlines()) == 3


def test_an_account_that_nobody_can_have_is_not_found(zone: Run) -> None:
    assert zone("user", "caps", "a\nb", "--read").code == 5


@pytest.mark.parametrize("name", ["a b", "a~1", "a@b", "a\n", "\udcff", "main-fork-0123456789abcdef"])
def test_names_that_no_branch_or_tag_may_have(zone: Run, name: str) -> None:
    before = zone("log").out
    assert zone("branch", "example.com", name).code == 2
    assert zone("tag", "example.com", name).code == 2
    assert zone("zone", "add", "example.org", "-b", name).code == 2
    assert zone("show", "www.example.com", "--at", f"{name}/x").code in (2, 5)
    assert zone("log").out == before


def test_a_tag_stays_where_it_was_put(zone: Run) -> None:
    first = zone("tag", "example.com", "v1")
    tip = zone("zone", "list").out.split()[2]
    assert first.out == f"example.com/v1 {tip}\n"
    assert "nothing changed" in zone("tag", "example.com", "v1").err
    zone("set", "www.example.com", "A", "192.0.2.7")
    moved = zone("tag", "example.com", "v1")
    assert moved.code == 3
    assert tip in moved.err
    told = json.loads(zone("--format", "json", "tag", "example.com", "v2", "main~1").out)
    assert told["tag"] == "example.com/v2"
    assert told["checkin"].startswith(tip)


def test_a_branch_with_a_slash_can_be_named(zone: Run) -> None:
    assert zone("branch", "example.com", "a/b").code == 0
    assert zone("set", "www.example.com", "A", "192.0.2.7", "-b", "a/b").code == 0
    assert "192.0.2.7" in zone("show", "www.example.com", "--at", "a/b").out
    assert "192.0.2.1" in zone("show", "www.example.com", "--at", "example.com/a/b~1").out


def test_a_revision_without_a_base_is_of_the_branch_worked_on(zone: Run) -> None:
    zone("branch", "example.com", "test")
    zone("set", "www.example.com", "A", "192.0.2.7", "-b", "test")
    zone("set", "www.example.com", "A", "192.0.2.8", "-b", "test")
    assert zone("reset", "example.com", "~1", "-b", "test").code == 0
    assert "192.0.2.7" in zone("show", "www.example.com", "--at", "test").out
    assert zone("tag", "example.com", "v1", "-b", "test").code == 0
    assert "192.0.2.7" in zone("show", "www.example.com", "--at", "v1").out


def test_reset_begins_no_branch(zone: Run) -> None:
    failed = zone("reset", "example.com", "main", "-b", "typo")
    assert failed.code == 5
    assert "xferzone branch" in failed.err
    assert "typo" not in zone("branch", "example.com").out


def test_a_closed_branch_is_closed_once_and_one_that_is_not_there_never(zone: Run) -> None:
    zone("branch", "example.com", "test")
    assert zone("branch", "example.com", "test", "--close").code == 0
    assert "nothing changed" in zone("branch", "example.com", "test", "--close").err
    assert zone("branch", "example.com", "tset", "--close").code == 5


def test_what_was_removed_can_still_be_looked_at(zone: Run) -> None:
    zone("zone", "remove", "example.com")
    assert "[removed]" in zone("log", "example.com", "-n", "1").out
    assert "192.0.2.1" in zone("show", "www.example.com", "--at", "main~1").out
    assert zone("zone", "export", "example.com", "--at", "main~1").code == 0
    for words in (("zone", "export", "example.com"), ("blame", "example.com"), ("show", "www.example.com")):
        failed = zone(*words)
        assert (failed.code, failed.out) == (5, "")
        assert "None" not in failed.err
    assert "example.com/main" in zone("branch", "example.com").out
    assert zone("reset", "example.com", "main~1").out.split()[-1] == "6"


@pytest.mark.parametrize("count", ["0", "-1", "x"])
def test_a_log_has_at_least_one_line(zone: Run, count: str) -> None:
    assert zone("log", "-n", count).code == 2


def test_what_others_wrote_cannot_steer_the_terminal(zone: Run) -> None:
    zone("set", "www.example.com", "A", "192.0.2.7", "-m", "one\ntwo\x1b[2J \udcff", "--as", "a\x07b")
    shown = zone("log", "example.com", "-n", "1").out
    assert len(shown.splitlines()) == 1
    assert "one two" in shown
    assert not {"\x1b", "\x07", "\udcff"} & set(shown)
    assert "\x07" not in zone("blame", "example.com").out
    assert json.loads(zone("--format", "json", "log", "-n", "1").out)["checkins"][0]["comment"].startswith(
        "one\ntwo"
    )


@pytest.mark.parametrize(
    ("editor", "said"), [("/no/such/editor", "No such file"), ("'", "quotation"), ("rm", "No such file")]
)
def test_an_editor_that_fails(
    zone: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, editor: str, said: str
) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("EDITOR", editor)
    failed = zone("edit", "example.com")
    assert failed.code == 1
    assert said in failed.err
    assert "nothing was stored" in failed.err


def test_a_draft_is_left_only_where_it_is_needed(
    zone: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafts = tmp_path / "drafts"
    drafts.mkdir()
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(drafts))
    monkeypatch.setenv("EDITOR", "true")
    assert zone("edit", "example.com").code == 0
    monkeypatch.setenv("EDITOR", "sed -i s/192.0.2.25/192.0.2.26/")
    assert zone("edit", "example.com").code == 0
    assert list(drafts.iterdir()) == []
    monkeypatch.setenv("EDITOR", "sed -i s/192.0.2.26/bad/")
    assert zone("edit", "example.com").code == 6
    assert len(list(drafts.iterdir())) == 1


def test_an_owner_too_long_for_a_zone_s_name(zone: Run) -> None:
    owner = ".".join(["\\001" * 60] * 3)
    assert zone("set", f"{owner}.example.com", "A", "192.0.2.1").code == 0
    assert "192.0.2.1" in zone("show", f"{owner}.example.com").out


def test_a_dry_run_of_every_verb_that_writes(zone: Run) -> None:
    zone("set", "www.example.com", "A", "192.0.2.7")
    zone("branch", "example.com", "test")
    before = zone("log").out
    for words, come in (
        (("delete", "mail.example.com"), 0), (("reset", "example.com", "main~1"), 1), (("tag", "example.com", "t"), 0),
        (("branch", "example.com", "b"), 0), (("branch", "example.com", "test", "--close"), 0),
        (("zone", "remove", "example.com"), 0), (("zone", "add", "x.example"), 2),
    ):  # fmt: skip
        dry = zone("--format", "json", *words, "--dry-run")
        assert dry.code == 0, words
        assert "nothing was stored" in dry.err
        actions = [change["action"] for change in json.loads(dry.out)["changes"]]
        assert actions.count("add") == come, words
    assert zone("log").out == before


def test_faults_and_warnings_name_the_file(zone: Run, tmp_path: Path) -> None:
    (tmp_path / "bad").write_text("@ 60 SOA ns1 h 1 2 3 4 5\n@ 60 NS ns1\nw 60 CNAME a\nw 60 A 192.0.2.1\n")
    assert "bad line 4: " in zone("zone", "import", "example.com", "bad").err
    assert "warning: example.org. NS leads to" in zone("zone", "add", "example.org").err


SOA = "60 IN SOA a.x. b.x. 1 2 3 4 5\n"


@pytest.mark.parametrize(
    ("text", "zone_name"),
    [
        (f"example.org. {SOA}example.org. 60 NS a.x.\n", "example.org."),
        (f"www.example.org. 60 A 192.0.2.1\nexample.org. {SOA}example.org. 60 NS a.x.\n", "example.org."),
        (f"@ {SOA}@ 60 NS a.x.\n$ORIGIN sub.example.com.\nx 60 A 192.0.2.1\n", "example.com."),
        (f"$TTL 60\n$origin example.org.\n@ {SOA}@ NS a.x.\n", "example.org."),
        (f"$ORIGIN org.\nexample {SOA}example 60 NS a.x.\n", "example.org."),
        (f"$ORIGIN .\norg {SOA}org 60 NS a.x.\n", "org."),
        (f"; dig\n. {SOA}. 60 NS a.x.\na.x. 60 A 192.0.2.1\n", "."),
        ("@ SOA a.x. b.x. ( 1 2\n3 4 5 )\n 60 NS a.x.\n", "example.com."),
    ],
)
def test_zone_check_finds_the_zone_s_name(xz: Run, tmp_path: Path, text: str, zone_name: str) -> None:
    (tmp_path / "example.com.zone").write_text(text)
    done = xz("zone", "check", "example.com.zone")
    assert done.out.split(maxsplit=1)[:1] == [zone_name], done.err


def test_a_long_command_line_is_not_kept_whole_as_comment(zone: Run) -> None:
    assert zone("set", "example.com", "TXT", "x" * 5000).code == 0
    assert len(zone("log", "example.com", "-n", "1").out) < 400


@pytest.mark.parametrize(
    "name", ["", "@", "a..example.com", "ü.example.com", "a b.example.com", "g" * 64, "\udcff"]
)
def test_what_is_no_name(zone: Run, name: str) -> None:
    for words in (
        ("set", name, "A", "192.0.2.1"),
        ("show", name),
        ("delete", name),
        ("blame", "example.com", name),
    ):
        assert zone(*words).code == 2, words


@pytest.mark.parametrize("size", range(241, 258))
def test_a_name_near_the_bound_is_set_or_refused_in_words(zone: Run, size: int) -> None:
    name = ".".join(["a" * 63, "b" * 63, "c" * 63, "d" * (size - 194)])
    for words in (
        ("x.example.com", "CNAME", name),
        ("y.example.com", "MX", "10", f"{name}."),
        ("z.example.com", "SRV", "1", "1", "1", name),
    ):
        done = zone("set", *words)
        assert done.code == (0 if size <= 255 else 6)
        if done.code:
            assert "255" in done.err
    assert zone("set", name, "A", "192.0.2.1").code == (5 if size <= 255 else 2)


def test_an_soa_that_lacks_its_final_dot_names_the_zone_all_the_same(xz: Run, tmp_path: Path) -> None:
    (tmp_path / "export.txt").write_text(f"example.org {SOA}example.org. 60 NS a.x.\n")
    failed = xz("zone", "check", "export.txt")
    assert failed.code == 6
    assert (
        "export.txt line 1: example.org is read as example.org.example.org: write example.org." in failed.err
    )
