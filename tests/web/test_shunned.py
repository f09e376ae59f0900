"""What was shunned at a server, ours and stock's, and the stock clients that have it, or never will."""

import shutil
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.live import Person
from tests.web.test_private import There, by_stock, by_us, of_stock, plain
from xferzone.hashing import artifact_id
from xferzone.refs import Door, LocalRefs, Occasion
from xferzone.repository import shunning
from xferzone.store import Store

pytestmark = pytest.mark.interop

LEAK = "a password\n" * 20
SHUNNED = artifact_id(LEAK.encode())
NOTICE = f"Server says: artifact {SHUNNED} was left out"


def by_ours(repository: Path, _home: Path) -> None:
    with Store.open(repository) as store, store.writer() as writer:
        occasion = Occasion(1_800_000_000_000, "ops", Door.START)
        assert shunning.shun(writer, LocalRefs(writer), [SHUNNED], "", occasion) == [SHUNNED]


def by_theirs(_repository: Path, home: Path) -> None:
    """As the page /shun does, then a rebuild."""
    with sqlite3.connect(home / "there.fossil") as db:
        db.execute("INSERT INTO shun (uuid, mtime) VALUES (?, 1)", (SHUNNED,))
    db.close()
    Person(home / "keeper", "keeper").fossil("rebuild", "-R", home / "there.fossil")


def story(there: There, shun: Callable[[], None], home: Path) -> list[list[str]]:
    ann, bob = Person(home / "ann", "ann"), Person(home / "bob", "bob")
    said: list[list[str]] = []

    def told(person: Person, *words: str | Path, at: Path | None = None) -> None:
        lines = person.fossil(*words, at=at, code=None).out
        said.append([line for line in plain(lines) if "was left out" not in line])

    def held(clone: Path) -> set[str]:
        return set[str]().union(*of_stock(clone))

    ann.clone(there.url("priv"), ann.home / "c.fossil")
    work = ann.open(ann.home / "c.fossil", ann.home / "work")
    (work / "leak.txt").write_text(LEAK)
    ann.fossil("add", "leak.txt", at=work)
    ann.fossil("commit", "-m", "leak", "--no-warnings", at=work)
    (work / "leak.txt").write_text(LEAK + "more\n")
    ann.fossil("commit", "-m", "child", "--no-warnings", at=work)
    child = artifact_id((LEAK + "more\n").encode())
    assert {SHUNNED, child} <= there.held()[1]
    shun()
    assert SHUNNED not in there.held()[1]
    # Who has it cannot bring it back, by whatever means.
    for words in (["sync"], ["sync", "--verily"], ["push"], ["sync", "--private"]):
        told(ann, *words, at=work)
        assert SHUNNED not in there.held()[1]
    # Nobody gets it; what followed it is there, and its history goes on.
    bob.clone(there.url("ann"), bob.home / "c.fossil")
    told(bob, "sync", "-R", bob.home / "c.fossil")
    told(bob, "pull", "--verily", "-R", bob.home / "c.fossil")
    assert SHUNNED not in held(bob.home / "c.fossil")
    assert child in held(bob.home / "c.fossil")
    work = bob.open(bob.home / "c.fossil", bob.home / "work")
    assert (work / "leak.txt").read_text() == LEAK + "more\n"
    (work / "leak.txt").write_text("nothing\n")
    bob.fossil("commit", "-m", "clean", "--no-warnings", at=work)
    assert artifact_id(b"nothing\n") in there.held()[1]
    return said


def test_it_comes_back_by_no_stock_client_and_goes_to_none(project: Path, tmp_path: Path) -> None:
    told: list[list[list[str]]] = []
    for name, by, shun in (("us", by_us, by_ours), ("stock", by_stock, by_theirs)):
        home, own = tmp_path / name, tmp_path / name / "p.xferzone"
        home.mkdir()
        shutil.copy(project, own)
        with by(own, home) as there:
            told.append(story(there, partial(shun, own, home), home))
    assert told[0] == told[1]


def test_who_pushes_it_is_told(project: Path, tmp_path: Path) -> None:
    ann = Person(tmp_path / "ann", "ann")
    with by_us(project, tmp_path) as there:
        ann.clone(there.url("ann"), ann.home / "c.fossil")  # a later clone would know what is shunned
        with Store.open(project) as store, store.writer() as writer:
            shunning.shun(writer, LocalRefs(writer), [SHUNNED], "", Occasion(0, "ops", Door.START))
        work = ann.open(ann.home / "c.fossil", ann.home / "work")
        (work / "leak.txt").write_text(LEAK)
        ann.fossil("add", "leak.txt", at=work)
        assert NOTICE in ann.fossil("commit", "-m", "leak", "--no-warnings", at=work).out
        assert SHUNNED not in there.held()[1]
