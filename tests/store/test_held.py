"""A repository's name and the file behind it: replaced, moved, removed, linked; and what may not be written to."""

import ast
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from xferzone.errors import Busy, NotFound, ReadOnly, Replaced, XferzoneError
from xferzone.store import Store, walnote
from xferzone.store.held import HeldFile, identity
from xferzone.store.walnote import ForeignLog


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "z.xferzone"
    Store.create(file).close()
    return file


def setting(store: Store, name: str = "mark") -> str | None:
    with store.reader() as reader:
        return reader.setting(name)


def mark(store: Store, value: str) -> None:
    with store.writer() as writer:
        writer.set_setting("mark", value)


def copy_of(path: Path, name: str) -> Path:
    made = path.with_name(name)
    with Store.open(path) as store:
        store.back_up(made)
    return made


LOST: dict[str, Callable[[Path], object]] = {
    "replaced": lambda path: copy_of(path, "other").replace(path),
    "moved": lambda path: path.rename(path.with_name("elsewhere")),
    "removed": lambda path: path.unlink(),
    "linked": lambda path: path.with_name("second").hardlink_to(path),
}


@pytest.mark.parametrize("how", LOST)
def test_nothing_is_stored_in_a_file_that_lost_its_name_before_the_commit(path: Path, how: str) -> None:
    with Store.open(path) as store:
        mark(store, "before")

        def write() -> None:
            with store.writer() as writer:
                writer.set_setting("mark", "lost")
                LOST[how](path)

        with pytest.raises(Replaced, match="nothing was stored"):
            write()
        files = [each for each in path.parent.iterdir() if each.suffix not in (".of",) and each.is_file()]
        for file in [each for each in files if not each.name.endswith(("-wal", "-shm"))]:
            with sqlite3.connect(file.as_uri() + "?mode=ro&immutable=1", uri=True) as db:
                rows = db.execute(
                    "SELECT value FROM setting WHERE name = 'mark' AND value = 'lost'"
                ).fetchall()
            assert rows == []


def test_a_file_that_lost_its_name_during_the_commit_is_not_acknowledged(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = copy_of(path, "other")
    checks: list[str] = []
    check = HeldFile.check

    def replaced_after_the_first(self: HeldFile, done: str) -> None:
        check(self, done)
        if not checks:
            other.replace(path)
        checks.append(done)

    monkeypatch.setattr(HeldFile, "check", replaced_after_the_first)
    with Store.open(path) as store, pytest.raises(Replaced, match="make it again"):
        mark(store, "lost")


def test_a_sound_repository_of_the_project_that_took_the_name_is_opened(path: Path) -> None:
    other = copy_of(path, "other")
    with Store.open(other) as there:
        mark(there, "the other one")
    with Store.open(path) as store:
        mark(store, "the first one")
        with Store.open(path) as idle:  # a second process's, say
            assert setting(idle) == "the first one"
        walnote.log_of(path).unlink()  # as if nothing were open: the log belongs to the first one
        other.replace(path)
        assert store.follow()
        assert setting(store) == "the other one"
        mark(store, "again")
        assert not store.follow()
    with Store.open(path) as store:
        assert setting(store) == "again"


@pytest.mark.parametrize("what", ["text", "another project", "nothing"])
def test_what_cannot_be_served_in_its_place_is_refused_until_it_is_gone(path: Path, what: str) -> None:
    kept = path.with_name("kept")
    with Store.open(path) as store:
        mark(store, "mine")
        path.rename(kept)
        if what == "text":
            path.write_text("no database\n" * 100)
        elif what == "another project":
            Store.create(path.with_name("strange")).close()
            path.with_name("strange").rename(path)
        expected = NotFound if what == "nothing" else XferzoneError
        for _ in range(2):
            with pytest.raises(expected):
                store.follow()
            with pytest.raises(expected), store.reader():
                pass
        kept.replace(path)
        assert setting(store) == "mine"


def test_a_symbolic_link_is_followed_wherever_it_leads(path: Path) -> None:
    link, other = path.with_name("link"), copy_of(path, "other")
    link.symlink_to(path)
    with Store.open(link) as store:
        mark(store, "through the link")
        assert not link.with_name("link-wal").exists()
        assert not link.with_name("link-wal.of").exists()
        with Store.open(path) as direct:
            assert setting(direct) == "through the link"
        replacement = path.with_name("new link")
        replacement.symlink_to(other)
        replacement.replace(link)
        assert setting(store) is None
        mark(store, "in the other one")
    with Store.open(other) as store:
        assert setting(store) == "in the other one"
    with Store.open(path) as store:
        assert setting(store) == "through the link"


def test_a_second_hard_link_is_refused_and_a_removed_one_forgiven(path: Path) -> None:
    second = path.with_name("second")
    second.hardlink_to(path)
    for name in (path, second):
        with pytest.raises(XferzoneError, match=r"more than one name \(hard links\).*symbolic link"):
            Store.open(name)
    second.unlink()
    Store.open(path).close()


def killed(path: Path) -> None:
    """A process that wrote, and was killed before it closed the repository."""
    program = (
        "import os, sys; from pathlib import Path; from xferzone.store import Store\n"
        "store = Store.open(Path(sys.argv[1]))\n"
        "with store.writer() as writer: writer.set_setting('mark', 'in the log')\n"
        "os._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path)], check=True)
    assert walnote.log_of(path).stat().st_size > 0
    assert walnote.note_of(path).exists()


def moved(backup: Path, path: Path) -> None:
    backup.replace(path)


def copied(backup: Path, path: Path) -> None:
    path.write_bytes(backup.read_bytes())  # as `cp` does: the inode stays


@pytest.mark.parametrize("put", [moved, copied])
def test_the_log_of_another_file_is_refused_before_sqlite_replays_it(
    path: Path, put: Callable[[Path, Path], None]
) -> None:
    backup = copy_of(path, "backup")
    killed(path)
    put(backup, path)
    before = path.read_bytes(), walnote.log_of(path).read_bytes()
    for _ in range(2):
        with pytest.raises(ForeignLog, match=r"restore .* repair --accept-wal"):
            Store.open(path)
    assert (path.read_bytes(), walnote.log_of(path).read_bytes()) == before


def test_a_log_without_a_note_and_the_own_log_are_taken(path: Path) -> None:
    killed(path)
    with Store.open(path) as store:
        assert setting(store) == "in the log"
    killed(path)
    walnote.note_of(path).unlink()
    with Store.open(path) as store:
        assert setting(store) == "in the log"
        assert walnote.note_of(path).exists()


def test_a_note_of_another_run_of_the_machine_counts_by_its_inode(path: Path) -> None:
    killed(path)
    note = walnote.note_of(path)
    version, device, inode, boot, mark_ = note.read_text().split()
    note.write_text(f"{version} {int(device) + 1} {inode} {boot} {mark_}")
    with pytest.raises(ForeignLog):
        Store.open(path)
    note.write_text(f"{version} {int(device) + 1} {inode} earlier {mark_}")
    Store.open(path).close()


def test_the_last_one_to_close_leaves_one_file(path: Path) -> None:
    first, second = Store.open(path), Store.open(path)
    mark(first, "x")
    first.close()
    assert walnote.note_of(path).exists()
    second.close()
    assert list(path.parent.iterdir()) == [path]


def test_many_processes_that_come_and_go_never_take_a_log_for_a_stranger_s(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from xferzone.store import Store\n"
        "for _ in range(40):\n"
        "    with Store.open(Path(sys.argv[1])) as store, store.writer() as writer:\n"
        "        writer.set_setting('mark', str(int(writer.setting('mark') or 0) + 1))\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(path)]) for _ in range(4)]
    assert [each.wait() for each in running] == [0] * 4
    with Store.open(path) as store:
        assert setting(store) == "160"
    assert list(path.parent.iterdir()) == [path]


def as_nobody(seen: Callable[[], str | None]) -> str | None:
    """What `seen` gives in a process that may write nothing but what everybody may."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setresuid(65534, 65534, 65534)
            os.write(writer, repr(seen()).encode())
        except BaseException as exc:  # noqa: BLE001 - whatever it is, the parent asserts on it
            os.write(writer, repr(repr(exc)).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        found = ast.literal_eval(told.read())
    os.waitpid(child, 0)
    return found if found is None else str(found)


def seen_in(path: Path) -> str | None:
    with Store.open(path) as store:
        return setting(store)


READ = (
    "import sys; from pathlib import Path; from xferzone.store import Store\n"
    "with Store.open(Path(sys.argv[1])) as store, store.reader() as reader: print(reader.setting('mark'))\n"
)


@pytest.fixture
def readable() -> Iterator[Path]:
    """A repository that others may read, in a directory in which they may make files."""
    with tempfile.TemporaryDirectory() as directory:  # pytest keeps others out of its own
        path = Path(directory) / "z.xferzone"
        Store.create(path).close()
        with Store.open(path) as store:
            mark(store, "seen")
        path.chmod(0o644 if os.geteuid() == 0 else 0o444)
        path.parent.chmod(0o777)
        yield path


def test_a_reader_without_write_rights_leaves_nothing_beside_it(readable: Path) -> None:
    assert as_nobody(lambda: seen_in(readable)) == "seen"
    assert list(readable.parent.iterdir()) == [readable]


def test_a_reader_without_write_rights_sees_what_the_owner_has_in_the_log(readable: Path) -> None:
    with Store.open(readable) as store:
        mark(store, "in the log")
        assert as_nobody(lambda: seen_in(readable)) == "in the log"
        assert {each.stat().st_uid for each in readable.parent.iterdir()} == {os.geteuid()}
        mark(store, "written after")
    assert as_nobody(lambda: seen_in(readable)) == "written after"


def test_a_read_only_directory_is_read_and_a_write_says_why_not(path: Path) -> None:
    with Store.open(path) as store:
        mark(store, "seen")
    mounts = path.parent / "mounts.sh"
    mounts.write_text('mount -o bind,ro "$1" "$1" && shift && exec "$@"\n')
    write = READ.replace("reader()", "writer()").replace(
        "reader:", "reader: reader.set_setting('mark', 'x');"
    )
    for program, expected in ((READ, "seen\n"), (write, "permission to write")):
        argv = ["unshare", *(["-m"] if os.geteuid() == 0 else ["-r", "-m"]), "sh", mounts, path.parent]
        done = subprocess.run(
            [*map(str, argv), sys.executable, "-c", program, str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert expected in done.stdout + done.stderr


def test_what_was_read_without_locks_while_somebody_wrote_is_not_believed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "access", lambda *_args, **_words: False)
        frozen = Store.open(path)
    with frozen, Store.open(path) as owner:
        assert setting(frozen) is None

        def read() -> None:
            with frozen.reader() as reader:
                reader.setting("mark")
                mark(owner, "changed")

        with pytest.raises(Busy, match="was written while it was read"):
            read()
        assert setting(frozen) == "changed"  # opened anew, with the log


def test_writing_where_nothing_may_be_written_is_read_only(path: Path) -> None:
    walnote.log_of(path).mkdir()
    with pytest.raises(ReadOnly, match="its directory"):
        Store.open(path)


def test_the_look_at_the_name_costs_next_to_nothing(path: Path) -> None:
    file = HeldFile(path)
    assert file.identity == identity(path)
    began = time.process_time()
    for _ in range(1_000):
        file.check("")
    each = (time.process_time() - began) / 1_000
    file.release()
    assert each < 50e-6  # seconds; 2 us on a quiet machine


def test_a_whole_copy_has_a_note_of_another_file(path: Path, tmp_path: Path) -> None:
    killed(path)
    (tmp_path / "copy").mkdir()
    for each in path.parent.glob("z.xferzone*"):
        shutil.copy(each, tmp_path / "copy")
    with pytest.raises(ForeignLog):
        Store.open(tmp_path / "copy" / path.name)
