"""uv put, get, cat, ls, rm: files without a history, from the command line."""

import base64
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from xferzone.hashing import artifact_id
from xferzone.store import Store, schema

ONE = b"one\n"


def names(zone: Run) -> list[str]:
    return [each["name"] for each in json.loads(zone("uv", "ls", "--format", "json").out)["files"]]


def test_what_is_put_is_read_listed_and_replaced(zone: Run, tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    for name in ("notes.txt", "maps/site.svg"):
        (tmp_path / name).write_bytes(ONE)
    told = zone("uv", "put", "notes.txt", "maps/site.svg").out
    assert told == "notes.txt: put, 4 bytes\nmaps/site.svg: put, 4 bytes\n"
    assert zone("uv", "put", "-", "--as", "typed", stdin="typed\n").code == 0
    assert names(zone) == ["maps/site.svg", "notes.txt", "typed"]
    assert zone("uv", "get", "notes.txt").out == "one\n"
    assert zone("uv", "cat", "typed").out == "typed\n"
    assert zone("uv", "get", "notes.txt", "copy").out == ""
    assert (tmp_path / "copy").read_bytes() == ONE
    again = zone("uv", "put", "notes.txt")
    assert (again.code, again.err) == (0, "notes.txt: nothing changed\n")
    (tmp_path / "notes.txt").write_bytes(b"two\n")
    told = json.loads(zone("uv", "put", "notes.txt", "--format", "json").out)["files"]
    assert [(each["name"], each["changed"], each["size"]) for each in told] == [("notes.txt", True, 4)]
    lines = zone("uv", "ls").out.splitlines()
    assert [line.split()[-1] for line in lines] == ["maps/site.svg", "notes.txt", "typed"]
    assert lines[0].startswith(artifact_id(ONE)[:16])
    some = zone("uv", "ls", "m*", "t?p[a-z]d").out.splitlines()
    assert [line.split()[-1] for line in some] == ["maps/site.svg", "typed"]
    assert zone("uv", "ls", "NOTES*").err == "no unversioned file has such a name\n"
    told = json.loads(zone("uv", "get", "notes.txt", "--format", "json").out)
    assert base64.b64decode(told["content_base64"]) == b"two\n"
    assert zone("check").code == 0


def test_what_is_removed_is_gone_and_can_come_back(zone: Run) -> None:
    zone("uv", "put", "-", "--as", "a", stdin="one\n")
    assert zone("uv", "rm", "a").out == "a: removed\n"
    assert names(zone) == []
    gone = zone("uv", "get", "a")
    assert (gone.code, "there is no unversioned file a" in gone.err) == (5, True)
    assert zone("uv", "rm", "a").code == 5
    assert zone("uv", "rm", "a", "--if-exists").code == 0
    assert zone("uv", "put", "-", "--as", "a", stdin="one\n").code == 0
    assert names(zone) == ["a"]


def test_octets_go_in_and_out_as_they_are(zone: Run, tmp_path: Path) -> None:
    octets = bytes(range(256)) * 4
    (tmp_path / "octets").write_bytes(octets)
    zone("uv", "put", "octets")
    zone("uv", "get", "octets", "copy")
    assert (tmp_path / "copy").read_bytes() == octets


@pytest.mark.parametrize("name", ["/tmp/x", "a b", "../x", "./x", "a//b", "a\\b", "x/", "\U0001f600", "a\nb"])
def test_a_name_that_no_card_carries_is_refused_with_a_remedy(zone: Run, name: str) -> None:
    done = zone("uv", "put", "-", "--as", name, stdin="x")
    assert (done.code, "give --as NAME" in done.err) == (2, True)
    assert names(zone) == []


def test_what_cannot_be_meant(zone: Run, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    assert zone("uv", "put", "nosuch").code == 5
    assert zone("uv", "put", "directory").code == 2
    assert zone("uv", "put", "a", "b", "--as", "c").code == 2
    assert zone("uv", "put", "-", "--as", "n" * 1001).code == 2
    assert zone("uv", "sync").code == 5  # no origin
    assert "uv put FILE" in zone("uv", "ls").err


def test_a_mirror_takes_no_changes(zone: Run, tmp_path: Path) -> None:
    zone("uv", "put", "-", "--as", "a", stdin="one\n")
    with Store.open(tmp_path / "zones.xferzone") as store, store.writer() as writer:
        writer.set_setting("role", schema.MIRROR)
    for words in (("put", "-", "--as", "b"), ("rm", "a")):
        done = zone("uv", *words, stdin="x")
        assert (done.code, "this is a mirror" in done.err) == (7, True)
    assert zone("uv", "cat", "a").out == "one\n"
