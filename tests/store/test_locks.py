"""Check-in locks: whose a leaf is, for how long, and when it is nobody's any more."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from xferzone.artifacts import CheckIn, Tag
from xferzone.hashing import ArtifactId
from xferzone.store import Store, Writer
from xferzone.store.locks import LOCK_MS, Holder, lock, unlock

NOW = 1_800_000_000_000  # milliseconds since 1970
A, B = "a" * 40, "b" * 40


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    with Store.create(tmp_path / "z.xferzone") as store, store.writer() as writer:
        yield writer


def checkin(writer: Writer, branch: str, parents: tuple[ArtifactId, ...] = (), date: int = 0) -> ArtifactId:
    tags = (Tag("*", "branch", None, branch), Tag("*", f"sym-{branch}", None, None))
    return writer.put(CheckIn("c", NOW + date, "ann", (), parents, tags=tags).encode())


def test_one_holder_who_may_ask_again_and_frees_it(writer: Writer) -> None:
    leaf = checkin(writer, "x")
    assert lock(writer, leaf, A, "ann", NOW) is None
    assert lock(writer, leaf, A, "ann", NOW + 5) is None
    assert lock(writer, leaf, B, "bob", NOW + 6) == Holder("ann", NOW + 5)
    unlock(writer, A, "bob")  # of another login: means nothing
    assert lock(writer, leaf, B, "bob", NOW + 7) == Holder("ann", NOW + 5)
    unlock(writer, A, "ann")
    assert lock(writer, leaf, B, "bob", NOW + 8) is None


@pytest.mark.parametrize("later", [LOCK_MS + 1, -LOCK_MS - 1], ids=["expired", "clock-set-back"])
def test_it_holds_for_its_time(writer: Writer, later: int) -> None:
    leaf = checkin(writer, "x")
    assert lock(writer, leaf, A, "ann", NOW) is None
    assert lock(writer, leaf, B, "bob", NOW + later) is None


def test_it_is_free_when_a_child_on_its_branch_came(writer: Writer) -> None:
    leaf = checkin(writer, "x")
    assert lock(writer, leaf, A, "ann", NOW) is None
    checkin(writer, "y", (leaf,), date=1)
    assert lock(writer, leaf, B, "bob", NOW) == Holder("ann", NOW), "a branch that begins there is no child"
    checkin(writer, "x", (leaf,), date=2)
    assert lock(writer, leaf, B, "bob", NOW) is None


def test_what_is_no_checkin_is_locked_for_nobody(writer: Writer) -> None:
    text = writer.put(b"a text\n")
    for client in (A, B):
        assert lock(writer, text, client, "ann", NOW) is None
        assert lock(writer, ArtifactId("f" * 40), client, "ann", NOW) is None
    assert writer.db.execute("SELECT count(*) FROM checkin_lock").fetchone() == (0,)
