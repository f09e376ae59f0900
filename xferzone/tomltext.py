"""Where each table and key of a TOML document begins: tomllib tells values without their lines.

[http]             ("http",) 1
listen = [         ("http", "listen") 2
  "[::1]:8080",
]
workers = 2        ("http", "workers") 5
"""

import re
import tomllib
from collections.abc import Iterator
from typing import Final

_TABLE: Final = re.compile(r"\s*\[")
_ERROR: Final = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", re.DOTALL)


def syntax_error(text: str, exc: tomllib.TOMLDecodeError) -> tuple[str, int]:
    """The reason for which `text` cannot be read, and its line."""
    found = _ERROR.fullmatch(str(exc))
    last = text.count("\n") + 1
    return (found[1], int(found[2] or last)) if found else (str(exc), last)


def lines(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """The tables and keys of a TOML document that is known to be sound, each with the line where it begins.

    tomllib tells no lines. But a statement, which may span several, is a document by itself: lines are added until
    tomllib can read them, and what it makes of them is the path of a table or of a key in the table begun last.
    """
    table: tuple[str, ...] = ()
    statement, begin = "", 1
    for number, line in enumerate(text.split("\n"), 1):
        if not statement:
            begin = number
        statement += f"{line}\n"
        try:
            found = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        is_table = bool(_TABLE.match(statement))
        for path in _paths(found):
            whole = path if is_table else (*table, *path)
            yield whole, begin
        if is_table:
            table = _deepest(found)
        statement = ""


def _paths(found: object) -> Iterator[tuple[str, ...]]:
    if isinstance(found, dict):
        for key, value in found.items():
            yield (key,)
            for below in _paths(value):
                yield (key, *below)


def _deepest(found: object) -> tuple[str, ...]:
    """The path of a header's table, of which tomllib makes tables with one key each, the last one empty."""
    path: list[str] = []
    while found and isinstance(found, dict | list):
        if isinstance(found, list):
            found = found[-1]
            continue
        (key,) = found
        path.append(key)
        found = found[key]
    return tuple(path)
