"""Where each table, key and element of a TOML document begins: tomllib tells values without their lines.

[http]             ("http",) 1
listen = [         ("http", "listen") 2
  "[::1]:8080",    ("http", "listen", 0) 3
]
[[zone]]           ("zone", 0) 5; of the first one ("zone",), too
[zone.canary]      ("zone", 0, "canary") 6
percent = 5        ("zone", 0, "canary", "percent") 7

Source: TOML 1.0.0.
"""

import re
import tomllib
from typing import Any, Final

#: Keys and indexes that lead from the document to what is meant.
Path = tuple[str | int, ...]

_ERROR: Final = re.compile(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", re.DOTALL)
_BLANK: Final = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_NAME: Final = r"""(?:"(?:\\.|[^"\\\n])*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_KEY: Final = re.compile(rf"{_NAME}(?:[ \t]*\.[ \t]*{_NAME})*")
_SCALAR: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}(?!")|\'\'\'.*?\'{3,5}(?!\')|"(?:\\.|[^"\\])*"|\'[^\']*\'|[^,\]}#\n]+',
    re.DOTALL,
)


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


def lines(text: str) -> dict[Path, int]:
    """The line where each table, key and element of a TOML document begins; the document is known to be sound."""
    return _Scanner(text).found


class _Scanner:
    """Goes through the text once. Each method begins at `_at` and ends behind what it is named for."""

    def __init__(self, text: str) -> None:
        self.found: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._line, self._counted = 1, 0  # the line of the octet `_counted`
        self._tables: dict[Path, int] = {}  # how many elements each array of tables has so far
        table: Path = ()
        while self._is_before():
            if text[self._at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _header(self) -> Path:
        """The path of a table that a line in brackets begins."""
        is_array = self._text.startswith("[[", self._at)
        self._at += 1 + is_array
        self._is_before()
        *outer, last = self._key()
        path: Path = ()
        for name in outer:
            path = self._newest((*path, name))
        path = (*path, last)
        if is_array:
            self._mark(path)
            self._tables[path] = self._tables.get(path, 0) + 1
        path = self._newest(path)
        self._at = self._text.index("]", self._at) + 1 + is_array
        return path

    def _newest(self, path: Path) -> Path:
        """The table that `path` means in a header: of an array of tables the last one."""
        self._mark(path)
        if path in self._tables:
            path = (*path, self._tables[path] - 1)
            self._mark(path)
        return path

    def _pair(self, table: Path) -> None:
        path = table
        for name in self._key():
            path = (*path, name)
            self._mark(path)
        self._at = self._text.index("=", self._at) + 1
        self._value(path)

    def _value(self, path: Path) -> None:
        self._is_before()
        opened = self._text[self._at]
        if opened not in "[{":
            self._at = self._matched(_SCALAR).end()
            return
        self._at += 1
        number = 0
        while self._is_before() and self._text[self._at] not in "]}":
            if self._text[self._at] == ",":
                self._at += 1
            elif opened == "{":
                self._pair(path)
            else:
                self._mark((*path, number))
                self._value((*path, number))
                number += 1
        self._at += 1

    def _key(self) -> tuple[str, ...]:
        found = self._matched(_KEY)
        self._at = found.end()
        if found[0].replace("_", "").isalnum():
            return (found[0],)
        at = document(f"{found[0]} = 0")
        names = []
        while isinstance(at, dict):
            ((name, at),) = at.items()
            names.append(name)
        return tuple(names)

    def _is_before(self) -> bool:
        """Whether there is more behind blanks and comments, which are passed."""
        self._at = self._matched(_BLANK).end()
        return self._at < len(self._text)

    def _matched(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self._text, self._at)
        assert found is not None, self._text[self._at : self._at + 40]
        return found

    def _mark(self, path: Path) -> None:
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        self.found.setdefault(path, self._line)
