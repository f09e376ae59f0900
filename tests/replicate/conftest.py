"""A repository with one zone, two branches and a tag, which anybody may read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exchange.group.members import Group, Member
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


@pytest.fixture
def group(tmp_path: Path) -> Group:
    return Group(tmp_path)


@pytest.fixture
def member(group: Group) -> Iterator[Member]:
    found = group.member("b")
    with found.store:
        yield found
