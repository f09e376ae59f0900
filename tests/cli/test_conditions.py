"""Scripts that run more than once: --if-missing, --if-exists, and the exit codes without them."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run

URL = "https://dns.example.net/"


@pytest.mark.parametrize(
    "words",
    [
        ("init",),
        ("zone", "add", "example.org"),
        ("user", "add", "alice", "--write"),
        ("remote", "add", "backup", URL),
        ("tag", "example.com", "v1"),
        ("branch", "example.com", "test"),
    ],
    ids=" ".join,
)
def test_what_exists_is_3_and_with_if_missing_0(zone: Run, words: tuple[str, ...]) -> None:
    if words != ("init",):
        first = zone(*words, "--if-missing")
        assert first.code == 0
        assert "nothing changed" not in first.err
    zone("set", "www.example.com", "A", "192.0.2.7")
    log, accounts, remotes = zone("log").out, zone("user", "list").out, zone("remote").out
    failed = zone(*words)
    assert (failed.code, failed.out) == (3, "")
    done = zone(*words, "--if-missing")
    assert (done.code, done.out) == (0, "")
    assert done.err.endswith(": nothing changed\n")
    assert zone(*words, "--if-missing", "--format", "json").code == 0
    assert (zone("log").out, zone("user", "list").out, zone("remote").out) == (log, accounts, remotes)
    assert "--if-missing" in zone(*words[:2], "--help").out


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (("zone", "add", "example.org"), ("zone", "remove", "example.org")),
        (("user", "add", "alice"), ("user", "remove", "alice")),
        (("remote", "add", "backup", URL), ("remote", "remove", "backup")),
        (("set", "old.example.com", "A", "192.0.2.1"), ("delete", "old.example.com")),
        (("set", "old.example.com", "A", "192.0.2.1"), ("delete", "old.example.com", "A")),
        (("set", "old.example.com", "A", "192.0.2.1"), ("delete", "old.example.com", "A", "192.0.2.1")),
    ],
    ids=str,
)
def test_what_does_not_exist_is_5_and_with_if_exists_0(
    zone: Run, made: tuple[str, ...], words: tuple[str, ...]
) -> None:
    for _ in range(2):
        assert zone(*words).code == 5
        done = zone(*words, "--if-exists")
        assert (done.code, done.out) == (0, "")
        assert done.err.endswith(": nothing changed\n")
        assert zone(*made).code == 0
        done = zone(*words, "--if-exists")
        assert done.code == 0
        assert "nothing changed" not in done.err
    assert "--if-exists" in zone(*words[:2], "--help").out


def test_a_delete_with_if_exists_still_deletes_what_is_there(zone: Run) -> None:
    zone("add", "www.example.com", "A", "192.0.2.9")
    assert zone("delete", "www.example.com", "A", "192.0.2.1", "--if-exists").code == 0
    assert zone("show", "www.example.com", "A").out == "www.example.com. 300 A 192.0.2.9\n"


def test_a_zone_that_is_not_here_is_no_record_that_is_gone(zone: Run) -> None:
    assert zone("delete", "www.example.org", "--if-exists").code == 5
    assert zone("delete", "www.example.com", "--if-exists", "-z", "example.org").code == 5


def test_conditions_do_not_hide_other_errors(zone: Run, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    failed = zone("-R", "mine", "init", "--if-missing")
    assert failed.code == 1
    assert "is not an xferzone repository" in failed.err
    zone("tag", "example.com", "v1")
    assert zone("branch", "example.com", "v1", "--if-missing").code == 2
    assert zone("tag", "example.com", "main", "--if-missing").code == 2
    assert zone("zone", "add", "a..b", "--if-missing").code == 2
    assert zone("branch", "example.com", "x", "--close", "--if-missing").code == 2
    assert zone("remote", "add", "x", URL, "--replace", "--if-missing").code == 2
    assert zone("delete", "example.com", "NS", "--if-exists").code == 6


def test_a_program_reads_that_nothing_changed(zone: Run) -> None:
    made = json.loads(zone("--format", "json", "set", "www.example.com", "A", "192.0.2.7").out)
    same = json.loads(zone("--format", "json", "zone", "add", "example.com", "--if-missing").out)
    assert (same["checkin"], same["serial"]) == (None, made["serial"])
    assert zone("--format", "json", "zone", "add", "example.com").code == 3


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("zone", "import", "example.com", "nosuch.zone"), 1),
        (("zone", "import", "example.com", "."), 1),
        (("zone", "check", "nosuch.zone"), 1),
        (("apply", "example.com", "nosuch"), 1),
        (("backup", "example.com.zone"), 3),
        (("clone", URL, "example.com.zone"), 3),
        (("clone", "--password-file", "nosuch", "https://ann@dns.example.net/"), 3),
        (("clone", "--password-file", "nosuch", "https://ann@dns.example.net/", "c.xferzone"), 1),
        (("pull", "--password-file", "example.com.zone", URL), 2),
        (("pull", "https://ann@127.0.0.1:1/"), 77),
        (("user", "add", "bob", "--password-stdin"), 1),
        (("zone", "add", "example.org", "-b", "main~1"), 2),
    ],
    ids=str,
)
def test_2_is_for_a_command_line_that_cannot_be_meant_and_1_for_a_file(
    zone: Run, words: tuple[str, ...], code: int
) -> None:
    failed = zone(*words)
    assert failed.code == code, failed.err
    assert "xferzone: " in failed.err
