"""What is remembered of remotes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from xferzone.cards.extension import MAX_EPOCHS
from xferzone.store import Store, Writer
from xferzone.store.check import layout
from xferzone.store.remotes import Mark, Remote, put_remote, remotes, remove_remote


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    with Store.create(tmp_path / "z") as store, store.writer() as writer:
        yield writer


def test_epochs_are_kept_in_the_order_of_their_use(writer: Writer) -> None:
    remote = Remote("origin", "http://192.0.2.1/", {"b": 2, "a": 1}, "token")
    put_remote(writer, remote)
    (found,) = remotes(writer)
    assert (found, list(found.epochs)) == (remote, ["b", "a"])


def test_how_far_a_walk_came_is_kept_by_epoch(writer: Writer) -> None:
    marks = {"b": Mark(17, "0123456789abcdef")}
    remote = Remote("origin", "http://192.0.2.1/", {"b": 2, "a": 1}, "token", marks)
    put_remote(writer, remote)
    assert remotes(writer) == [remote]
    assert not list(layout.ranges(writer))


def test_the_epochs_used_least_recently_are_dropped(writer: Writer) -> None:
    epochs = {f"e{number}": number for number in range(MAX_EPOCHS + 2)}
    put_remote(writer, Remote("origin", "http://192.0.2.1/", epochs))
    put_remote(writer, Remote("other", "http://192.0.2.2/", {"e0": 5}))
    origin, other = remotes(writer)
    assert list(origin.epochs) == [f"e{number}" for number in range(2, MAX_EPOCHS + 2)]
    assert other.epochs == {"e0": 5}


def test_a_remote_that_is_removed_leaves_nothing(writer: Writer) -> None:
    remote = Remote("origin", "http://192.0.2.1/", {"a": 1})
    put_remote(writer, remote)
    remove_remote(writer, remote)
    put_remote(writer, Remote("origin", "http://192.0.2.3/"))
    assert remotes(writer) == [Remote("origin", "http://192.0.2.3/")]


@pytest.mark.parametrize(("epoch", "is_sound"), [("A" + 63 * "z", True), ("", False), ("a b", False)])
def test_an_epoch_of_any_form_that_servers_may_name_is_sound(
    writer: Writer, epoch: str, is_sound: bool
) -> None:
    put_remote(writer, Remote("origin", "http://192.0.2.1/", {epoch: 1}))
    assert (not list(layout.ranges(writer))) == is_sound
