"""What killed processes leave of new files is swept by the next one, and nothing else is."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from xferzone.store import Store, leftovers

PROJECT = "0123456789abcdef0123456789abcdef01234567"
KILLED = """
import os, signal, sys
from pathlib import Path
from xferzone.store import newfile
if sys.argv[2] == "linked":  # killed between the link and the end of the directory
    newfile.shutil.rmtree = lambda *words, **more: os.kill(os.getpid(), signal.SIGKILL)
from xferzone.store import Store
with Store.making(Path(sys.argv[1])) as store:
    with store.writer() as writer:
        writer.set_setting("project-code", "01234567" * 5)
    if sys.argv[2] == "begun":
        os.kill(os.getpid(), signal.SIGKILL)
    if sys.argv[2] == "waits":
        print(flush=True)
        sys.stdin.read()
"""


def making(path: Path, how: str) -> "subprocess.Popen[bytes]":
    words = [sys.executable, "-c", KILLED, str(path), how]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def left(directory: Path) -> list[str]:
    return sorted(each.name for each in directory.iterdir() if "unfinished" in each.name)


@pytest.mark.parametrize("how", ["begun", "linked"])
def test_what_a_killed_process_leaves_is_swept_by_the_next_of_any_name(tmp_path: Path, how: str) -> None:
    with making(tmp_path / "one.xferzone", how) as killed:
        assert killed.wait(60) == -signal.SIGKILL
    assert len(left(tmp_path)) == 1
    Store.create(tmp_path / "two.xferzone", PROJECT).close()
    assert left(tmp_path) == []


def test_a_file_that_was_linked_by_a_killed_process_opens(tmp_path: Path) -> None:
    path = tmp_path / "one.xferzone"
    with making(path, "linked") as killed:
        assert killed.wait(60) == -signal.SIGKILL
    assert path.stat().st_nlink == 2
    with Store.open(path) as store, store.reader() as reader:
        assert reader.project_code
    assert (path.stat().st_nlink, left(tmp_path)) == (1, [])


def test_what_a_living_process_makes_is_left_to_it(tmp_path: Path) -> None:
    with making(tmp_path / "one.xferzone", "waits") as alive:
        assert alive.stdout is not None
        assert alive.stdout.readline() == b"\n"
        Store.create(tmp_path / "two.xferzone", PROJECT).close()
        assert len(left(tmp_path)) == 1
        alive.communicate(timeout=60)
    assert (tmp_path / "one.xferzone").exists()
    assert left(tmp_path) == []


def test_nothing_of_others_is_swept(tmp_path: Path) -> None:
    ours = tmp_path / ".a-unfinished-0123abcd"
    strange = [".a-unfinished-mine", ".a-unfinished-0123ABCD", "a-unfinished-0123abcd"]
    for name in (ours.name, *strange):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a").touch()
    other = tmp_path / ".b-unfinished-0123abcd"
    other.mkdir()
    (other / "thesis").touch()
    (tmp_path / ".c-unfinished-0123abcd").touch()
    (tmp_path / ".d-unfinished-0123abcd").symlink_to(other)
    leftovers.sweep(tmp_path)
    kept = {*strange, other.name, ".c-unfinished-0123abcd", ".d-unfinished-0123abcd"}
    assert {each.name for each in tmp_path.iterdir()} == kept
    leftovers.sweep(tmp_path / "nowhere")


def test_who_is_swept_before_there_is_a_lock_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, swept = tempfile.mkdtemp, list[str]()

    def made_and_swept(prefix: str, dir: Path) -> str:
        made = make(prefix=prefix, dir=dir)
        if not swept:
            swept.append(made)
            leftovers.sweep(dir)
        return made

    monkeypatch.setattr(tempfile, "mkdtemp", made_and_swept)
    directory, lock = leftovers.made(tmp_path / "z.xferzone")
    os.close(lock)
    assert swept != [str(directory)]
    assert directory.is_dir()
