"""Private and shunned artifacts cost nothing where there are none: pull and clone do not ask for them at all."""

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.publish.project import MAIN_BRANCH, NOW, Project, zone_text
from tests.sync.rounds import ask, body
from xferzone.cards import Clone, Gimme, Pull
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.refs import LocalRefs
from xferzone.store import Reader, Store, accounts
from xferzone.zone.changes import parse_change

MOST = 5  # questions of a commit, which stores a file and a check-in, among its hundred statements
_NAMED = re.compile(r"\b(?:private|shun)\b")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that name one of the tables, of all transactions."""
    found: list[str] = []

    def note(statement: str) -> None:
        if _NAMED.search(statement):
            found.append(statement)

    def traced(make: Callable[..., AbstractContextManager[Reader]]) -> Callable[..., object]:
        @contextmanager
        def inner(*words: object, **named: object) -> Iterator[Reader]:
            with make(*words, **named) as transaction:
                connection: sqlite3.Connection = transaction.db
                connection.set_trace_callback(note)
                try:
                    yield transaction
                finally:
                    connection.set_trace_callback(None)

        return inner

    monkeypatch.setattr(Store, "reader", traced(Store.reader))
    monkeypatch.setattr(Store, "writer", traced(Store.writer))
    return found


def test_what_is_not_there_is_not_asked_for(tmp_path: Path, asked: list[str]) -> None:
    project = Project(tmp_path)
    project.push(project.manifest(zone_text("www 300 A 192.0.2.1")))
    with project.store.writer() as writer:
        accounts.put_user(writer, "nobody", None, "go")
    tip, _ = project.served()
    with project.store.reader() as reader:
        code = reader.project_code
    asked.clear()
    ask(project.store, body(Pull("x", code), Gimme(tip)))
    ask(project.store, body(Clone(3, 1)))
    assert asked == []
    with project.store.writer() as writer:
        change = parse_change("set", ["www.example.com", "A", "192.0.2.2"])
        Edit(writer, LocalRefs(writer), MAIN_BRANCH, Author("ann", NOW)).change([change], "x")
    assert 0 < len(asked) <= MOST
