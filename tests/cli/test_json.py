"""docs/json.md against the program: every verb is on the page, and prints the fields that its tables say, no others."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import EVERY_VERB, ZONE, Run
from tests.live import serving
from xferzone.repository.make import make_mirror

PAGE = Path(__file__).parents[2] / "docs" / "json.md"
_ROW = re.compile(r"^\| `([^`]+)` \| *([^|]*?) *\|", re.MULTILINE)
_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

Rows = dict[str, str]  # the type of each field, by its path


def _sections() -> dict[str, Rows]:
    """The table of each heading of the page."""
    found = {}
    for part in PAGE.read_text("utf-8").split("\n## ")[1:]:
        heading, _, rest = part.partition("\n")
        found[heading] = dict(_ROW.findall(rest))
    return found


SECTIONS = _sections()
WRITES = "`set`, `add`, `delete`, `apply`, `edit`, `reset`, `zone add`, `zone import`, `zone remove`, `branch`, `tag`"
COMMON, RECORD = SECTIONS.pop("Every verb"), SECTIONS.pop("A record")


def _fits(value: object, type_: str) -> bool:
    if type_.endswith(" or null") and value is None:
        return True
    match type_.removesuffix(" or null"):
        case "name":
            return isinstance(value, str) and value.endswith(".")
        case "date":
            return isinstance(value, str) and _DATE.fullmatch(value) is not None
        case "id":
            return isinstance(value, str) and _ID.fullmatch(value) is not None
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, float | int) and not isinstance(value, bool)
    return type_ == "any"


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """What is in an object, by paths as the page writes them; an empty list is its own leaf."""
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _leaves(below, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for below in value:
            yield from _leaves(below, f"{path}[]")
    else:
        yield path, value


def _written_out(rows: Rows) -> Rows:
    """The rows of a section, with those of records and of commits for the words that stand for them."""
    all_rows: Rows = {}
    for path, type_ in rows.items():
        below = RECORD if path.endswith("RECORD") else SECTIONS[WRITES] if path.endswith("COMMIT") else None
        if below is None:
            all_rows[path] = type_
        else:
            all_rows |= {path[:-6] + field: kind for field, kind in _written_out(below).items()}
    return all_rows


def assert_as_described(out: str, heading: str) -> set[str]:
    """That each field is on the page and has its type. Returns the paths of the section that were there."""
    rows = COMMON | _written_out(SECTIONS[heading])
    shown = json.loads(out)
    assert shown["version"] == 1
    seen = set()
    for path, value in _leaves(shown):
        known = re.sub(r"^settings\.(?:dns\.rate|[^.]+)\.[^.]+\.([a-z]+).*", r"settings.SECTION.KEY.\1", path)
        known = re.sub(r"\bvalues\..*", "values.COLUMN", known)
        if value == [] and not any(row.startswith(known) for row in rows):
            raise AssertionError(f"{heading}: {path} is not on the page")
        if value != []:
            assert known in rows, f"{heading}: {path} is not on the page"
            assert _fits(value, rows[known]), f"{heading}: {path} is {value!r}, not {rows[known]}"
            seen.add(known)
    return seen


LOST = "5" * 64  # an artifact that nobody has

#: Command lines beside a repository with example.com, in this order, and the section that describes what they print.
LINES = [
    (WRITES, ["zone", "add", "two.example"]),
    (WRITES, ["set", "www.example.com", "A", "192.0.2.7"]),
    (WRITES, ["set", "www.example.com", "A", "192.0.2.7"]),
    (WRITES, ["add", "www.example.com", "MX", "5", "nowhere.example.com"]),
    (WRITES, ["delete", "www.example.com", "MX", "--dry-run"]),
    (WRITES, ["apply", "example.com", "changes"]),
    (WRITES, ["edit", "example.com"]),
    (WRITES, ["zone", "import", "example.com", "example.com.zone"]),
    (WRITES, ["reset", "example.com", "main~1"]),
    (WRITES, ["branch", "example.com", "test"]),
    (WRITES, ["branch", "example.com", "test", "--close"]),
    (WRITES, ["tag", "example.com", "v1"]),
    (WRITES, ["zone", "remove", "two.example"]),
    ("`apply` without a zone, `zone add` of many zones", ["zone", "add", "--from-dir", "zones"]),
    ("`apply` without a zone, `zone add` of many zones", ["apply", "changes"]),
    ("`branch` without a new name", ["branch"]),
    ("`tag` without a new name", ["tag"]),
    ("`zone list`", ["zone", "list"]),
    ("`zone export`", ["zone", "export", "example.com"]),
    ("`zone check`", ["zone", "check", "doubtful", "--zone", "example.com"]),
    ("`show`", ["show", "www.example.com"]),
    ("`diff`", ["diff", "example.com"]),
    ("`blame`", ["blame", "example.com"]),
    ("`log`", ["log"]),
    ("`log`", ["show", "example.com/main~1"]),
    ("`log`", ["log", "-p"]),
    ("`reflog`", ["reflog", "example.com"]),
    ("`status`", ["status"]),
    ("`promote`", ["promote"]),
    ("`check`", ["check"]),
    ("`rebuild`", ["rebuild"]),
    ("`repair`", ["repair"]),
    ("`shun add`", ["shun", "add", LOST]),
    ("`shun list`", ["shun", "list"]),
    ("`shun remove`", ["shun", "remove", LOST]),
    ("`backup`", ["backup", "copy.xferzone"]),
    ("`restore`", ["restore", "copy.xferzone"]),
    ("`optimize`", ["optimize"]),
    ("`export-fossil`", ["export-fossil", "copy.fossil"]),
    ("`import-fossil`", ["-R", "taken.xferzone", "import-fossil", "copy.fossil"]),
    ("`demote`", ["-R", "copy.xferzone", "demote", "https://dns.example.net/"]),
    ("`stats`", ["stats"]),
    ("`user add`, `user caps`, `user passwd`", ["user", "add", "bob"]),
    ("`user add`, `user caps`, `user passwd`", ["user", "caps", "bob", "g"]),
    ("`user add`, `user caps`, `user passwd`", ["user", "passwd", "bob"]),
    ("`rollover`", ["rollover", "young.xferzone"]),
    ("`user zones`, `user expire`", ["user", "zones", "bob", "example.com"]),
    ("`user zones`, `user expire`", ["user", "expire", "bob", "2027-01-31"]),
    ("`user list`", ["user", "list"]),
    ("`user remove`", ["user", "remove", "bob"]),
    ("`table define`", ["table", "define", "t", "--column", "k:text", "--column", "j:json", "--key", "k"]),
    ("`table put`", ["table", "put", "t", "k=a", 'j={"b": [1]}']),
    ("`table rows`", ["table", "rows", "t"]),
    ("`table list`", ["table", "list"]),
    ("`table rm`", ["table", "rm", "t", "a"]),
    ("`uv put`", ["uv", "put", "changes"]),
    ("`uv get`, `uv cat`", ["uv", "get", "changes"]),
    ("`uv get`, `uv cat`", ["uv", "get", "changes", "copied"]),
    ("`uv get`, `uv cat`", ["uv", "cat", "changes"]),
    ("`uv ls`", ["uv", "ls"]),
    ("`uv rm`", ["uv", "rm", "changes"]),
    ("`remote add`", ["remote", "add", "b", "https://b.example.net/"]),
    ("`remote list`, `remote`", ["remote", "list"]),
    ("`remote list`, `remote`", ["remote"]),
    ("`remote remove`", ["remote", "remove", "b"]),
    ("`remote remove`", ["remote", "remove", "b", "--if-exists"]),
    ("`init`", ["-R", "new.xferzone", "init"]),
    ("`config check`", ["config", "check"]),
    ("`config show`", ["config", "show"]),
    ("`config list`", ["config", "list"]),
    ("`help`", ["help", "zone"]),
    ("`help`", ["help", "set"]),
]  # fmt: skip

#: What only another end, a lost race or a damaged file brings; other tests have these.
RARE = re.compile(
    r"error\.|tag$|fork$|unsent_branches|unpublished|forks|listeners|invalid|incomplete|absent|withheld|diverged|messages|"
    r"damaged|repaired|dropped|faults|notices|warnings|stepped|moved\[\]|remotes|primaries|group\."
)


def test_every_verb_is_on_the_page() -> None:
    on_it = set(re.findall("`([^`]+)`", " ".join(SECTIONS)))
    assert {" ".join(words) for words in EVERY_VERB} - on_it == set()
    assert on_it - {" ".join(words) for words in EVERY_VERB} == {"remote"}  # which lists


@pytest.fixture
def lines(zone: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """Runs LINES. Returns what was seen of each section."""
    (tmp_path / "changes").write_text("set a.example.com A 192.0.2.1\n")
    (tmp_path / "doubtful").write_text(ZONE + "@ MX 5 nowhere\n")
    (tmp_path / "zones").mkdir()
    (tmp_path / "zones" / "README").write_text("no zone\n")
    (tmp_path / "zones" / "three.example").write_text(
        "@ 60 SOA ns h 1 2 3 4 5\n@ 60 NS ns.example.net.\n@ 60 MX 5 no\n"
    )
    editor = tmp_path / "editor"
    editor.write_text("#!/bin/sh\nsed -i 's/192.0.2.25/192.0.2.26/' \"$1\"\n")
    editor.chmod(0o755)
    monkeypatch.setenv("EDITOR", str(editor))
    seen: dict[str, set[str]] = {}
    for heading, words in LINES:
        done = zone("--format", "json", *words)
        assert done.code == 0, (words, done.err)
        seen.setdefault(heading, set()).update(assert_as_described(done.out, heading))
    return seen


def test_every_verb_prints_what_the_page_says_and_the_page_no_more(lines: dict[str, set[str]]) -> None:
    for heading, seen in lines.items():
        never = _written_out(SECTIONS[heading]).keys() - seen
        assert {path for path in never if not RARE.search(path)} == set(), heading


def test_a_clone_and_its_syncs_print_it_too(zone: Run, tmp_path: Path) -> None:
    heading = "`clone`, `sync`, `pull`, `push`, `uv sync`"
    assert zone("user", "caps", "nobody", "--read").code == 0
    with serving(tmp_path / "zones.xferzone", "serve") as server:
        seen = assert_as_described(zone("--format", "json", "clone", server.url(), "c.xferzone").out, heading)
        assert {"moved[].branch", "moved[].from", "moved[].to", "moved[].serial", "remote"} <= seen
        for words in (["sync"], ["pull"], ["uv", "sync"], ["sync", "-u"]):
            assert_as_described(zone("--format", "json", "-R", "c.xferzone", *words).out, heading)
        told = zone("--format", "json", "-R", "c.xferzone", "config", "pull", "all").out
        assert {"remote", "area", "received", "sent"} <= assert_as_described(
            told, "`config pull`, `config push`"
        )
        make_mirror(tmp_path / "m.xferzone")
        pulled = zone("--format", "json", "-R", "m.xferzone", "pull", server.url())
        assert {"moved[].branch", "remote"} <= assert_as_described(pulled.out, heading)
        stands = assert_as_described(zone("--format", "json", "-R", "m.xferzone", "status").out, "`status`")
        assert {"primaries[].url", "primaries[].last_success", "behind_seconds"} <= stands
        zone("-R", "c.xferzone", "set", "www.example.com", "A", "192.0.2.9")
        denied = zone("--format", "json", "-R", "c.xferzone", "push")
        assert denied.code == 77
        assert {"error.code", "error.message"} <= assert_as_described(denied.out, heading)
    status = zone("--format", "json", "-R", "c.xferzone", "status")
    assert "unsent_branches[].checkins" in assert_as_described(status.out, "`status`")


def test_an_edit_that_saves_what_it_found_prints_it_too(zone: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITOR", "true")
    done = zone("--format", "json", "edit", "example.com")
    assert done.code == 0
    assert {"branch", "serial", "zone"} <= assert_as_described(done.out, WRITES)
    told = json.loads(done.out)
    assert (told["checkin"], told["changes"], told["serial"]) == (None, [], 5)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["set", "www.example.com", "A", "192.0.2"], 6),
        (["set", "www.nosuch.org", "A", "192.0.2.1"], 5),
        (["set", "www.example.com"], 2),
        (["nosuch"], 2),
        (["log", "-n"], 2),
        (["log", "-n", "none"], 2),
        (["--nosuch"], 2),
        (["-R", "nosuch", "log"], 5),
        (["zone", "check", "bad", "--zone", "example.com"], 6),
        (["sync", "http://127.0.0.1:1/"], 69),
        (["-R", "nosuch/new", "init"], 5),
        (["dns", "--listen", "192.0.2.1:5300"], 1),
        (["help", "nosuch"], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_an_error_is_an_object(zone: Run, tmp_path: Path, words: list[str], code: int) -> None:
    (tmp_path / "bad").write_text(ZONE + "www 300 A 192.0.2.256\n")
    done = zone("--format", "json", *words)
    told = json.loads(done.out)
    assert (done.code, told["version"], told["error"]["code"]) == (code, 1, code)
    assert told.keys() == {"version", "error"}
    for path, value in _leaves(told):
        assert _fits(value, COMMON[path]), path
    assert told["error"]["message"].splitlines()[0][:60] in done.err
    if code == 6:
        assert told["error"]["faults"][0]["reason"]


def test_a_fault_has_its_file_and_line(zone: Run, tmp_path: Path) -> None:
    (tmp_path / "bad").write_text(ZONE + "www 300 A 192.0.2.256\n")
    done = zone("zone", "import", "example.com", "bad", "--format", "json")
    (fault,) = json.loads(done.out)["error"]["faults"]
    assert (fault["file"], fault["line"]) == ("bad", 7)
    assert "192.0.2.256" in fault["reason"]
