"""What a walk brings makes the same repository elsewhere."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.replicate.peer import ask, batch, pull, walk
from xferzone.replicate.batch import Unsent
from xferzone.store import Store
from xferzone.store.incoming import Received

GOLDEN = Path(__file__).parents[1] / "golden" / "schema-0010.xferzone"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    path = tmp_path / "zones.xferzone"
    path.write_bytes(GOLDEN.read_bytes())
    with Store.open(path) as opened:
        with opened.writer() as writer:
            writer.db.execute("UPDATE user SET caps = 'o' WHERE login = 'nobody'")
        yield opened


def taken(received: list[Received | Unsent], store: Store) -> set[str]:
    with store.writer() as writer:
        writer.put_all([each for each in received if isinstance(each, Received)])
        return set(writer.artifacts())


def test_walk_and_batch_and_pull_bring_all_that_is_here(store: Store, tmp_path: Path) -> None:
    told = json.loads(ask(store, "GET", "/v0/refs").body)
    roots = [each["hash"] for each in told["branches"]]
    names = walk(store, roots)
    with store.reader() as reader:
        every = set(reader.artifacts())
    assert set(names) == every
    assert len(names) == len(every)
    with Store.create(tmp_path / "a.xferzone") as one, Store.create(tmp_path / "b.xferzone") as other:
        assert taken(batch(store, names), one) == every
        assert taken(pull(store, roots), other) == every
