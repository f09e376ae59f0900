"""Every kind of push costs what it brings: twice as many artifacts take about twice the work, there and at a clone.

Work is what SQLite executes, in instructions of its programs, and what Python calls. Neither depends on the machine.
"""

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from types import FrameType
from typing import Final

import pytest

from tests.robust.kinds import KINDS, START_MS, Pushes
from tests.robust.site import LOGIN, PASSWORD, PUSH, by_ops, made
from xferzone import exchange
from xferzone.cards import File, encode_cards
from xferzone.cards.body import UNCOMPRESSED
from xferzone.env import Env
from xferzone.exchange import Options, Terms
from xferzone.store import Store
from xferzone.store.remotes import ORIGIN, Remote
from xferzone.sync.client.options import Account
from xferzone.transport import Body, InProcess

SIZE: Final = 24  # n
MOST: Final = 2.3  # times the work, for 2n
STEP: Final = 10  # instructions of SQLite between two calls of the counter
#: A clock that stands still: nothing ends since time is over.
ENV: Final = Env(clock_ms=lambda: START_MS + 10**9, monotonic=lambda: 0.0)


class Work:
    """What was done while it counted."""

    def __init__(self) -> None:
        self.instructions = self.calls = 0

    @contextmanager
    def counted(self) -> Iterator[None]:
        def count(_frame: FrameType, event: str, _argument: object) -> None:
            self.calls += event in ("call", "c_call")

        sys.setprofile(count)
        try:
            yield
        finally:
            sys.setprofile(None)

    def step(self) -> int:
        self.instructions += STEP
        return 0


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """Counts what all connections do that are made from now on."""
    work, connect = Work(), sqlite3.connect

    def watched(*args: object, **options: object) -> sqlite3.Connection:
        db: sqlite3.Connection = connect(*args, **options)  # type: ignore[call-overload]  # as it was called
        db.set_progress_handler(work.step, STEP)
        return db

    monkeypatch.setattr(sqlite3, "connect", watched)
    return work


def push(store: Store, cards: list[File]) -> None:
    body = Body(UNCOMPRESSED, BytesIO(by_ops(PUSH, encode_cards(cards))))
    reply = exchange.answer(store, body, Terms(env=ENV))
    assert reply.outcome in ("ok", "error"), reply.octets()
    reply.body.octets.close()


def done(pushes: Pushes, directory: Path, work: Work) -> list[int]:
    """The work of the push, of a pull by a clone that has what was there before, and of a clone of all.

    Instructions and calls of each.
    """
    directory.mkdir()
    found = []
    with Store.open(made(directory / "server.xferzone")) as server:
        to = InProcess(lambda body: exchange.answer(server, body, Terms(env=ENV)).body)
        options = Options(
            push=False, account=Account(LOGIN, PASSWORD), env=ENV, remote=Remote(ORIGIN, "x://")
        )
        push(server, list(pushes.before))
        exchange.clone(directory / "clone.xferzone", to, options)

        def all_pushed() -> None:
            for cards in pushes.requests:
                push(server, list(cards))

        with Store.open(directory / "clone.xferzone") as clone:
            acts: list[Callable[[], object]] = [
                all_pushed,
                lambda: exchange.sync(clone, to, options),
                lambda: exchange.clone(directory / "all.xferzone", to, options),
            ]
            for act in acts:
                before = work.instructions, work.calls
                with work.counted():
                    act()
                found += [work.instructions - before[0], work.calls - before[1]]
    return found


@pytest.mark.parametrize("name", KINDS)
def test_twice_as_many_take_about_twice_the_work(name: str, work: Work, tmp_path: Path) -> None:
    once, twice = (done(KINDS[name](size), tmp_path / str(size), work) for size in (SIZE, 2 * SIZE))
    ratios = [after / before for before, after in zip(once, twice, strict=True)]
    assert max(ratios) <= MOST, f"instructions and calls of the push, the pull and the clone: {once}, {twice}"
