"""The schema: one module for each revision, with the SQL that Alembic runs on older repositories.

A new repository is laid out by the same statements without Alembic, whose import alone takes 0.4 s.
"""

import importlib
import pkgutil
from collections.abc import Iterator

from xferzone.migrations import versions

_STAMP = """CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)"""


def statements() -> Iterator[str]:
    """The statements that give an empty database the newest schema."""
    revision = ""
    for found in sorted(pkgutil.iter_modules(versions.__path__), key=lambda module: module.name):
        module = importlib.import_module(f"{versions.__name__}.{found.name}")
        yield from module.SQL.split(";\n")
        revision = module.revision
    yield _STAMP
    yield f"INSERT INTO alembic_version VALUES ('{revision}')"  # noqa: S608 a constant of the module beside this one, no input
