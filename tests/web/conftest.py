"""A repository for web tests, and an app over it."""

from collections.abc import Iterator
from pathlib import Path

import falcon.testing
import pytest

from xferzone.store import Store
from xferzone.web.app import create_app

PROJECT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty repository, in which nobody may do anything and ops everything."""
    with Store.create(tmp_path / "z.xferzone", PROJECT) as store:
        with store.writer() as writer:
            writer.put_user("nobody", None, "")
            writer.put_user("anonymous", None, "")
            writer.put_user("ops", "secret", "s")
        yield store


@pytest.fixture
def client(store: Store) -> falcon.testing.TestClient:
    return falcon.testing.TestClient(create_app(store.path))
