"""A repository with one zone, two branches and a tag, which anybody may read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from xferzone.store import Store, accounts

GOLDEN = Path(__file__).parents[1] / "golden" / "schema-0010.xferzone"


@pytest.fixture
def zones(tmp_path: Path) -> Iterator[Store]:
    path = tmp_path / "zones.xferzone"
    path.write_bytes(GOLDEN.read_bytes())
    with Store.open(path) as store:
        may(store, "nobody", "o")
        yield store


def may(store: Store, login: str, caps: str, password: str | None = None) -> None:
    """Let an account have these capabilities, and this password."""
    with store.writer() as writer:
        accounts.put_user(writer, login, password, caps)
