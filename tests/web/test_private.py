"""Private branches of stock clients, at our server and at a stock one: the same words, the same artifacts."""

import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.live import Person, stock_server
from tests.web.conftest import served
from xferzone.hashing import artifact_id
from xferzone.store import Store, private

pytestmark = pytest.mark.interop


class There(NamedTuple):
    """A server: its URL for a login, and what it holds privately and publicly."""

    url: Callable[[str], str]
    held: Callable[[], tuple[set[str], set[str]]]


@contextmanager
def by_us(project: Path, _home: Path) -> Iterator[There]:
    def held() -> tuple[set[str], set[str]]:
        with Store.open(project) as store, store.reader() as reader:
            return set(private.ids(reader)), set(reader.artifacts())

    with served(project) as server:
        yield There(lambda login: server.url(login), held)


@contextmanager
def by_stock(project: Path, home: Path) -> Iterator[There]:
    """A stock server of the same project, with the same accounts."""
    keeper, repository = Person(home / "keeper", "keeper"), home / "there.fossil"
    with served(project) as server:
        keeper.clone(server.url("priv"), repository, "--admin-user", "keeper")
    for login, caps in {"priv": "gioxy", "ann": "gio", "rose": "go", "nobody": "", "anonymous": ""}.items():
        if login in ("nobody", "anonymous"):
            keeper.fossil("user", "capabilities", login, caps, "-R", repository)
            continue
        keeper.fossil("user", "new", login, "", f"pw-{login}", "-R", repository)
        keeper.fossil("user", "capabilities", login, caps, "-R", repository)

    with stock_server(keeper, repository) as url:
        yield There(lambda login: url.replace("://", f"://{login}:pw-{login}@"), lambda: of_stock(repository))


def of_stock(repository: Path) -> tuple[set[str], set[str]]:
    """What a stock repository holds privately and publicly."""
    with sqlite3.connect(repository) as db:
        secret = {
            row[0] for row in db.execute("SELECT uuid FROM blob JOIN private USING (rid) WHERE size >= 0")
        }
        every = {row[0] for row in db.execute("SELECT uuid FROM blob WHERE size >= 0")}
    return secret, every - secret


def plain(text: str) -> list[str]:
    """What stock says, without what differs from run to run."""
    text = re.sub(r"[0-9a-f]{10,64}", "ID", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?|127\.0\.0\.1(:\d+)?|\d+\.\d+ seconds?", "X", text)
    text = re.sub(r"(sent|received): *\d+|\d+ bytes|(Bytes|Cards) .*|#\d+", "N", text)
    return [line for line in text.replace("\r", "\n").splitlines() if re.search(r"rror|arning|says", line)]


def hush(person: Person, clone: Path, work: Path, name: str = "secret.txt") -> None:
    """A private check-in on a branch of its own."""
    if not work.exists():
        person.open(clone, work)
    (work / name).write_text(f"{name}\n" * 30)
    person.fossil("add", name, at=work)
    person.fossil("commit", "-m", "hush", "--branch", f"for-{name}", "--private", "--no-warnings", at=work)


def story(there: There, home: Path) -> tuple[list[list[str]], list[int], bool]:
    """Two people who may have private artifacts, and one who may not; what they were told, how much came, and
    whether others hear of what was published.
    """
    said: list[list[str]] = []
    counts: list[int] = []
    ann, bea, cat = (Person(home / name, name) for name in ("ann", "bea", "cat"))

    def told(person: Person, *words: str | Path, at: Path | None = None) -> None:
        said.append(plain(person.fossil(*words, at=at, code=None).out))
        counts.append(len(there.held()[0]))

    ann.clone(there.url("priv"), ann.home / "c.fossil", "--private")
    hush(ann, ann.home / "c.fossil", ann.home / "work")
    told(ann, "sync", at=ann.home / "work")
    told(ann, "sync", "--private", at=ann.home / "work")
    own, _ = of_stock(ann.home / "c.fossil")
    assert there.held()[0] == own
    assert len(own) == 2
    # Somebody who may has it; a clone with its first request alone has not (docs/stock-pitfalls.md).
    bea.clone(there.url("priv"), bea.home / "c.fossil", "--private")
    assert of_stock(bea.home / "c.fossil")[0] in (own, set())
    told(bea, "pull", "--private", "-R", bea.home / "c.fossil")
    assert of_stock(bea.home / "c.fossil")[0] == own
    assert "for-secret.txt" in bea.fossil("branch", "list", "-a", "-R", bea.home / "c.fossil").out
    bea.fossil("rebuild", "-R", bea.home / "c.fossil")
    # Somebody who may not.
    cat.clone(there.url("ann"), cat.home / "c.fossil")
    told(cat, "pull", "--private", "-R", cat.home / "c.fossil")
    told(cat, "sync", "-R", cat.home / "c.fossil")
    told(cat, "sync", "--verily", "-R", cat.home / "c.fossil")
    secret, public = of_stock(cat.home / "c.fossil")
    assert not own & (secret | public)
    # It is published, and everybody has it.
    ann.fossil("publish", "for-secret.txt", at=ann.home / "work")
    told(ann, "sync", at=ann.home / "work")
    told(cat, "sync", "-R", cat.home / "c.fossil")
    assert there.held()[0] == set()
    assert own <= there.held()[1]
    return said, counts, own <= of_stock(cat.home / "c.fossil")[1]


def test_a_private_branch_is_kept_given_and_published_as_by_stock(project: Path, tmp_path: Path) -> None:
    told = []
    for name, by in (("us", by_us), ("stock", by_stock)):
        (tmp_path / name).mkdir()
        own = tmp_path / name / "p.xferzone"
        shutil.copy(project, own)
        with by(own, tmp_path / name) as there:
            told.append(story(there, tmp_path / name / "people"))
    assert told[0][:2] == told[1][:2]
    # A stock server announces it to nobody: what it has made public is in no cluster, and not among what is in none.
    assert (told[0][2], told[1][2]) == (True, False)


def test_our_client_and_a_stock_server_exchange_them(project: Path, tmp_path: Path) -> None:
    ann, bob = Person(tmp_path / "ann", "ann"), Person(tmp_path / "bob", "bob")
    with by_stock(project, tmp_path) as there:
        ann.clone(there.url("priv"), ann.home / "c.fossil")
        hush(ann, ann.home / "c.fossil", ann.home / "work")
        ann.fossil("sync", "--private", at=ann.home / "work")
        own = there.held()[0]
        assert len(own) == 2
        ours = bob.home / "z.xferzone"
        bob.xferzone("clone", "--private", there.url("priv"), ours)
        with Store.open(ours) as store, store.reader() as reader:
            assert set(private.ids(reader)) == own
            assert not own & set(reader.artifacts())
        # And back: what only we have, the stock server gets.
        hush(ann, ann.home / "c.fossil", ann.home / "work", "more.txt")
        with Store.open(ours) as store, store.writer() as writer:
            content = b"ours alone\n" * 20
            private.put(writer, (name := artifact_id(content)), content)
        bob.xferzone("-R", ours, "sync", "--private", there.url("priv"))
        assert there.held()[0] == own | {name}
        done = bob.xferzone("-R", ours, "sync", "--private", there.url("ann"), code=None)
        assert (done.code, "not authorized to sync private content" in done.err) == (77, True)
