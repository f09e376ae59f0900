"""The statements of all transactions, for tests of what something costs."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from xferzone.store import Reader, Store


def noted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What every transaction of this process says to SQLite from now on, as it comes."""
    found: list[str] = []

    def traced(make: Callable[..., AbstractContextManager[Reader]]) -> Callable[..., object]:
        @contextmanager
        def inner(*words: object, **named: object) -> Iterator[Reader]:
            with make(*words, **named) as transaction:
                connection: sqlite3.Connection = transaction.db
                connection.set_trace_callback(found.append)
                try:
                    yield transaction
                finally:
                    connection.set_trace_callback(None)

        return inner

    monkeypatch.setattr(Store, "reader", traced(Store.reader))
    monkeypatch.setattr(Store, "writer", traced(Store.writer))
    return found
