"""Who writes much lets others write: transactions that are cut, what of them stays, and what waits for nobody."""

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.live import within
from tests.sync.rounds import PROJECT, PULL, PUSH, by
from xferzone import delta
from xferzone.cards import Card, File, Gimme
from xferzone.cards.body import UNCOMPRESSED
from xferzone.exchange import answer
from xferzone.hashing import artifact_id
from xferzone.store import Reader, Store, Writer, accounts, frames, orphans, turns
from xferzone.store.incoming import Received
from xferzone.sync.server import sending, taking
from xferzone.transport import Body

PARTS = 300  # after which somebody else should have had the lock


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "z.xferzone", PROJECT) as store:
        with store.writer() as writer:
            accounts.put_user(writer, "ann", "pw", "gio")
        yield store


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each transaction that can be cut is."""
    monkeypatch.setattr(turns, "LONG_S", 0.0)
    monkeypatch.setattr(turns, "rest", lambda _seconds: None)


def parts(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A number is added for each part of a write transaction that ends: how many artifacts were here then."""
    ended: list[int] = []
    next_part = Store._next_part

    def counted(self: Store, *args: object) -> None:
        next_part(self, *args)  # type: ignore[arg-type]  # what it was called with
        with Store.open(store.path) as other, other.reader() as reader:
            ended.append(len(list(reader.artifacts())))
            # Whoever publishes now knows who brought them.
            brought = reader.db.execute(
                "SELECT count(*) FROM brought JOIN blob USING (rid) WHERE content IS NOT NULL"
            )
            assert brought.fetchone() == (ended[-1],)

    monkeypatch.setattr(Store, "_next_part", counted)
    return ended


def push(store: Store, *cards: Card) -> bytes:
    reply = answer(store, Body.of(UNCOMPRESSED, by("ann", PUSH, PULL, *cards)))
    with reply.body:
        return reply.octets()


def file(content: bytes) -> File:
    return File(artifact_id(content), content)


def set_and_fail(store: Store, *, in_parts: bool) -> set[str]:
    """Set one, give way, set two, fail; what stays of them."""
    with suppress(KeyError), store.writer(in_parts=in_parts) as writer:
        writer.set_setting("one", "")
        assert writer.give_way() == in_parts
        writer.set_setting("two", "")
        with writer.together():
            assert not writer.give_way()
        raise KeyError
    with store.reader() as reader:
        return {name for name in ("one", "two") if reader.setting(name) is not None}


def test_of_one_that_is_cut_the_parts_before_stay(store: Store, impatient: None) -> None:
    assert set_and_fail(store, in_parts=False) == set()
    assert set_and_fail(store, in_parts=True) == {"one"}


def test_a_short_one_is_not_cut(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "clock", lambda: 1.0)
    with store.writer(in_parts=True) as writer:
        assert not writer.give_way()


@pytest.mark.parametrize("where", ["another process", "another thread"])
def test_others_write_between_the_parts(store: Store, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setattr(turns, "LONG_S", 0.0)
    done = threading.Event()

    def other() -> None:
        # A store of its own knows no more of the turns than another process does.
        with Store.open(store.path) if where == "another process" else store as own, own.writer() as writer:
            writer.put(b"by another")
        done.set()

    thread = threading.Thread(target=other)
    with store.writer(in_parts=True) as writer:
        thread.start()
        for _ in range(PARTS):
            if done.is_set():
                break
            writer.give_way()
        assert done.is_set()
    thread.join()


def test_a_reader_in_parts_sees_later_moments(store: Store, impatient: None) -> None:
    with store.reader() as steady, store.reader(in_parts=True) as reader:
        assert list(steady.artifacts()) == list(reader.artifacts()) == []
        with store.writer() as writer:
            writer.put(b"new")
        assert not steady.give_way()
        assert reader.give_way()
        assert list(steady.artifacts()) == []
        assert list(reader.artifacts()) == [artifact_id(b"new")]


def test_a_large_push_is_taken_in_parts(
    store: Store, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    monkeypatch.setattr(taking, "TOGETHER", 10)
    ended = parts(store, monkeypatch)
    contents = [b"number %d\n" % number for number in range(95)]
    push(store, *map(file, contents))
    assert sorted(set(ended))[:9] == [*range(10, 100, 10)]
    with store.reader() as reader:
        assert len(reader.present(map(artifact_id, contents))) == 95
        # Whoever brought it is known of each part.
        assert reader.db.execute("SELECT count(*), count(DISTINCT login) FROM brought").fetchone() == (95, 1)


def test_what_waited_for_a_source_is_taken_in_parts(
    store: Store, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    monkeypatch.setattr(orphans, "AT_ONCE", 10)
    source = b"the source of all\n" * 10
    made = {name: delta.create(b"", name) or b"" for name in (b"number %d" % n for n in range(50))}
    for content, change in made.items():
        push(store, File(artifact_id(content), change, artifact_id(source)))
    ended = parts(store, monkeypatch)
    push(store, file(source))
    assert sorted(set(ended)) == [1, 11, 21, 31, 41, 51]
    with store.reader() as reader:
        assert len(reader.present(map(artifact_id, made))) == 50


def test_what_is_left_when_a_process_is_killed_between_two_parts_is_taken_in_later(store: Store) -> None:
    source = b"the source of all\n" * 10
    middle = delta.create(b"", b"middle") or b""
    last = delta.create(b"", b"last") or b""
    push(store, File(artifact_id(b"last"), last, artifact_id(b"middle")))
    push(store, File(artifact_id(b"middle"), middle, artifact_id(source)))
    with store.writer() as writer:  # as the process left it that took in the source
        row = writer.expect(artifact_id(source))
        writer.db.execute(
            "UPDATE blob SET content = ?, size = ? WHERE rid = ?", (frames.compress(source), len(source), row)
        )
    with store.writer() as writer:
        writer.take_waiting()
        assert writer.present([artifact_id(b"middle"), artifact_id(b"last")]) == {
            artifact_id(b"middle"),
            artifact_id(b"last"),
        }
        assert writer.db.execute("SELECT count(*) FROM aside").fetchone() == (0,)


def test_what_came_by_another_between_two_parts_is_not_stored_twice(
    store: Store, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    source, middle = b"the source\n" * 20, b"the source\n" * 21
    with store.writer() as writer:
        writer.put_all(
            [Received(artifact_id(middle), artifact_id(source), delta.create(source, middle) or b"")]
        )
    next_part = Store._next_part
    seen: list[bool] = []

    def and_another(self: Store, *args: object) -> None:
        monkeypatch.setattr(Store, "_next_part", next_part)
        next_part(self, *args)  # type: ignore[arg-type]  # what it was called with
        with self.reader() as reader:
            seen.append(reader.has(artifact_id(source)))

    monkeypatch.setattr(Store, "_next_part", and_another)
    with store.writer(in_parts=True) as writer:
        writer.put_all([Received(artifact_id(source), None, source)])
        assert writer.present([artifact_id(source), artifact_id(middle)]) == {
            artifact_id(source),
            artifact_id(middle),
        }
    assert seen == [True]


def test_a_reply_is_made_while_others_may_write(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.writer() as writer:
        wanted = [writer.put(b"wanted %d\n" % number) for number in range(3)]
    answered = sending.Sender.answer
    wrote: list[bool] = []

    def and_write(self: sending.Sender, *args: object) -> None:
        def write() -> None:
            with Store.open(store.path) as other, other.writer() as writer:
                writer.put(b"meanwhile")
            wrote.append(True)

        thread = threading.Thread(target=write)
        thread.start()
        assert within(20, lambda: bool(wrote))
        thread.join()
        answered(self, *args)  # type: ignore[arg-type]  # what it was called with

    monkeypatch.setattr(sending.Sender, "answer", and_write)
    reply = push(store, file(b"pushed"), *map(Gimme, wanted))
    assert wrote == [True]
    assert reply.count(b"wanted ") == 3


def test_transactions_are_measured(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(turns, "clock", lambda: now[0])
    monkeypatch.setattr(turns, "rest", lambda _seconds: None)
    store.turns.longest = 0.0

    def work(on: Reader, seconds: float) -> None:
        assert isinstance(on, Writer)
        now[0] += seconds
        on.give_way()

    with store.writer(in_parts=True) as writer:
        for seconds in (0.2, 0.4, 0.3):
            work(writer, seconds)
    assert 0.59 < store.turns.longest < 0.61
    with store.writer() as writer:
        for seconds in (0.2, 0.4, 0.3):
            work(writer, seconds)
    assert 0.89 < store.turns.longest < 0.91
