"""The database: one SQLite file of artifacts, delta chains, derived structure and refs. The only SQL, with refs/."""

from xferzone.store.database import Store
from xferzone.store.reader import Reader
from xferzone.store.writer import Writer

__all__ = ["Reader", "Store", "Writer"]
