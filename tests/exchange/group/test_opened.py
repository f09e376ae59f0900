"""What a process knows of the answers that the keys have given to others of the same repository."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.exchange.group.members import LIFE, Group
from xferzone.env import SYSTEM
from xferzone.errors import Away
from xferzone.exchange.group.opened import Opened
from xferzone.exchange.group.reaching import Reaching
from xferzone.exchange.group.standing import STALE_MS, Fellow, Standing, record
from xferzone.refs import membership
from xferzone.refs.consensus import Seen
from xferzone.refs.keys import Stand
from xferzone.refs.membership import Membership
from xferzone.store import Store

BEGAN = Stand("1", 100)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Group(tmp_path).member("a").store
    begin(store, BEGAN)
    yield store
    store.close()


@pytest.fixture
def opened() -> Iterator[Opened]:
    opened = Opened()
    yield opened
    opened.close()


def begin(store: Store, stand: Stand) -> None:
    with store.writer() as writer:
        membership.begin_seen(writer, stand)


def note(store: Store, stand: Stand, beginning: int = 1) -> None:
    with store.writer() as writer:
        membership.note_seen(writer, Seen(stand, beginning))


def seen(opened: Opened, store: Store) -> Stand | None:
    group = opened.of(store)
    assert group is not None
    return group.refs.seen.stand


def test_what_another_process_has_seen_is_taken_over(store: Store, opened: Opened) -> None:
    assert seen(opened, store) == BEGAN
    note(store, Stand("1", 1_000))
    assert seen(opened, store) == Stand("1", 1_000)


def test_what_was_seen_here_stays_if_it_is_more(store: Store, opened: Opened) -> None:
    group = opened.of(store)
    assert group is not None
    group.refs.seen.check(None, Stand("1", 2_000), "etcd")
    note(store, Stand("1", 1_000))
    assert seen(opened, store) == Stand("1", 2_000)


@pytest.mark.parametrize("begun", [Stand("1", 50), Stand("2", 50)], ids=["the same cluster", "another"])
def test_keys_that_were_set_back_are_believed_once_they_are_begun_anew(
    store: Store, opened: Opened, begun: Stand
) -> None:
    assert seen(opened, store) == BEGAN
    begin(store, begun)
    assert seen(opened, store) == begun


@pytest.mark.parametrize("cluster", ["1", "2"], ids=["the same cluster", "another"])
def test_a_run_that_has_outlasted_a_new_beginning_notes_nothing_from_before_it(
    store: Store, opened: Opened, cluster: str
) -> None:
    begun, later = Stand(cluster, 50), Stand(cluster, 60)
    begin(store, begun)
    note(store, BEGAN)
    assert seen(opened, store) == begun
    note(store, later, beginning=2)
    assert seen(opened, store) == later


@pytest.mark.parametrize(
    ("is_alive", "age_ms", "enough", "asks"),
    [(True, 0, 2, False), (True, STALE_MS + 1, 2, True), (False, 0, 2, True), (True, 0, 3, True)],
    ids=["alive", "its program has ended", "away", "too few"],
)
def test_the_keys_are_asked_who_is_alive_only_where_too_few_are_known_to_be(
    store: Store, is_alive: bool, age_ms: int, enough: int, asks: bool
) -> None:
    """There is no etcd here: whoever asks it fails."""
    now = SYSTEM.clock_ms()
    fellows = (Fellow(name="b", is_alive=is_alive),)
    stands = Standing(name="a", group=LIFE, state="up", written_ms=now - age_ms, fellows=fellows)
    record(store.path, stands)
    with closing(Reaching(store.path, share_of(store), "0" * 40, Seen(), SYSTEM)) as reaching:
        if asks:
            with pytest.raises(Away):
                reaching.alive(enough)
        else:
            assert reaching.alive(enough) == 2


def share_of(store: Store) -> Membership:
    with store.reader() as reader:
        share = membership.membership(reader)
    assert share is not None
    return share
