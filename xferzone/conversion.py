"""What the value of a setting means, as a variable or a TOML file writes it.

A variable's value is a TOML value if it begins with `[` or `{`, else plain text; a list is separated by commas.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

import msgspec

from xferzone.config import (
    Address,
    Directory,
    Duration,
    Grant,
    KeyFile,
    Network,
    Server,
    parse_address,
    parse_server,
)
from xferzone.secret import Secret, SecretAt
from xferzone.tomltext import document

_OUT_OF_RANGE: Final = re.compile(r"Expected `(int|float).*` [<>]= \d+(\.\d+)?")  # msgspec's words
#: What makes a value of a type of our own from its text.
_PARSERS: Final[Mapping[type, Callable[[str], object]]] = {
    Address: parse_address,
    Server: parse_server,
    Network: Network,
    Duration: Duration,
    Grant: Grant,
}


def converted(value: object, kind: Any, strict: bool, path: Path | None) -> object:
    """The value of type `kind` that TOML's `value` means; if not `strict`, texts may stand for numbers, too.

    `path` is the configuration file's, beside which files of secrets are.

    Raises:
        ValueError, msgspec.ValidationError: it means none; where in the value, in msgspec's words.
    """

    def hook(wanted: type, given: object) -> object:
        if wanted is KeyFile:
            return KeyFile(_place({"file": given} if isinstance(given, str) else given, path))
        if wanted is Secret:
            return Secret(_place(given, path))
        if not isinstance(given, str):
            raise ValueError(f"expected a string, got {given!r}")
        if wanted is Directory:
            if not given:
                raise ValueError("it names no directory")
            return Directory(path.parent / given if path else given)
        return _PARSERS[wanted](given)

    if get_origin(kind) is Literal and value not in get_args(kind):
        raise ValueError(f"{value!r} is not one of {', '.join(get_args(kind))}")
    try:
        made: object = msgspec.convert(value, kind, strict=strict, dec_hook=hook)
    except msgspec.ValidationError as exc:
        if _OUT_OF_RANGE.fullmatch(str(exc)):
            raise ValueError(f"{exc}, got {str(value)[:30]}") from exc
        raise
    if why := twice(made):
        raise ValueError(why)
    return made


def twice(value: object) -> str:
    """The complaint about an element that a list has twice; empty: none."""
    if type(value) is tuple:
        for at, each in enumerate(value):
            if each in value[:at]:
                return f"{each} is given twice"
    return ""


def _place(given: object, path: Path | None) -> SecretAt:
    if isinstance(given, dict) and len(given) == 1:
        (kind, name), *_ = given.items()
        if kind in ("file", "env", "credential") and isinstance(name, str) and name:
            beside = path.parent if path else Path()
            return SecretAt(kind, str(beside / name) if kind == "file" else name)
    # The value is not shown: it may be the secret itself.
    raise ValueError('a secret is written as {file = "..."}, {env = "..."} or {credential = "..."}')


def plain(text: str, kind: Any) -> object:
    """What the text of a variable means for a setting of that type."""
    if text[:1] in ("[", "{"):
        try:
            found = document(f"value = {text}")
        except tomllib.TOMLDecodeError as exc:
            raise ValueError(f'not a TOML value: {exc}; an IPv6 address is written ["[::1]:8080"]') from exc
        if found.keys() != {"value"}:
            raise ValueError("more than one TOML value")
        return found["value"]
    info = msgspec.inspect.type_info(kind)
    kinds = info.types if isinstance(info, msgspec.inspect.UnionType) else (info,)
    if any(isinstance(each, msgspec.inspect.VarTupleType) for each in kinds):
        return [each.strip() for each in text.split(",") if each.strip()]
    return text
