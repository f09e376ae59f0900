"""`reflog` shows who moved a branch, and by which door."""

import json
from pathlib import Path

from tests.cli.conftest import Run
from tests.live import serving
from xferzone.artifacts import CheckIn, FileCard
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Store, brought


def doors(run: Run, *words: str) -> list[tuple[int, object, str, str]]:
    moves = json.loads(run(*words, "--format", "json").out)["moves"]
    return [(move["number"], move["serial"], move["login"], move["door"]) for move in moves]


def test_the_name_of_a_branch_is_no_hint_to_add_a_zone(zone: Run) -> None:
    done = zone("reflog", "example.com/main")
    assert (done.code, "zone add" in done.err) == (5, False)
    assert "example.com -b main" in done.err


def test_moves_are_shown_newest_first_with_who_made_them(zone: Run) -> None:
    zone("set", "www.example.com", "A", "300", "192.0.2.2", "--as", "bob")
    first, second = zone("reflog", "example.com").out.splitlines()
    assert first.startswith("2 example.com/main ")
    assert first.endswith(" bob cli")
    assert second.startswith("1 example.com/main ")
    assert second.endswith(" ann cli")
    assert zone("reflog", "example.com", "--limit", "1").out.splitlines() == [first]
    assert doors(zone, "reflog", "example.com") == [(2, 6, "bob", "cli"), (1, 5, "ann", "cli")]
    assert doors(zone, "reflog", "example.com", "--limit", "1") == [(2, 6, "bob", "cli")]


def test_a_branch_has_moves_of_its_own(zone: Run) -> None:
    zone("branch", "example.com", "test")
    assert doors(zone, "reflog", "example.com", "-b", "test") == [(2, 6, "ann", "cli")]


def test_what_never_moved_is_told(zone: Run) -> None:
    failed = zone("reflog", "example.com", "-b", "canarry")
    assert (failed.code, failed.out) == (5, "")
    assert "example.com has no branch canarry" in failed.err
    assert "no zone nosuch.org in this repository" in zone("reflog", "nosuch.org").err


def test_a_sync_is_a_pull(zone: Run, tmp_path: Path) -> None:
    assert zone("user", "caps", "nobody", "--read").code == 0
    with serving(tmp_path / "zones.xferzone", "serve") as server:
        assert zone("clone", server.url(), "c.xferzone").code == 0
    assert doors(zone, "-R", "c.xferzone", "reflog", "example.com") == [(1, 5, "ann", "pull")]


def test_what_waited_is_published_at_the_start(zone: Run, tmp_path: Path) -> None:
    path = tmp_path / "zones.xferzone"
    with Store.open(path) as store, store.writer() as writer:
        ref = LocalRefs(writer).get(BranchName("example.com", "main"))
        assert ref is not None
        manifest = writer.checkin(ref.checkin)
        file = writer.put(b"@ 300 SOA ns1 h 9 1 1 1 1\n@ 300 NS ns1\nns1 300 A 192.0.2.3\n")
        card = FileCard("example.com.zone", file)
        child = CheckIn("as before a crash", manifest.date_ms + 1, "eve", (card,), (ref.checkin,))
        writer.put(child.encode())
    with serving(path, "serve"):
        assert doors(zone, "reflog", "example.com")[0] == (2, 9, "ann", "start")


def test_log_show_and_blame_name_who_pushed_in_another_name(zone: Run, tmp_path: Path) -> None:
    with Store.open(tmp_path / "zones.xferzone") as store, store.writer() as writer:
        ref = LocalRefs(writer).get(BranchName("example.com", "main"))
        assert ref is not None
        brought.note(writer, [ref.checkin], brought.Bringer("e\x1bve", "push"))
    mark = "[pushed by e\ufffdve]"
    assert f" ann {mark}: " in zone("log", "example.com").out
    assert f" ann {mark}: " in zone("blame", "example.com", "www.example.com").out
    assert f"author: ann {mark}\n" in zone("show", ref.checkin).out
    (entry,) = json.loads(zone("log", "example.com", "--format", "json").out)["checkins"]
    assert (entry["author"], entry["login"], entry["door"]) == ("ann", "e\x1bve", "push")
    for record in json.loads(zone("blame", "example.com", "--format", "json").out)["records"]:
        assert (record["author"], record["login"], record["door"]) == ("ann", "e\x1bve", "push")
    zone("set", "www.example.com", "A", "192.0.2.2")
    entry = json.loads(zone("log", "example.com", "--format", "json").out)["checkins"][0]
    assert (entry["author"], entry["login"], entry["door"]) == ("ann", None, None)
