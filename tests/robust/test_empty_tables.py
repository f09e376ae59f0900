"""Private and shunned artifacts cost nothing where there are none: pull and clone do not ask for them at all."""

import re
from pathlib import Path

import pytest

from tests.publish.project import MAIN_BRANCH, NOW, Project, zone_text
from tests.statements import noted
from tests.sync.rounds import ask, body
from xferzone.cards import Clone, Gimme, Pull
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.refs import LocalRefs
from xferzone.store import accounts
from xferzone.zone.changes import parse_change

MOST = 5  # questions of a commit, which stores a file and a check-in, among its hundred statements
_NAMED = re.compile(r"\b(?:private|shun)\b")


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    return noted(monkeypatch)


def naming(said: list[str]) -> list[str]:
    """Those that name one of the tables."""
    return [each for each in said if _NAMED.search(each)]


def test_what_is_not_there_is_not_asked_for(tmp_path: Path, said: list[str]) -> None:
    project = Project(tmp_path)
    project.push(project.manifest(zone_text("www 300 A 192.0.2.1")))
    with project.store.writer() as writer:
        accounts.put_user(writer, "nobody", None, "go")
    tip, _ = project.served()
    with project.store.reader() as reader:
        code = reader.project_code
    said.clear()
    ask(project.store, body(Pull("x", code), Gimme(tip)))
    ask(project.store, body(Clone(3, 1)))
    assert naming(said) == []
    with project.store.writer() as writer:
        change = parse_change("set", ["www.example.com", "A", "192.0.2.2"])
        Edit(writer, LocalRefs(writer), MAIN_BRANCH, Author("ann", NOW)).change([change], "x")
    assert 0 < len(naming(said)) <= MOST
