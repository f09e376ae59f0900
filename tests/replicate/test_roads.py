"""What a walk brings makes the same repository elsewhere."""

import json
from pathlib import Path

from tests.replicate.peer import ask, batch, pull, walk
from xferzone.replicate.batch import Unsent
from xferzone.store import Store
from xferzone.store.incoming import Received


def taken(received: list[Received | Unsent], store: Store) -> set[str]:
    with store.writer() as writer:
        writer.put_all([each for each in received if isinstance(each, Received)])
        return set(writer.artifacts())


def test_walk_and_batch_and_pull_bring_all_that_is_here(zones: Store, tmp_path: Path) -> None:
    told = json.loads(ask(zones, "GET", "/v0/refs").body)
    roots = [each["hash"] for each in told["branches"]]
    names = walk(zones, roots)
    with zones.reader() as reader:
        every = set(reader.artifacts())
    assert set(names) == every
    assert len(names) == len(every)
    with Store.create(tmp_path / "a.xferzone") as one, Store.create(tmp_path / "b.xferzone") as other:
        assert taken(batch(zones, names), one) == every
        assert taken(pull(zones, roots), other) == every
