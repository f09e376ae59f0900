"""Waits end with news, in time, with the client or with the server, and hold nothing that others need."""

import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tests.live import within
from xferzone.store import Store, accounts
from xferzone.web import waiting as module
from xferzone.web.waiting import MAX_WAITING, Crowded, Waiting

LONG_S = 60.0  # a test that lasts as long has failed


class News:
    """The tag of a repository, which `tell` changes and `commit` does not; `asked`: how often it was asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked = 0
        self.tag = "1"

    def current(self) -> str:
        self.asked += 1
        return self.tag

    def commit(self) -> None:
        with self._store.writer() as writer:
            accounts.put_user(writer, "new", None, "g")

    def tell(self) -> None:
        self.tag = f"{int(self.tag) + 1}"
        self.commit()


@pytest.fixture
def news(store: Store) -> News:
    return News(store)


@pytest.fixture
def waiting(store: Store, news: News, monkeypatch: pytest.MonkeyPatch) -> Waiting:
    monkeypatch.setattr(module, "MAX_WAIT_S", LONG_S)
    return Waiting(store.path, news.current)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(MAX_WAITING) as pool:
        yield pool


def begun(pool: ThreadPoolExecutor, waiting: Waiting, number: int) -> list["Future[None]"]:
    """So many more that wait."""
    before = len(waiting._waiters)
    found = [pool.submit(waiting.wait, "1", LONG_S) for _ in range(number)]
    assert within(LONG_S, lambda: len(waiting._waiters) == before + number)
    return found


def test_news_end_all_waits(news: News, waiting: Waiting, pool: ThreadPoolExecutor) -> None:
    waits = begun(pool, waiting, MAX_WAITING)
    news.tell()
    for wait in waits:
        wait.result(LONG_S / 2)


def test_a_commit_that_is_no_news_ends_none(news: News, waiting: Waiting, pool: ThreadPoolExecutor) -> None:
    (wait,) = begun(pool, waiting, 1)
    assert within(LONG_S, lambda: news.asked == 1)
    news.commit()
    assert within(LONG_S, lambda: news.asked == 2)
    assert not wait.done()
    news.tell()
    wait.result(LONG_S / 2)


def test_news_before_the_wait_are_not_missed(news: News, waiting: Waiting, pool: ThreadPoolExecutor) -> None:
    news.tell()
    waiting.wait("1", LONG_S)
    (other,) = [pool.submit(waiting.wait, "2", LONG_S)]  # the thread that looks is there already
    assert within(LONG_S, lambda: len(waiting._waiters) == 1)
    news.tell()
    other.result(LONG_S / 2)
    waiting.wait("2", LONG_S)


def test_a_wait_without_news_ends_in_time(waiting: Waiting, monkeypatch: pytest.MonkeyPatch) -> None:
    waiting.wait("1", 0.2)
    monkeypatch.setattr(module, "MAX_WAIT_S", 0.2)
    began = time.monotonic()
    waiting.wait("1", 2 * LONG_S)
    assert time.monotonic() - began < LONG_S


def test_one_more_than_the_bound_is_turned_away_until_one_has_gone(
    news: News, waiting: Waiting, pool: ThreadPoolExecutor
) -> None:
    waits = begun(pool, waiting, MAX_WAITING)
    with pytest.raises(Crowded):
        waiting.wait("1", LONG_S)
    news.tell()
    for wait in waits:
        wait.result(LONG_S / 2)
    waiting.wait("2", 0.1)


def test_a_client_that_leaves_ends_its_wait_alone(
    news: News, waiting: Waiting, pool: ThreadPoolExecutor
) -> None:
    (stays,) = begun(pool, waiting, 1)
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(b"GET /v0/refs HTTP/1.1\r\n")  # its next request
        gone = pool.submit(waiting.wait, "1", LONG_S, ours)
        assert within(LONG_S, lambda: len(waiting._waiters) == 2)
        ours.recv(100)
        theirs.close()
        gone.result(LONG_S / 2)
    assert not stays.done()
    news.tell()
    stays.result(LONG_S / 2)


def test_the_end_of_the_server_ends_waits(waiting: Waiting, pool: ThreadPoolExecutor) -> None:
    ending = threading.Event()
    wait = pool.submit(waiting.wait, "1", LONG_S, None, ending)
    assert within(LONG_S, lambda: len(waiting._waiters) == 1)
    ending.set()
    wait.result(LONG_S / 2)
    pool.submit(waiting.wait, "1", LONG_S, None, ending).result(LONG_S / 2)


def test_who_waits_holds_no_transaction(
    store: Store, news: News, waiting: Waiting, pool: ThreadPoolExecutor
) -> None:
    (wait,) = begun(pool, waiting, 1)
    news.commit()
    assert within(LONG_S, lambda: news.asked >= 1)
    with closing(sqlite3.connect(store.path)) as db:
        busy, log, moved = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    assert (busy, log) == (0, moved), "all of the log is moved into the file"
    news.tell()
    wait.result(LONG_S / 2)


def test_a_repository_that_cannot_be_read_ends_waits(tmp_path: Path) -> None:
    waiting = Waiting(tmp_path / "none.xferzone", lambda: "1")
    for _ in range(3):
        waiting.wait("1", LONG_S)


def test_nobody_looks_for_ever_where_nobody_waits(
    news: News, waiting: Waiting, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = {*threading.enumerate()}  # of tests before this one

    def looking() -> bool:
        return any(thread.name == module.THREAD for thread in {*threading.enumerate()} - others)

    monkeypatch.setattr(module, "IDLE_S", 0.2)
    waiting.wait("0", LONG_S)
    assert within(LONG_S, lambda: not looking())
    news.tell()
    waiting.wait("1", LONG_S)
