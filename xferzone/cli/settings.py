"""What the global options say, and the repository they name, opened to be read or changed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # sqlalchemy behind them takes 0.2 s, and `--help` does not need it
    from xferzone.refs import LocalRefs
    from xferzone.store import Reader, Writer

DEFAULT_REPOSITORY = "zones.xferzone"


@dataclass(frozen=True, slots=True)
class Settings:
    """What the global options say."""

    repository: Path
    form: str

    @property
    def json(self) -> bool:
        return self.form == "json"


@contextmanager
def reading(settings: Settings) -> Iterator["tuple[Reader, LocalRefs]"]:
    """A snapshot of the repository, and its refs."""
    from xferzone.refs import LocalRefs
    from xferzone.store import Store

    with Store.open(settings.repository) as store, store.reader() as reader:
        yield reader, LocalRefs(reader)


@contextmanager
def changing(settings: Settings) -> Iterator["tuple[Writer, LocalRefs]"]:
    """The write transaction, and the refs in it."""
    from xferzone.refs import LocalRefs
    from xferzone.store import Store

    with Store.open(settings.repository) as store, store.writer() as writer:
        yield writer, LocalRefs(writer)


def now_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000
