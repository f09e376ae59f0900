"""Each write says what it changed, in text and in JSON, and --strict stores nothing that is warned of."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import ZONE, Ran, Run

POOL = "".join(f"pool 300 A 192.0.2.{number}\n" for number in range(1, 61))


def changed(ran: Ran) -> list[str]:
    """The lines before the last one, which names the check-in."""
    assert ran.code == 0
    *lines, last = ran.out.splitlines()
    assert last.startswith("example.com/")
    return lines


def test_every_write_prints_what_it_changed_and_then_its_check_in(
    zone: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    www = "www 300 A 192.0.2"
    assert changed(zone("set", "www.example.com", "A", "192.0.2.7")) == [f"-{www}.1", f"+{www}.7"]
    assert changed(zone("add", "www.example.com", "A", "192.0.2.8")) == [f"+{www}.8"]
    assert changed(zone("delete", "www.example.com", "A", "192.0.2.7")) == [f"-{www}.7"]
    batch = "set www.example.com 60 A 192.0.2.8\nadd a.example.com 60 TXT a;b ; c\n"
    applied = changed(zone("apply", "example.com", "-", stdin=batch))
    assert applied == [f"-{www}.8", '+a 60 TXT "a;b ; c"', "+www 60 A 192.0.2.8"]
    imported = changed(zone("zone", "import", "example.com", "example.com.zone"))
    assert imported == ['-a 60 TXT "a;b ; c"', "-www 60 A 192.0.2.8", f"+{www}.1"]
    assert changed(zone("reset", "example.com", "main~1")) == [
        f"-{www}.1",
        '+a 60 TXT "a;b ; c"',
        "+www 60 A 192.0.2.8",
    ]
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "sed -i s/192.0.2.25/192.0.2.26/")
    edited = changed(zone("edit", "example.com"))
    assert edited == ["-mail 3600 A 192.0.2.25", "+mail 3600 A 192.0.2.26"]
    removed = changed(zone("zone", "remove", "example.com"))
    assert len(removed) == 5
    assert all(line.startswith("-") for line in removed)
    (tmp_path / "example.com.zone").write_text(ZONE)
    added = changed(zone("zone", "add", "example.com", "--from", "example.com.zone"))
    assert len(added) == 4
    assert all(line.startswith("+") for line in added)


def test_a_branch_and_a_tag_change_no_records(zone: Run) -> None:
    assert changed(zone("branch", "example.com", "test")) == []
    assert changed(zone("tag", "example.com", "now")) == []
    assert json.loads(zone("tag", "example.com", "then", "--format", "json").out)["changes"] == []


def test_comments_alone_are_no_changed_records(zone: Run) -> None:
    done = zone("zone", "import", "example.com", "-", stdin=ZONE.replace("; the web server", "; another"))
    assert changed(done) == []


def test_at_most_20_lines_are_printed_and_the_others_counted(zone: Run) -> None:
    grown = changed(zone("zone", "import", "example.com", "-", stdin=ZONE + POOL))
    assert len(grown) == 21
    assert grown[-1] == "... and 40 more added: --format json has all"
    renumbered = changed(
        zone("zone", "import", "example.com", "-", stdin=ZONE + POOL.replace("192.0.2", "198.51.100"))
    )
    assert sum(line[0] in "-+" for line in renumbered) == 20
    assert [line for line in renumbered if line[0] not in "-+"] == [
        "... and 50 more removed: --format json has all",
        "... and 50 more added: --format json has all",
    ]
    one = changed(zone("set", "pool.example.com", "A", "192.0.2.1", "--allow-loss"))
    assert one[-1] == "+pool 300 A 192.0.2.1"
    assert len([line for line in one if line.startswith("-")]) == 19


def test_json_has_every_change_and_warning(zone: Run) -> None:
    done = json.loads(
        zone("--format", "json", "zone", "import", "example.com", "-", stdin=ZONE + POOL + "@ MX 5 x").out
    )
    assert len(done["changes"]) == 61
    assert done["changes"][0] == {
        "action": "add",
        "name": "example.com.",
        "ttl": 3600,
        "type": "MX",
        "rdata": "5 x.example.com.",
        "rdata_hex": "00050178076578616d706c6503636f6d00",
    }
    assert done["warnings"] == [
        "standard input line 67: example.com. MX leads to x.example.com., which has no address in the zone"
    ]
    tried = json.loads(zone("--format", "json", "delete", "www.example.com", "--dry-run").out)
    assert (tried["checkin"], tried["dry_run"]) == (None, True)
    assert [change["action"] for change in tried["changes"]] == ["delete"]
    same = json.loads(zone("--format", "json", "add", "www.example.com", "A", "192.0.2.1").out)
    assert (same["checkin"], same["changes"], same["warnings"]) == (None, [], [])


@pytest.mark.parametrize(
    "words",
    [
        ("add", "example.com", "MX", "10", "nowhere.example.com"),
        ("set", "sub.example.com", "NS", "ns.sub.example.com"),
        ("delete", "mail.example.com", "A"),
        ("set", "example.com", "SOA", "a.example.net", "b.example.net", "3", "1", "1", "1", "1"),
        ("apply", "example.com", "batch"),
        ("zone", "import", "example.com", "doubtful"),
        ("zone", "add", "new.example"),
    ],
)
def test_strict_takes_a_warning_for_a_fault(zone: Run, tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "doubtful").write_text(f"{ZONE}x 300 A 192.0.2.1\nx 60 A 192.0.2.2\n")
    (tmp_path / "batch").write_text("set a.example.com A 192.0.2.2\nadd b.example.com MX 5 c.example.com\n")
    before = zone("log").out
    strict = zone(*words, "--strict")
    assert (strict.code, strict.out) == (6, "")
    assert strict.err.endswith("nothing was stored: --strict takes a warning for a fault\n")
    assert zone("log").out == before
    lenient = zone(*words)
    assert lenient.code == 0
    warning = lenient.err.splitlines()[0].removeprefix("warning: ")
    assert f"xferzone: {warning}\n" in strict.err


def test_strict_checks_a_file_that_is_not_stored(zone: Run) -> None:
    doubtful = f"{ZONE}x 300 A 192.0.2.1\nx 60 A 192.0.2.2\n"
    strict = zone("zone", "check", "-", "--zone", "example.com", "--strict", stdin=doubtful)
    assert strict.code == 6
    assert "standard input line 8: the TTLs of x.example.com. A differ" in strict.err
    assert strict.err.endswith("not valid: --strict takes a warning for a fault\n")
    assert zone("zone", "check", "-", "--zone", "example.com", "--strict", stdin=ZONE).code == 0


def test_strict_stores_what_nothing_is_warned_of(zone: Run) -> None:
    assert zone("set", "www.example.com", "A", "192.0.2.9", "--strict").code == 0
    assert zone("show", "www.example.com").out.endswith("192.0.2.9\n")
