"""What the global options say, and the repository they name, opened to be read or changed."""

import getpass
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # sqlalchemy behind them takes 0.2 s, and `--help` does not need it
    from xferzone.refs import Door, LocalRefs, Occasion
    from xferzone.store import Reader, Writer

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
        _check(reader, may_be_empty=may_be_empty)
        yield reader, LocalRefs(reader)


@contextmanager
def changing(settings: Settings, *, may_be_empty: bool = False) -> Iterator["tuple[Writer, LocalRefs]"]:
    """The write transaction, and the refs in it. Raises as `reading`."""
    from xferzone.refs import LocalRefs
    from xferzone.store import Store

    with Store.open(settings.repository) as store, store.writer() as writer:
        _check(writer, may_be_empty=may_be_empty)
        yield writer, LocalRefs(writer)


def _check(reader: "Reader", *, may_be_empty: bool) -> None:
    from xferzone.errors import NotReady

    if not may_be_empty and (why := reader.emptiness):
        raise NotReady(why)


def own_login(given: str | None = None) -> str:
    """Who runs this: the login given, else XFERZONE_USER, else the user of the operating system."""
    try:
        return given or os.environ.get("XFERZONE_USER") or getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def occasion(door: "Door") -> "Occasion":
    """Now, by whoever runs this."""
    from xferzone.refs import Occasion

    return Occasion(now_ms(), own_login(), door)


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
