"""A program on a node. When it dies all that it held in memory is gone, and what was not committed is rolled back.

the store's places and failures    xferzone/faults.py
every statement that it writes     Mortal
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import quote

from tests.simulation.luck import Luck
from xferzone.faults import Faults
from xferzone.store import Store
from xferzone.store.pool import BUSY_TIMEOUT

STATEMENT_P: Final = 0.001  # of a death at one statement of a writer


class Death(BaseException):
    """A process died at `site`; nothing of the product may catch it."""

    def __init__(self, process: "Process", site: str) -> None:
        super().__init__(f"{process.name} died at {site}")
        self.process = process
        self.site = site


class Process:
    """One program with the repository open.

    Fields:
        is_dead: it died: whatever it still tries to do is a Death.
        faults: its bad luck, for Options and Terms.
    """

    def __init__(self, name: str, luck: Luck, path: Path | None) -> None:
        """`path` None: it is about to make the repository."""
        self.name = name
        self.is_dead = False
        self.faults = Faults(self.dies, self._fails)
        self._luck = luck
        self._store = None if path is None else _mortal(Store.open(path), self)

    @property
    def store(self) -> Store:
        """The repository that it has open."""
        assert self._store is not None
        return self._store

    def dies(self, site: str, p: float) -> None:
        """Die here, with that probability."""
        if self.is_dead or self._luck.strikes(site, p):
            self.is_dead = True
            raise Death(self, site)

    def _fails(self, site: str, p: float) -> bool:
        self.dies(site, 0.0)
        return self._luck.strikes(site, p)

    def end(self) -> None:
        """Let go of all that it held."""
        if self._store is not None:
            self._store.close()


class Mortal(sqlite3.Connection):
    """A connection whose process may die before any statement; of a dead one only what rolls back is done."""

    process: Process

    def execute(self, sql: str, parameters: object = (), /) -> sqlite3.Cursor:
        if sql != "ROLLBACK":
            self.process.dies("statement", STATEMENT_P)
        return super().execute(sql, parameters)  # type: ignore[arg-type]  # as given

    def executemany(self, sql: str, parameters: Iterable[object], /) -> sqlite3.Cursor:
        self.process.dies("statement", STATEMENT_P)
        return super().executemany(sql, parameters)  # type: ignore[arg-type]  # as given


def _mortal(store: Store, process: Process) -> Store:
    """The store, whose writers can die."""
    opened = store._name.opened

    def connect() -> sqlite3.Connection:
        opened.file.check("")
        uri = f"file:{quote(str(store.path))}?mode=rw"
        db = sqlite3.connect(
            uri, uri=True, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, factory=Mortal
        )
        db.process = process
        db.execute("PRAGMA synchronous=OFF")  # processes die here, not machines
        return db

    opened.writing.connect = connect
    return store.with_faults(process.faults)
