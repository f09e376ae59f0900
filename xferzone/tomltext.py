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
from typing import Any, Final

_TABLE: Final = re.compile(r"\s*\[")
_ENDS: Final = ("]", '"""', "'''")  # one of these ends a statement of several lines
_DEPTH: Final = 2  # a setting is a key of a section
_ERROR: Final = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", re.DOTALL)


def document(text: str) -> dict[str, Any]:
    """What `text` says. Raises TOMLDecodeError for all that cannot be read, also what tomllib does not see coming."""
    try:
        return tomllib.loads(text)
    except RecursionError as exc:
        raise tomllib.TOMLDecodeError("it is nested too deeply") from exc
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as exc:  # an integer of thousands of digits
        raise tomllib.TOMLDecodeError(str(exc)) from exc


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
        is_first, statement = not statement, f"{statement}{line}\n"
        if not (is_first or any(mark in line for mark in _ENDS)):
            continue  # so a list of a thousand lines is not read a thousand times
        try:
            found = document(statement)
        except tomllib.TOMLDecodeError:
            continue
        is_table = bool(_TABLE.match(statement))
        for path in _paths(found, _DEPTH):
            whole = path if is_table else (*table, *path)
            yield whole, begin
        if is_table:
            table = _deepest(found)
        statement = ""


def _paths(found: object, depth: int) -> Iterator[tuple[str, ...]]:
    if isinstance(found, dict) and depth:
        for key, value in found.items():
            yield (key,)
            for below in _paths(value, depth - 1):
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
