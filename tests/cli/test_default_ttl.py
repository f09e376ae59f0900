"""The default TTL of a zone on the command line."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run

TOLD = "default TTL 3600 -> 300; no record changes, all of them state theirs"


def test_what_is_exported_comes_back_as_the_same_zone(zone: Run, tmp_path: Path) -> None:
    exported = zone("zone", "export", "example.com").out
    assert exported.splitlines()[:2] == ["$ORIGIN example.com.", "$TTL 3600"]
    again = zone("zone", "import", "example.com", "-", stdin=exported)
    assert (again.code, again.err) == (0, "example.com/main: nothing changed\n")
    other = ("-R", str(tmp_path / "other.xferzone"))
    zone(*other, "init")
    zone(*other, "zone", "add", "example.com", "--from", "-", stdin=exported)
    assert zone(*other, "zone", "export", "example.com").out == exported
    zone("zone", "add", ".", "--from", "-", stdin="$TTL 5\n. SOA a. b. 1 2 3 4 5\n. NS a.\n")
    assert zone("zone", "export", ".").out.startswith("$ORIGIN .\n$TTL 5\n@ 5 SOA a b 1 2 3 4 5\n")


def test_another_default_ttl_is_told_by_every_verb(zone: Run) -> None:
    text = zone("zone", "export", "example.com").out.replace("$TTL 3600", "$TTL 300")
    dry = zone("zone", "import", "example.com", "-", "--dry-run", stdin=text)
    assert (dry.out, TOLD in dry.err) == ("-$TTL 3600\n+$TTL 300\n", True)
    done = zone("zone", "import", "example.com", "-", stdin=text)
    assert done.out.splitlines()[:-1] == [TOLD]
    assert zone("diff", "example.com").out == "-$TTL 3600\n+$TTL 300\n"
    as_json = json.loads(zone("diff", "example.com", "--format", "json").out)
    assert (as_json["changes"], as_json["default_ttl_before"], as_json["default_ttl_after"]) == (
        [],
        3600,
        300,
    )
    back = json.loads(zone("reset", "example.com", "main~1", "--format", "json").out)
    assert (back["changes"], back["default_ttl_before"], back["default_ttl_after"]) == ([], 300, 3600)
    assert zone("set", "n.example.com", "A", "192.0.2.1").out.splitlines()[0] == "+n 3600 A 192.0.2.1"


def test_the_text_to_edit_has_the_default_ttl(zone: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("EDITOR", "sed -i 's/^$TTL 3600$/$TTL 300/'")
    assert zone("edit", "example.com").out.splitlines()[:-1] == [TOLD]


def test_reserved_tags_are_refused(zone: Run) -> None:
    for tag in ("sig-1", "approve-x", "policy-", "v1-fork-0123456789abcdef"):
        refused = zone("tag", "example.com", tag)
        assert refused.code == 2, tag
        assert "reserved; choose another" in refused.err
    assert zone("branch", "example.com", "main-fork-0123456789abcdef").code == 2
    assert zone("tag", "example.com", "signed").code == 0
