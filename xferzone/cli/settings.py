"""What the global options say, and the repository they name, opened to be read or changed."""

import getpass
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # sqlalchemy behind them takes 0.2 s, and `--help` does not need it
    from xferzone.refs import Door, LocalRefs, Occasion
    from xferzone.store import Reader, Store, Writer

DEFAULT_REPOSITORY = "zones.xferzone"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the global options say, and what the verb has to answer in JSON, by field."""

    repository: Path
    form: str
    answer: dict[str, object] = field(default_factory=dict, compare=False)

    @property
    def json(self) -> bool:
        return self.form == "json"


@contextmanager
def reading(settings: Settings, *, may_be_empty: bool = False) -> Iterator["tuple[Reader, LocalRefs]"]:
    """A snapshot of the repository, and its refs. Raises NotReady: it is an empty mirror, and may not be."""
    from xferzone.refs import LocalRefs
    from xferzone.store import Store

    with Store.open(settings.repository) as store, store.reader() as reader:
        if not may_be_empty:
            check_not_empty(reader)
        yield reader, LocalRefs(reader)


@contextmanager
def changing(settings: Settings, *, may_be_empty: bool = False) -> Iterator["tuple[Writer, LocalRefs]"]:
    """The write transaction, and the refs in it. Raises as `reading`."""
    from xferzone.refs import LocalRefs
    from xferzone.store import Store

    with Store.open(settings.repository) as store, store.writer() as writer:
        if not may_be_empty:
            check_not_empty(writer)
        yield writer, LocalRefs(writer)


@contextmanager
def committing(
    settings: Settings, login: str | None, in_a_clone: "Callable[[Store], None] | None" = None
) -> Iterator["tuple[Writer, LocalRefs]"]:
    """`changing` for what moves refs, by `login` as `own_login` takes it; that is served once it has ended well.

    `in_a_clone` is called before a clone is written to.

    Raises:
        NotReady: as `reading`.
        Away, RefConflict, LostRace: in a member of a group, as exchange.group.editing.
    """
    from xferzone.refs import Door, LocalRefs
    from xferzone.store import Store, schema

    with ExitStack() as held:
        store = held.enter_context(Store.open(settings.repository))
        with store.reader() as reader:
            check_not_empty(reader)
            role = reader.role
        if role == schema.CLONE and in_a_clone is not None:
            in_a_clone(store)
        if role == schema.MEMBER:
            # Imported here: who is alone starts without urllib3.
            from xferzone.exchange.group.editing import editing
            from xferzone.exchange.group.opened import Opened

            group = held.enter_context(closing(Opened())).of(store)
            yield held.enter_context(editing(store, group, occasion(Door.CLI, login)))
        else:
            writer = held.enter_context(store.writer())
            yield writer, LocalRefs(writer)


def check_not_empty(reader: "Reader") -> None:
    """Raise NotReady if it is an empty mirror."""
    from xferzone.errors import NotReady

    if why := reader.emptiness:
        raise NotReady(why)


def own_login(given: str | None = None) -> str:
    """Who runs this: the login given, else XFERZONE_USER, else the user of the operating system."""
    try:
        return given or os.environ.get("XFERZONE_USER") or getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def occasion(door: "Door", login: str | None = None) -> "Occasion":
    """Now, by `login` as `own_login` takes it."""
    from xferzone.refs import Occasion

    return Occasion(now_ms(), own_login(login), door)


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
