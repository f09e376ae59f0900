"""Compiled files that processes share: one mapping where they are large, gone when their zone moves on."""

import fcntl
import os
import tempfile
from pathlib import Path

import dns.name
import pytest

from xferzone.dnsd.parts import SHARED, Parts, shared_directory
from xferzone.errors import XferzoneError
from xferzone.zone.index import Index, compile_index
from xferzone.zonefile.record import Record

SMALL = compile_index([Record(b"www", 60, 1, b"abcd")], dns.name.from_text("example.test."))
LARGE = compile_index(
    [Record(b"h%d" % number, 60, 16, b"\xc8" + bytes(200)) for number in range(200)],
    dns.name.from_text("example.test."),
)


class Store:
    """Files by number, and which were read."""

    def __init__(self) -> None:
        self.read: list[int] = []
        self.contents = {1: SMALL, 2: LARGE}

    def __call__(self, number: int) -> bytes:
        self.read.append(number)
        return self.contents[number]


def test_a_large_file_is_read_once_for_all(tmp_path: Path) -> None:
    assert len(SMALL) < SHARED < len(LARGE)
    store = Store()
    first, second = Parts(tmp_path), Parts(tmp_path)
    for each in (first, second, first):
        assert each.get(1, store).find(b"\3www") is not None
        assert each.get(2, store).find(b"\3h77") == Index(LARGE).find(b"\3h77")
    assert store.read == [1, 2, 1]
    assert [path.name for path in tmp_path.iterdir()] == ["2"]
    assert first.size == second.size == len(SMALL) + len(LARGE)


def test_what_is_dropped_stays_with_those_who_have_it(tmp_path: Path) -> None:
    store = Store()
    first, second = Parts(tmp_path), Parts(tmp_path)
    held = second.get(2, store)
    first.get(2, store)
    first.drop([1, 2, 3])
    assert (list(tmp_path.iterdir()), first.size) == ([], 0)
    assert held.find(b"\3h77") is not None
    assert first.get(2, store) is not held
    assert store.read == [2, 2]


@pytest.mark.parametrize("left", [b"", b"damaged", LARGE[:-1]])
def test_a_shared_file_that_is_not_whole_is_made_anew(tmp_path: Path, left: bytes) -> None:
    (tmp_path / "2").write_bytes(left)
    assert Parts(tmp_path).get(2, Store()).find(b"\3h77") is not None
    assert (tmp_path / "2").read_bytes() == LARGE


def test_where_nothing_can_be_written_each_has_its_own(tmp_path: Path) -> None:
    store = Store()
    for where in (None, tmp_path / "missing"):
        assert Parts(where).get(2, store).find(b"\3h77") is not None
    assert store.read == [2, 2]
    assert list(tmp_path.iterdir()) == []


def test_damage_is_told(tmp_path: Path) -> None:
    store = Store()
    store.contents[2] = LARGE[:-1]
    with pytest.raises(XferzoneError, match="damaged"):
        Parts(tmp_path).get(2, store)


def test_the_directory_goes_with_the_server_and_what_killed_ones_left_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    left = tmp_path / "xferzone-parts-left"
    left.mkdir()
    (left / "held").touch()
    with shared_directory() as made:
        assert made is not None
        assert (made.stat().st_mode & 0o777, left.exists()) == (0o700, False)
        with shared_directory() as other:
            assert made.exists()
            assert other not in (made, None)
        with (made / "held").open("rb") as held, pytest.raises(BlockingIOError):
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(tempfile, "tempdir", os.fspath(tmp_path / "missing"))
    with shared_directory() as none:
        assert none is None


def test_what_others_left_there_keeps_no_server_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipe would be waited at for ever; a directory of somebody else's is his."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pipe, link = tmp_path / "xferzone-parts-pipe", tmp_path / "xferzone-parts-link"
    for each in (pipe, link):
        each.mkdir()
    os.mkfifo(pipe / "held")
    (link / "held").symlink_to("/etc/passwd")
    with shared_directory() as made:
        assert made is not None
    assert link.exists()
    theirs = tmp_path / "xferzone-parts-theirs"
    theirs.mkdir()
    (theirs / "held").touch()
    own = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: own + 1)
    with shared_directory():
        assert theirs.exists()
