"""What strangers stumbled over in their first week: each message names what they meant."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("show", "no.example.com"), 5, "no.example.com. has no records in example.com"),
        (("show", "example.com", "MX"), 5, "example.com. has no such record in example.com: it has NS, SOA"),
        (("delete", "no.example.com"), 5, "no.example.com. has no such record: it has no records"),
        (("zone", "add", "new.test", "new.zone"), 2, "(new.zone): the zone's file is named by --from FILE"),
        (("zone", "check", "example.com", "f"), 2, "(f): the zone is named by --zone ZONE"),
        (("zone", "check", "example.com"), 1, "`xferzone zone export example.com | xferzone zone check -`"),
        (("zone", "export", "example.com", "v1"), 2, "(v1): a version or a branch is named by --at REV"),
        (("zone", "export", "example.com", "-b", "x"), 2, ": a version or a branch is named by --at REV"),
        (("show", "www.example.com", "-b", "x"), 2, ": a version or a branch is named by --at REV"),
        (("show", "www.example.com", "--rev", "x"), 2, ": a version or a branch is named by --at REV"),
        (("log", "nob"), 5, "nob is not a zone or a branch here"),
        (("diff", "example.com/canary", "main"), 5, "a branch is named behind its zone: example.com canary"),
        (("apply", "example.com"), 1, "the changes are read from a file, or with - from standard input"),
        (("zone", "add", "example.com"), 3, "`--if-missing` leaves them"),
    ],
)
def test_a_message_names_what_was_meant(zone: Run, words: tuple[str, ...], code: int, said: str) -> None:
    failed = zone(*words)
    assert (failed.code, failed.out) == (code, "")
    assert said in failed.err


def test_a_zone_is_checked_as_the_message_says(zone: Run) -> None:
    exported = zone("zone", "export", "example.com").out
    checked = zone("zone", "check", "-", stdin=exported)
    assert (checked.code, checked.out.split()[0]) == (0, "example.com.")


def test_a_batch_that_runs_twice(zone: Run) -> None:
    lines = "set new.example.com A 192.0.2.9\ndelete www.example.com\n"
    assert zone("apply", "-", "--if-exists", stdin=lines).code == 0
    refused = zone("apply", "-", stdin=lines)
    assert (refused.code, "line 2: www.example.com. has no such record" in refused.err) == (5, True)
    again = zone("apply", "-", "--if-exists", stdin=lines)
    assert (again.code, "nothing changed" in again.err + again.out) == (0, True)
    assert zone("apply", "-", "--if-exists", stdin="delete www.nosuch.org\n").code == 5


def test_an_editor_that_is_not_there(zone: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VISUAL", "/nonexistent")
    failed = zone("edit", "example.com")
    assert failed.code == 1
    assert "/nonexistent: No such file or directory: set VISUAL or EDITOR; nothing was stored" in failed.err


def test_restore_says_what_is_not_a_backup(zone: Run, tmp_path: Path) -> None:
    missing = zone("restore", str(tmp_path / "none"))
    assert (missing.code, missing.err.split(": ")[1:2]) == (5, [f"no backup at {tmp_path / 'none'}"])
    other = tmp_path / "text"
    other.write_text("no database")
    failed = zone("restore", str(other))
    assert failed.code == 1
    assert f"{other} is not a backup: it is not a database of SQLite" in failed.err
    assert zone("show", "example.com", "SOA").code == 0


def test_a_missing_final_dot_is_told_once(zone: Run, tmp_path: Path) -> None:
    text = "$TTL 60\n@ SOA ns hostmaster 1 1 1 1 1\n@ NS ns\nns A 192.0.2.1\n@ MX 1 mail.example.net\n"
    (tmp_path / "z").write_text(text)
    done = zone("zone", "add", "example.net", "--from", str(tmp_path / "z"))
    (warning,) = [line for line in done.err.splitlines() if line.startswith("warning: ")]
    assert warning.endswith("is a final dot missing? write mail.example.net.")
