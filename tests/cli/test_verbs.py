"""The verbs as people type them: what they print, where, and with which exit code."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import EVERY_VERB, ZONE, Run
from xferzone.cli.settings import DEFAULT_REPOSITORY
from xferzone.cli.verbs import VERBS
from xferzone.store import Store, accounts


@pytest.mark.parametrize("verb", EVERY_VERB, ids=" ".join)
def test_every_verb_explains_itself_with_an_example(xz: Run, verb: tuple[str, ...]) -> None:
    shown = xz(*verb, "--help")
    assert shown.code == 0
    assert "Example" in shown.out
    assert f"xferzone {' '.join(verb)}" in shown.out or f"xferzone {verb[0]}" in shown.out
    assert xz("help", *verb).out == shown.out


def test_the_help_lists_every_verb_and_exit_code(xz: Run) -> None:
    shown = xz("--help").out
    for verb in VERBS:
        assert verb in shown
    for code in ("0", "1", "2", "3", "4", "5", "6", "7", "69", "75", "77"):
        assert f"\n    {code} " in shown
    assert xz("--version").out.startswith("xferzone")
    assert DEFAULT_REPOSITORY in shown


@pytest.mark.parametrize(
    ("verb", "meant"),
    [
        ("undo", "did you mean `xferzone reset ZONE main~1`?"),
        ("rm", "did you mean `xferzone delete`"),
        ("merge", "`fossil merge` in a check-out"),
        ("statsu", "did you mean `xferzone stat"),
        ("import", "did you mean `xferzone zone import ZONE FILE`"),
        ("export", "did you mean `xferzone zone export ZONE`?"),
        ("rollback", "did you mean `xferzone reset ZONE REV`?"),
        ("version", "did you mean `xferzone --version`?"),
        ("checkout", "did you mean `fossil open` in a directory"),
        ("timeline", "did you mean `xferzone log`?"),
        ("quux", "`xferzone --help` lists them"),
    ],
)
def test_an_unknown_verb_gets_a_suggestion(xz: Run, verb: str, meant: str) -> None:
    done = xz(verb, "example.com")
    assert done.code == 2
    assert f"there is no verb {verb}: " in done.err
    assert meant in done.err


def test_init_prints_login_and_password_once(xz: Run, tmp_path: Path) -> None:
    made = xz("init", "--admin", "root", "--project-code", "ab" * 20)
    assert made.code == 0
    first, second = made.out.splitlines()
    assert first == "admin: root"
    assert second.startswith("password: ")
    assert "zone add" in made.err
    again = xz("init")
    assert again.code == 3
    assert "exists already" in again.err
    assert (tmp_path / "zones.xferzone").stat().st_mode & 0o077 == 0
    with Store.open(tmp_path / "zones.xferzone") as store, store.reader() as reader:
        assert reader.project_code == "ab" * 20
        nobody = accounts.user(reader, "nobody")
        assert nobody is not None
        assert nobody.caps == ""


@pytest.mark.parametrize(
    "words", [("init", "--project-code", "xyz"), ("status",), ("zone", "list"), ("log",), ("up",)]
)
def test_no_verb_makes_a_file_but_init(xz: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    assert xz(*words).code in (2, 5)
    assert list(tmp_path.iterdir()) == []


def test_set_add_delete_and_show(zone: Run) -> None:
    done = zone("set", "www.example.com.", "A", "300", "192.0.2.7")
    assert done.code == 0
    assert done.out.splitlines()[-1].startswith("example.com/main ")
    assert done.out.split()[-2:] == ["serial", "6"]
    assert zone("show", "www.example.com", "A").out == "www.example.com. 300 A 192.0.2.7\n"
    assert zone("add", "www.example.com", "A", "192.0.2.8").code == 0
    assert zone("add", "WWW.example.com", "60", "AAAA", "2001:DB8::1").code == 0
    assert zone("show", "www.example.com").out.splitlines() == [
        "www.example.com. 300 A 192.0.2.7",
        "www.example.com. 300 A 192.0.2.8",
        "www.example.com. 60 AAAA 2001:db8::1",
    ]
    assert zone("delete", "www.example.com", "A", "192.0.2.7").code == 0
    assert zone("delete", "www.example.com", "AAAA").code == 0
    assert zone("show", "www.example.com").out == "www.example.com. 300 A 192.0.2.8\n"
    assert zone("delete", "www.example.com").code == 0
    assert zone("show", "www.example.com").code == 5


def test_the_serial_rises_by_one_and_nothing_changed_is_no_commit(zone: Run) -> None:
    assert zone("set", "www.example.com", "A", "192.0.2.7").out.split()[-1] == "6"
    same = zone("set", "www.example.com", "A", "192.0.2.7")
    assert (same.code, same.out) == (0, "")
    assert "nothing changed" in same.err
    assert zone("add", "www.example.com", "A", "192.0.2.7").out == ""
    assert zone("set", "www.example.com", "A", "192.0.2.8").out.split()[-1] == "7"
    soa = zone("show", "example.com", "SOA").out.split()
    assert soa[5] == "7"


def test_the_floor_of_the_serial_is_raised_by_set(zone: Run) -> None:
    soa = ("set", "example.com", "SOA", "ns1.example.net.", "hostmaster.example.net.")
    assert zone(*soa, "100", "7200", "3600", "1209600", "300").out.split()[-1] == "100"
    assert zone(*soa, "50", "7200", "3600", "1209600", "300").out.split()[-1] == "101"
    far = ("7200", "3600", "1209600", "300")
    assert zone(*soa, str(2**31 + 50), *far).out.split()[-1] == str(2**31 + 50)
    assert zone(*soa, "7", *far, "--serial-jump").out.split()[-1] == "7"
    assert "--serial-jump" not in zone("set", "--help").out


def test_comments_survive(zone: Run) -> None:
    zone("set", "www.example.com", "A", "192.0.2.7")
    zone("set", "mail.example.com", "600", "A", "192.0.2.26")
    text = zone("zone", "export", "example.com").out
    assert "www 300 A 192.0.2.7 ; the web server\n" in text
    assert "; mail goes here\nmail 600 A 192.0.2.26\n" in text


def test_text_is_quoted_for_people(zone: Run) -> None:
    assert zone("set", "example.com", "TXT", "v=spf1", "mx", "-all").code == 0
    assert zone("show", "example.com", "TXT").out == 'example.com. 3600 TXT "v=spf1 mx -all"\n'


def test_a_dry_run_shows_and_stores_nothing(zone: Run) -> None:
    shown = zone("set", "www.example.com", "A", "192.0.2.7", "--dry-run")
    assert shown.code == 0
    assert "-www 300 A 192.0.2.1" in shown.out
    assert "+www 300 A 192.0.2.7" in shown.out
    assert zone("show", "www.example.com", "A").out.endswith("192.0.2.1\n")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("set", "www.example.com", "A", "999.0.2.1"), 6, "A"),
        (("set", "www.example.com", "NOTYPE", "x"), 2, "NOTYPE"),
        (("set", "www.example.com"), 2, "type is missing"),
        (("set", "www.example.com", "A"), 2, "data is missing"),
        (("set", "www.elsewhere.org", "A", "192.0.2.1"), 5, "no zone here contains"),
        (("add", "www.example.com", "CNAME", "example.net"), 6, "CNAME"),
        (("delete", "nothing.example.com"), 5, "it has no records"),
        (("delete", "www.example.com", "MX"), 5, "it has A"),
        (("delete", "example.com", "NS"), 6, "NS"),
        (("zone", "add", "example.com"), 3, "is there already"),
        (("zone", "import", "example.org", "example.com.zone"), 5, "zone add"),
        (("zone", "export", "example.org"), 5, "example.org"),
        (("zone", "remove", "example.org"), 5, "example.org"),
        (("zone", "add", "a..b"), 2, "a..b"),
        (("zone", "add", "new.example", "--from", "missing"), 1, "missing"),
        (("log", "example.org"), 5, "example.org"),
        (("reset", "example.com", "beef"), 5, "beef"),
        (("reset", "example.com", "main~99"), 5, "go back"),
        (("diff", "example.com", "no-such-tag"), 5, "no-such-tag"),
        (("show", "example.com", "MX"), 5, "it has"),
        (("user", "caps", "stranger", "--read"), 5, "stranger"),
        (("user", "add", "nobody"), 2, "nobody"),
        (("user", "caps", "ops", "!"), 2, "letters"),
        (("nonsense",), 2, "nonsense"),
        (("-R", "example.com.zone", "status"), 1, "is not an xferzone repository"),
    ],
)
def test_mistakes_are_named_with_their_exit_code(
    zone: Run, words: tuple[str, ...], code: int, said: str
) -> None:
    before = zone("log").out
    failed = zone(*words)
    assert (failed.code, failed.out) == (code, "")
    assert said in failed.err
    assert zone("log").out == before


def test_an_invalid_file_is_refused_with_every_line(zone: Run, tmp_path: Path) -> None:
    (tmp_path / "bad").write_text(ZONE + "x A 1.2.3\n$INCLUDE other\ny CNAME x\ny A 192.0.2.1\n")
    for words in (
        ("zone", "import", "example.com", "bad"),
        ("zone", "check", "bad", "--zone", "example.com"),
    ):
        failed = zone(*words)
        assert failed.code == 6
        assert "bad line 7" in failed.err
        assert "bad line 8" in failed.err


def test_zone_check_needs_no_repository(xz: Run, tmp_path: Path) -> None:
    (tmp_path / "example.com.zone").write_text(ZONE)
    assert xz("zone", "check", "example.com.zone").out == "example.com. 4 records, 0 warnings\n"
    assert xz("zone", "check", "-", "--zone", "example.com", stdin=ZONE).code == 0
    assert xz("zone", "check", "-", stdin=ZONE).code == 2


def test_apply_is_one_check_in(zone: Run) -> None:
    batch = "# a batch\nset www.example.com A 192.0.2.7\n\nadd www.example.com A 192.0.2.8\ndelete mail.example.com\n"
    done = zone("apply", "example.com", "-", "-m", "the batch", stdin=batch)
    assert done.out.split()[-1] == "6"
    assert len(zone("log", "example.com").out.splitlines()) == 2
    assert "ann: the batch" in zone("log", "example.com", "-n", "1").out
    failed = zone(
        "apply", "example.com", "-", stdin="set www.example.com A 192.0.2.9\nadd www.example.com A bad\n"
    )
    assert failed.code != 0
    assert "line 2" in failed.err
    assert zone("show", "www.example.com").out.count("192.0.2.9") == 0


def test_reset_is_an_undo_that_goes_forward(zone: Run) -> None:
    zone("set", "www.example.com", "A", "192.0.2.7")
    undone = zone("reset", "example.com", "main~1")
    assert undone.out.split()[-1] == "7"
    assert zone("show", "www.example.com").out == "www.example.com. 300 A 192.0.2.1\n"
    assert zone("diff", "example.com", "main~2").out == ""


def test_revisions_and_diff(zone: Run) -> None:
    zone("set", "www.example.com", "A", "192.0.2.7")
    assert zone("diff", "example.com").out == "-www 300 A 192.0.2.1\n+www 300 A 192.0.2.7\n"
    assert zone("tag", "example.com", "before", "main~1").code == 0
    zone("set", "www.example.com", "A", "192.0.2.8")
    assert zone("diff", "example.com", "before").out == "-www 300 A 192.0.2.1\n+www 300 A 192.0.2.8\n"
    assert (
        zone("diff", "example.com", "before", "main~1").out == "-www 300 A 192.0.2.1\n+www 300 A 192.0.2.7\n"
    )
    assert zone("diff", "example.com", "@2000-01-01").code == 5
    full = json.loads(zone("--format", "json", "log", "example.com").out)["checkins"]
    assert (
        zone("diff", "example.com", full[1]["checkin"][:12], full[0]["checkin"])
        .out.splitlines()[1]
        .startswith("+www")
    )
    assert zone("show", "www.example.com", "A", "--at", "before").out.endswith("192.0.2.1\n")
    assert zone("tag", "example.com", "main").code == 2


def test_blame_names_who_brought_each_record(zone: Run) -> None:
    zone("set", "www.example.com", "A", "192.0.2.7", "--as", "bob")
    lines = zone("blame", "example.com").out.splitlines()
    assert len(lines) == 4
    assert [line for line in lines if "bob" in line and "www 300 A 192.0.2.7" in line]
    assert [line for line in lines if "ann" in line and "mail" in line]
    assert len(zone("blame", "example.com", "www.example.com").out.splitlines()) == 1


def test_branches(zone: Run) -> None:
    assert zone("branch", "example.com", "test").code == 0
    assert zone("set", "www.example.com", "A", "192.0.2.7", "-b", "test").code == 0
    assert zone("show", "www.example.com").out.endswith("192.0.2.1\n")
    assert zone("show", "www.example.com", "--at", "test").out.endswith("192.0.2.7\n")
    assert [line.split()[0] for line in zone("branch", "example.com").out.splitlines()] == [
        "example.com/main",
        "example.com/test",
    ]
    assert zone("branch", "example.com", "test").code == 3
    assert zone("tag", "example.com", "test").code == 2
    assert zone("branch", "example.com", "test", "--close").code == 0
    assert "closed" in zone("branch", "example.com").out.splitlines()[1]


def test_remove_and_add_again_goes_on_with_the_serial(zone: Run) -> None:
    zone("set", "www.example.com", "A", "192.0.2.7")
    assert zone("zone", "remove", "example.com").code == 0
    assert zone("zone", "list").out == ""
    assert zone("show", "www.example.com").code == 5
    added = zone("zone", "add", "example.com", "--from", "example.com.zone")
    assert int(added.out.split()[-1]) > 6
    assert zone("zone", "list").out.split()[0] == "example.com."


def test_export_and_import_elsewhere_are_the_same_file(zone: Run, tmp_path: Path) -> None:
    zone("set", "www.example.com", "A", "192.0.2.7")
    text = zone("zone", "export", "example.com").out
    zone("-R", "other", "init")
    assert zone("-R", "other", "zone", "add", "example.com", "--from", "-", stdin=text).code == 0
    assert zone("-R", "other", "zone", "export", "example.com").out == text


def test_zone_add_without_a_file_can_be_served(zone: Run) -> None:
    added = zone("zone", "add", "new.example")
    assert added.code == 0
    assert "warning" in added.err
    assert zone("show", "new.example", "SOA").code == 0


def test_a_name_belongs_to_the_longest_zone(zone: Run) -> None:
    zone("zone", "add", "sub.example.com")
    zone("set", "www.sub.example.com", "A", "192.0.2.7")
    assert "www" not in zone("diff", "example.com", "main~0").out
    assert "+www 3600 A 192.0.2.7" in zone("diff", "sub.example.com").out


def test_accounts(zone: Run) -> None:
    made = zone("user", "add", "alice", "--read")
    assert made.out.splitlines()[0] == "login: alice"
    assert zone("user", "add", "alice").code == 3
    assert zone("user", "caps", "nobody", "--read").code == 0
    assert zone("user", "passwd", "alice", "--password-stdin", stdin="secret\n").code == 0
    listed = dict(line.split() for line in zone("user", "list").out.splitlines())
    assert listed == {"alice": "gop", "anonymous": "-", "nobody": "go", "ops": "s"}
    assert zone("user", "remove", "alice").code == 0
    assert zone("user", "remove", "alice").code == 5


def test_status_check_rebuild_and_stats(zone: Run) -> None:
    status = zone("status").out
    assert "published: 1 zone, 1 branch\n" in status
    assert "listening: nobody" in status
    assert zone("check").code == 0
    before = zone("log", "example.com").out
    assert zone("rebuild").code == 0
    assert zone("log", "example.com").out == before
    assert zone("check").code == 0
    assert "artifacts:" in zone("stats").out


def test_json_is_json(zone: Run) -> None:
    for words in (
        ("zone", "list"), ("log",), ("status",), ("stats",), ("check",), ("user", "list"),
        ("diff", "example.com"), ("blame", "example.com"), ("show", "www.example.com"), ("branch", "example.com"),
        ("set", "www.example.com", "A", "192.0.2.9"), ("set", "www.example.com", "A", "192.0.2.9"),
    ):  # fmt: skip
        assert json.loads(zone("--format", "json", *words).out) is not None
