"""Unversioned files between stock and ours, either way round: stock's client finds in our server what it finds in its
own, with the same words, and our client leaves both servers alike.
"""

import json
import random
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.live import Done, Person, serving, stock_server
from xferzone.repository import make
from xferzone.store import Store, accounts, unversioned

pytestmark = pytest.mark.interop

CODE: Final = "5e" * 20
RIGHTS: Final = {"dev": "gioy", "ro": "go"}
KINDS: Final = ("stock", "ours")
_TELLING: Final = re.compile("UV-|Unversioned-file|Warning|Error|Server says|Unable")
Url = Callable[[str], str]


@contextmanager
def stock(place: Path) -> Iterator[tuple[Path, Url]]:
    person = Person(place / "admin", "admin")
    path = place / "server.fossil"
    person.fossil("new", path)
    for login, rights in RIGHTS.items():
        person.fossil("user", "new", login, "", f"pw-{login}", "-R", path)
        person.fossil("user", "capabilities", login, rights, "-R", path)
    person.fossil("uv", "ls", "-R", path)  # else it answers the first file with an error: it has no table
    with stock_server(person, path) as url:
        yield path, lambda login: url.replace("://", f"://{login}:pw-{login}@")


@contextmanager
def ours(place: Path) -> Iterator[tuple[Path, Url]]:
    path = place / "server.xferzone"
    make.make(path, admin="ops", project_code=CODE, now_ms=1_790_000_000_000)
    with Store.open(path) as store, store.writer() as writer:
        for login, rights in RIGHTS.items():
            accounts.put_user(writer, login, f"pw-{login}", rights)
    with serving(path, "serve") as server:
        yield path, lambda login: server.url(login, f"pw-{login}")


SERVERS: Final = {"stock": stock, "ours": ours}


def told(out: str) -> list[str]:
    """What people are told of files, in an order of its own: stock sends by rows, we by names."""
    lines = re.split("[\r\n]+", out)
    return sorted(line.strip() for line in lines if _TELLING.search(line))


def story(place: Path, url: Url) -> list[object]:
    """What two stock clients do with a server, and what they are told."""
    dev, ro = Person(place / "dev", "dev"), Person(place / "ro", "ro")
    said: list[object] = []

    def sync(person: Person, *words: str) -> None:
        verb = words or ("uv", "sync", "-v")
        done = person.fossil(*verb, "-R", "c.fossil", code=None)
        said.append(
            (person.name, verb, told(done.out), person.fossil("uv", "ls", "-l", "-R", "c.fossil").out)
        )
        said.append(person.fossil("uv", "hash", "-R", "c.fossil").out)

    def put(person: Person, name: str, text: str, date: str) -> None:
        (person.home / "file").write_text(text)
        person.fossil("uv", "add", "file", "--as", name, "--mtime", date, "-R", "c.fossil")

    for person in (dev, ro):
        said.append(told(person.clone(url(person.name), person.home / "c.fossil", "-u").out))
    put(dev, "notes.txt", "first\n", "2024-01-01")
    put(dev, "maps/site.svg", "<svg/>\n" * 50, "2024-01-02")
    put(dev, "empty", "", "2024-01-02")
    sync(dev)
    sync(ro)
    sync(ro)
    put(dev, "notes.txt", "second\n", "2024-02-01")
    put(ro, "notes.txt", "an older change\n", "2024-01-15")
    put(ro, "own.txt", "never to leave\n", "2024-01-15")
    sync(dev)
    sync(ro)
    sync(ro, "uv", "revert", "-v")
    dev.fossil("uv", "rm", "maps/site.svg", "--mtime", "2024-03-01", "-R", "c.fossil")
    sync(dev)
    sync(ro, "sync", "-u", "-v")
    dev.fossil("uv", "touch", "notes.txt", "--mtime", "2024-03-02", "-R", "c.fossil")
    sync(dev)
    sync(ro)
    for person, text in ((dev, "one of a tie\n"), (ro, "another one\n")):
        put(person, "tie", text, "2024-04-01")
        sync(person)
    sync(dev)
    return said


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[object]]:
    found = {}
    for kind in KINDS:
        place = tmp_path_factory.mktemp(kind)
        with SERVERS[kind](place) as (_, url):
            found[kind] = story(place, url)
    return found


def test_stock_is_told_by_our_server_what_it_is_told_by_its_own(stories: dict[str, list[object]]) -> None:
    assert len(stories["stock"]) == len(stories["ours"])
    for theirs, own in zip(stories["stock"], stories["ours"], strict=True):
        assert own == theirs


def test_what_was_compared_holds_every_kind_of_line(stories: dict[str, list[object]]) -> None:
    text = repr(stories["stock"])
    for word in (
        "UV-PULL:",
        "UV-PUSH:",
        "UV-PUSH-MTIME-ONLY:",
        "UV-PULL-MTIME-ONLY:",
        "Unversioned-file sent",
    ):
        assert word in text


@pytest.mark.parametrize("kind", KINDS)
def test_our_client_with_either_server(tmp_path: Path, kind: str) -> None:
    ann, bob = Person(tmp_path / "ann", "ann"), Person(tmp_path / "bob", "bob")
    with SERVERS[kind](tmp_path) as (path, url):
        for person in (ann, bob):
            person.xferzone("clone", "-u", url("dev"), "c.xferzone")

        def xz(person: Person, *words: str, code: int = 0) -> Done:
            return person.xferzone("-R", "c.xferzone", *words, code=code)

        (ann.home / "notes.txt").write_text("first\n")
        (ann.home / "more.txt").write_text("more\n")
        xz(ann, "uv", "put", "notes.txt", "more.txt")
        assert "sent 2" in xz(ann, "uv", "sync", url("dev")).out
        assert "received 2 unversioned files" in xz(bob, "sync", "-u", url("dev")).out
        assert xz(bob, "uv", "cat", "notes.txt").out == "first\n"
        (bob.home / "notes.txt").write_text("second\n")
        xz(bob, "uv", "put", "notes.txt")
        xz(bob, "uv", "rm", "more.txt")
        assert "sent 2" in xz(bob, "uv", "sync", url("dev")).out
        xz(ann, "uv", "sync", url("dev"))
        listed = [
            json.loads(xz(person, "uv", "ls", "--format", "json").out)["files"] for person in (ann, bob)
        ]
        assert listed[0] == listed[1]
        assert [each["name"] for each in listed[0]] == ["notes.txt"]
        assert xz(ann, "uv", "cat", "notes.txt").out == "second\n"
        again = json.loads(xz(ann, "uv", "sync", url("dev"), "--format", "json").out)
        assert (again["rounds"], again["uv_received"], again["uv_sent"]) == (1, 0, 0)
        (ann.home / "kept.txt").write_text("for here\n")
        xz(ann, "uv", "put", "kept.txt")
        refused = xz(ann, "uv", "sync", url("ro"), code=77)
        assert "takes no unversioned files from this account" in refused.err
        held = ann.fossil("uv", "hash", "-R", path).out.strip() if kind == "stock" else _hash(path)
        assert held == _hash(bob.home / "c.xferzone")


@pytest.mark.parametrize("client", KINDS)
@pytest.mark.parametrize("kind", KINDS)
def test_files_beyond_the_budget_of_a_reply_come_in_several(tmp_path: Path, kind: str, client: str) -> None:
    ann = Person(tmp_path / "ann", "ann")
    noise = random.Random(7)
    names = [f"f{number}" for number in range(4)]
    for name in names:
        (ann.home / name).write_bytes(noise.randbytes(2_000_000))
    with ExitStack() as held:
        path, url = held.enter_context(SERVERS[kind](tmp_path))
        ann.fossil("clone", url("dev"), "first.fossil")
        ann.fossil("uv", "add", *names, "-R", "first.fossil")
        ann.fossil("uv", "sync", url("dev"), "-R", "first.fossil")
        if client == "stock":
            ann.clone(url("ro"), ann.home / "c.fossil", "-u")
            ann.fossil("uv", "sync", "-R", "c.fossil")
            assert (
                ann.fossil("uv", "hash", "-R", "c.fossil").out
                == ann.fossil("uv", "hash", "-R", "first.fossil").out
            )
        else:
            done = ann.xferzone("clone", "-u", url("ro"), "c.xferzone", "--format", "json")
            assert json.loads(done.out)["uv_received"] == 4
            assert (
                _hash(ann.home / "c.xferzone") == ann.fossil("uv", "hash", "-R", "first.fossil").out.strip()
            )
        if kind == "ours":
            assert _hash(path) == ann.fossil("uv", "hash", "-R", "first.fossil").out.strip()


def _hash(path: Path) -> str:
    with Store.open(path) as store, store.reader() as reader:
        return unversioned.catalogue_hash(reader)
