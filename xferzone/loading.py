"""How a configuration is read, and the place that each of its settings came from.

    option  >  environment             >  file    >  default
    --http     XFERZONE_HTTP__LISTEN      TOML       the structs of config.py
               XFERZONE_DNS__RATE__SLIP   [dns.rate] slip

    [[zone]], [[acl]], [keys.NAME]     the file alone; an option such as --branch sets its setting in each [[zone]]

Every fault is reported, with the file's path and line or the name of the variable. Nothing here reads the environment
or looks for the file: `xferzone.cli.configuration` does, and hands the frozen structs down.

Source: TOML 1.0.0.
"""

import difflib
import functools
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, Final, Generic, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Struct

from xferzone.config import Notified
from xferzone.conversion import converted, plain, twice
from xferzone.errors import UsageError
from xferzone.tomltext import Path as At
from xferzone.tomltext import document, lines, syntax_error

PREFIX: Final = "XFERZONE_"
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_STEP: Final = re.compile(r"\[(\d+)\]")
#: Tables that may be written as one text, which is then the setting of that name.
_SHORT: Final = {Notified: "address"}

_Kind = TypeVar("_Kind", bound=Struct)


@dataclass(frozen=True, slots=True)
class Setting:
    """The `value` of [section] key, and `origin`: "default", FILE:LINE, a variable, or an option."""

    section: str
    key: str
    value: object
    origin: str


@dataclass(frozen=True, slots=True)
class Loaded(Generic[_Kind]):
    """A configuration, and where each of its settings came from.

    Fields:
        settings: of the sections, in the order of the structs.
        tables: those of [[zone]], [[acl]] and [keys.NAME], each with what was given in it.
        origins: of everything in the configuration that was given.
    """

    config: _Kind
    settings: Sequence[Setting]
    tables: Sequence[tuple[At, Sequence[Setting]]]
    origins: Mapping[At, str]

    def origin(self, *at: str | int) -> str:
        """Where a setting, a table or an element of one came from."""
        return _origin(self.origins, at)

    def told(self, *at: str | int, why: object) -> str:
        """The line that says `why` something cannot be used, and where it stands."""
        return _told(self.origin(*at), at, why)

    def fault(self, *at: str | int, why: object) -> UsageError:
        """The error of that line."""
        return UsageError(self.told(*at, why=why))


@dataclass(frozen=True, slots=True)
class Sources:
    """What a configuration is made from; `options`: value and name of an option by (section, key)."""

    path: Path | None  # None: there is no file
    text: str
    environ: Mapping[str, str]
    options: Mapping[tuple[str, str], tuple[object, str]]


def load(kind: type[_Kind], sources: Sources) -> Loaded[_Kind]:
    """The configuration that `sources` make of the sections of `kind`, a struct of structs.

    Raises:
        UsageError: a line for each fault, with where it is.
    """
    shown = str(sources.path or "")
    try:
        tables = document(sources.text)
    except tomllib.TOMLDecodeError as exc:
        reason, line = syntax_error(sources.text, exc)
        raise UsageError(f"{shown}:{line}: {reason}") from exc
    places = {path: f"{shown}:{line}" for path, line in lines(sources.text).items()}
    reading = _Reading(sources, places)
    reading.strangers(tables, (), kind)
    reading.unknown_variables(kind)
    made = {each.name: reading.section((each.name,), each, tables) for each in _fields(kind)}
    if reading.faults:
        raise UsageError("\n".join(reading.faults))
    return Loaded(kind(**made), reading.settings, reading.tables, reading.origins)


@dataclass(slots=True)
class _Reading:
    """What was read so far: of one document, one environment, one command line."""

    sources: Sources
    origins: dict[At, str]
    faults: list[str] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    tables: list[tuple[At, Sequence[Setting]]] = field(default_factory=list)

    def section(self, at: At, field_: msgspec.structs.FieldInfo, tables: Mapping[str, Any]) -> object:
        """The section or list of tables that `field_` describes."""
        given = tables.get(field_.name)
        shape, struct = _shape(field_.type)
        if shape == "list":
            return self._list(at, struct, given)
        if given is not None and not isinstance(given, dict):
            header = ".".join(map(str, at))
            told = f"{header} is a section: write [{header}] and its settings below"
            self.faults.append(f"{_origin(self.origins, at)}: {told}")
        table = given if isinstance(given, dict) else {}
        self.strangers(table, at, struct)
        values: dict[str, object] = {}
        for each in _fields(struct):
            below, of = _shape(each.type)
            if below == "one":
                values[each.name] = self.section((*at, each.name), each, table)
            elif below == "named":
                names = [name for name in table if name not in struct.__struct_fields__]
                values[each.name] = {name: self._table((*at, name), of, table[name]) for name in names}
            else:
                values[each.name] = self._setting((*at, each.name), each, table)
        return struct(**values)

    def _setting(self, at: At, field_: msgspec.structs.FieldInfo, table: Mapping[str, Any]) -> object:
        """One setting of a section, from the strongest source that has it."""
        key = field_.name
        section = ".".join(map(str, at[:-1]))
        variable = _variable(at)
        value, origin = field_.default, "default"
        if (section, key) in self.sources.options:  # click has checked its type
            value, origin = self.sources.options[section, key]
            if why := twice(value):
                self.faults.append(_told(origin, at, why))
        elif variable in self.sources.environ:
            origin = variable
            value = self._converted(at, variable, field_, lambda: self._of_text(variable, field_.type))
        elif key in table:
            origin, path = self.origins[at], self.sources.path
            value = self._converted(at, None, field_, lambda: converted(table[key], field_.type, True, path))
        if key in table and origin != self.origins.get(at):
            self._pass_over(lambda each: each[: len(at)] == at)
        self.origins[at] = origin
        self.settings.append(Setting(section, key, value, origin))
        return value

    def _pass_over(self, is_overridden: Callable[[At], bool]) -> None:
        """Forget where in the file those stand whose value comes from elsewhere."""
        for at in [each for each in self.origins if is_overridden(each)]:
            del self.origins[at]

    def _converted(
        self, at: At, origin: str | None, field_: msgspec.structs.FieldInfo, made: Callable[[], object]
    ) -> object:
        try:
            return made()
        except (ValueError, msgspec.ValidationError) as exc:
            self._fault(at, exc, origin)
            return field_.default

    def _fault(self, at: At, exc: Exception, origin: str | None = None) -> None:
        """`origin` None: where in the file it is."""
        text, _, below = str(exc).partition(" - at `$")
        at = (*at, *map(int, _STEP.findall(below)))
        self.faults.append(_told(origin or _origin(self.origins, at), at, text))

    def _of_text(self, variable: str, kind: Any) -> object:
        return converted(plain(self.sources.environ[variable], kind), kind, False, self.sources.path)

    def _list(self, at: At, struct: type[Struct], given: object) -> tuple[object, ...]:
        """A list of tables, and what options say of each of them."""
        name = at[0]
        if not isinstance(given, list | None) or not all(isinstance(each, dict) for each in given or ()):
            self.faults.append(
                f"{_origin(self.origins, at)}: {name} is a list of tables: write [[{name}]] and its settings below"
            )
            return ()
        options = {key: option for (section, key), option in self.sources.options.items() if section == name}
        self._pass_over(lambda each: each[0] == name and len(each) > 2 and each[2] in options)
        tables = [*(given or ()), *([{"name": "*"}] if options else [])]
        made = []
        for number, table in enumerate(tables):
            whole = self._table((*at, number), struct, table)
            for key, (value, origin) in options.items():
                self.origins[*at, number, key] = origin
                whole = msgspec.structs.replace(whole, **{key: value}) if whole else None
            made.append(whole)
        return tuple(made)

    def _table(self, at: At, struct: type[Struct], given: object) -> Any:
        """A table in a list, or by name, or within one of these. None: it has faults."""
        if isinstance(given, str) and struct in _SHORT:
            given = {_SHORT[struct]: given}
        if not isinstance(given, dict):
            self._fault(at, ValueError(f"expected a table, got {str(given)[:30]}"))
            return None
        before = len(self.faults)
        self.strangers(given, at, struct)
        values = {}
        for each in _fields(struct):
            if each.name in given:
                values[each.name] = self._in_table((*at, each.name), each, given[each.name])
            elif each.required:
                self._fault((*at, each.name), ValueError("it is missing"))
        if len(at) == 2:
            here = _header(at)
            told = [
                Setting(here, key, value, _origin(self.origins, (*at, key))) for key, value in values.items()
            ]
            self.tables.append((at, told))
        if len(self.faults) > before:
            return None
        try:
            return struct(**values)
        except ValueError as exc:
            self._fault(at, exc)
            return None

    def _in_table(self, at: At, field_: msgspec.structs.FieldInfo, given: object) -> object:
        shape, struct = _shape(field_.type)
        if shape == "one":
            return self._table(at, struct, given)
        if shape == "list" and isinstance(given, list):
            return tuple(self._table((*at, number), struct, each) for number, each in enumerate(given))
        try:
            return converted(given, field_.type, True, self.sources.path)
        except (ValueError, msgspec.ValidationError) as exc:
            self._fault(at, exc)
            return None

    def strangers(self, table: Mapping[str, Any], at: At, struct: type[Struct]) -> None:
        """Take note of what a table has that is not in its struct."""
        known = struct.__struct_fields__
        if any(_shape(each.type)[0] == "named" for each in _fields(struct)):
            return
        for key, value in table.items():
            if key not in known:
                what = f"setting {key} in {_header(at)}"
                if not at:
                    what = f"{'section' if isinstance(value, dict | list) else 'setting outside a section:'} {key}"
                self.faults.append(f"{_origin(self.origins, (*at, key))}: unknown {what}{_meant(key, known)}")

    def unknown_variables(self, kind: type[Struct]) -> None:
        """Take note of variables that look like settings, and are none."""
        known = [_variable(at) for at in _variables((), kind)]
        sections = [f"{PREFIX}{name}_".upper() for name in kind.__struct_fields__]
        for name in self.sources.environ:
            if name not in known and (
                name.startswith(tuple(sections)) or (name.startswith(PREFIX) and "__" in name)
            ):
                self.faults.append(f"{name}: no such setting{_meant(name, known)}")


@functools.cache
def _fields(struct: type[Struct]) -> Sequence[msgspec.structs.FieldInfo]:
    return msgspec.structs.fields(struct)


@functools.cache
def _shape(kind: Any) -> tuple[str, type[Struct]]:
    """How a field holds structs, and which: "one", a "list" of them, some "named"; "" and any other: it does not."""
    if get_origin(kind) in (Union, UnionType):
        return next((found for each in get_args(kind) if (found := _shape(each))[0]), ("", Struct))
    for shape, of in (("list", tuple), ("named", dict)):
        if get_origin(kind) is of:
            within = get_args(kind)[0 if of is tuple else 1]
            return (shape, within) if _shape(within)[0] == "one" else ("", Struct)
    return ("one", kind) if isinstance(kind, type) and issubclass(kind, Struct) else ("", Struct)


def _variables(at: At, struct: type[Struct]) -> Iterator[At]:
    """The settings that have a variable."""
    for each in _fields(struct):
        shape, below = _shape(each.type)
        if shape == "one":
            yield from _variables((*at, each.name), below)
        elif not shape:
            yield (*at, each.name)


def _variable(at: At) -> str:
    return f"{PREFIX}{'__'.join(map(str, at))}".upper()


def _meant(word: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(word, known, 1)
    return f": did you mean {near[0]}?" if near else f": known are {', '.join(known)}"


def _origin(origins: Mapping[At, str], at: At) -> str:
    """Where `at` stands, or the innermost table or list around it that has a place."""
    return next((origins[at[:end]] for end in range(len(at), 0, -1) if at[:end] in origins), "default")


def _header(at: At) -> str:
    """How the table at `at` is named: [dns], [dns.rate], [[zone]], [keys.NAME], `[[zone]] canary`."""
    match at:
        case (str(name), int(), *rest):
            return " ".join((f"[[{name}]]", *([_key(rest)] if rest else [])))
        case _:
            return f"[{_key(at)}]"


def _key(path: Sequence[str | int]) -> str:
    words = (each if isinstance(each, int) or _BARE.fullmatch(each) else f'"{each}"' for each in path)
    return "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in words).removeprefix(".")


def _told(origin: str, at: At, why: object) -> str:
    """The line for a fault; msgspec writes "Expected `int | null`, got `str`"."""
    text = str(why).replace(" | null", "").replace("`", "")
    text = f"{text[0].lower()}{text[1:]}" if text.startswith(("Expected", "Invalid")) else text
    head = 2 if isinstance(at[1], int) else max(n for n, each in enumerate(at) if isinstance(each, str))
    return f"{origin}: {' '.join(filter(None, (_header(at[:head]), _key(at[head:]))))}: {text}"
