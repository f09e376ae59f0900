"""A primary with a zone, ways to it, and an observer that writes everything down."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from xferzone import exchange
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.exchange import Terms
from xferzone.observer import Answered, Asked, Session, Traffic
from xferzone.refs import BranchName, LocalRefs
from xferzone.repository.make import make
from xferzone.store import Store, accounts
from xferzone.transport import InProcess
from xferzone.zonefile import names, text

_Told = TypeVar("_Told")

START_MS = 1_700_000_000_000
ZONE = "@ 3600 SOA ns1 hostmaster 1 7200 3600 1209600 300\n@ 3600 NS ns1\nns1 3600 A 192.0.2.1\n"


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[Store]:
    """A repository with example.com, in which nobody may read and dev may write."""
    path = tmp_path / "primary.xferzone"
    make(path, admin="ops", project_code=None, now_ms=START_MS)
    with Store.open(path) as store:
        with store.writer() as writer:
            accounts.put_user(writer, "nobody", None, "go")
            accounts.put_user(writer, "dev", "devpw", "gio")
        commit(store, 1)
        yield store


def commit(store: Store, number: int) -> None:
    """A version of example.com with a record of that number."""
    content = f"{ZONE}www 300 A 192.0.2.{number}\n".encode()
    records = text.read_zone(content, names.zone_name("example.com"))
    with store.writer() as writer:
        author = Author("dev", START_MS + 1000 * number)
        Edit(writer, LocalRefs(writer), BranchName("example.com", "main"), author).replace(records, "www")


def way_to(store: Store, terms: Terms | None = None, name: str = "primary") -> InProcess:
    """A way to `store` in this process, where each request is answered on these terms."""
    shared = terms or Terms()
    return InProcess(lambda body: exchange.answer(store, body, shared).body, name)


@dataclass(eq=False)
class Context:
    """What a `started` call of Written returned: its kind, and the context it was in, None: in none."""

    kind: str
    parent: "Context | None" = None


@dataclass(frozen=True)
class Call:
    """One call of an observer: its name, its context as given or (of a start) as returned, what it told, its thread."""

    name: str
    context: Context
    told: tuple[object, ...]
    thread: int = field(default_factory=threading.get_ident)


class Written:
    """An observer that writes down all calls, and hands out contexts of its own."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    @property
    def names(self) -> list[str]:
        return [each.name for each in self.calls]

    def told(self, name: str, kind: type[_Told], at: int = 0) -> list[_Told]:
        """What the calls of that name told, in order; `at` says which of the things that each told."""
        told = [each.told[at] for each in self.calls if each.name == name]
        assert all(isinstance(each, kind) for each in told)
        return [each for each in told if isinstance(each, kind)]

    def session_started(self, session: Session) -> object:
        return self._begun("session", None, session)

    def session_ended(self, context: object, so_far: Traffic) -> None:
        self._write("session_ended", context, so_far)

    def round_started(self, context: object, out: Traffic) -> object:
        assert isinstance(context, Context)
        return self._begun("round", context, out)

    def round_ended(self, context: object, round_: Traffic, so_far: Traffic) -> None:
        self._write("round_ended", context, round_, so_far)

    def table_started(self, context: object, name: str, rows: int) -> object:
        assert isinstance(context, Context)
        made = Context("table", context)
        self._write("table_started", made, name, rows)
        return made

    def table_ended(self, context: object, sent: int, received: int) -> None:
        self._write("table_ended", context, sent, received)

    def said(self, context: object, message: str) -> None:
        self._write("said", context, message)

    def request_started(self, asked: Asked) -> object:
        return self._begun("request", None, asked)

    def request_ended(self, context: object, answered: Answered) -> None:
        self._write("request_ended", context, answered)

    def failed(self, context: object, error: BaseException) -> None:
        self._write("failed", context, error)

    def _begun(self, kind: str, parent: Context | None, told: object) -> Context:
        context = Context(kind, parent)
        self._write(f"{kind}_started", context, told)
        return context

    def _write(self, name: str, context: object, *told: object) -> None:
        assert isinstance(context, Context)
        self.calls.append(Call(name, context, told))
