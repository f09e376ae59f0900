"""The configuration of servers: its settings, the file they are read from, and the place each one came from.

    [http]                                  option  >  environment           >  file     >  default
    listen = ["127.0.0.1:8080"]             --http     XFERZONE_HTTP__LISTEN    TOML        the structs below
    workers = 2

Every fault is reported, with the file's path and line or the name of the variable. Nothing here reads the
environment or looks for the file: `xferzone.cli.configuration` does, and hands the frozen structs down.

A secret is never written in the file, only where it is (secret.py).

A variable's value is a TOML value if it begins with `[` or `{`, else plain text; a list is separated by commas.

Source: TOML 1.0.0.
"""

import difflib
import ipaddress
import re
import socket
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Generic, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from xferzone.errors import UsageError
from xferzone.secret import Secret, SecretAt
from xferzone.tomltext import document, lines, syntax_error

MAX_WORKERS: Final = 256  # processes; more than any machine this was tried on has cores
MAX_THREADS: Final = 900  # of a worker; gunicorn takes 1,000 connections a worker, and some of them only wait
SHORTEST_S: Final = 0.1  # seconds of a setting; a mirror that polls more often loads its primary for nothing
LONGEST_S: Final = 3600.0
PREFIX: Final = "XFERZONE_"
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_OUT_OF_RANGE: Final = re.compile(r"Expected `int.*` [<>]= \d+")  # msgspec's words

_Kind = TypeVar("_Kind", bound=Struct)


class Address(tuple[str, int]):
    """A numeric host, with a %scope if it is link-local, and a port from 1 to 65535.

    A tuple and not a dataclass: msgspec would decode a dataclass by itself, from a table.
    """

    __slots__ = ()

    def __new__(cls, host: str, port: int) -> "Address":
        return super().__new__(cls, (host, port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def host(self) -> str:
        return self[0]

    @property
    def port(self) -> int:
        return self[1]

    @property
    def family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    @property
    def is_wildcard(self) -> bool:
        return ipaddress.ip_address(self.host).is_unspecified


def parse_address(text: str) -> Address:
    """The address that `text` writes: 127.0.0.1:5300, [::1]:5300 or localhost:5300.

    Raises:
        ValueError: it is not an address; says what one looks like.
    """
    host, colon, port = text.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        if not (colon and port.isascii() and port.isdigit() and 1 <= int(port) <= 65535):
            raise ValueError("no port")
        parsed = ipaddress.ip_address(host[1:-1] if bracketed else host)
        if bracketed != (parsed.version == 6):
            raise ValueError("brackets are for IPv6")
        mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    except ValueError as exc:
        raise ValueError(
            f"{text!r} is not an address to listen on: write 127.0.0.1:5300 or [::1]:5300"
        ) from exc
    if mapped is not None:  # a socket that takes IPv6 only cannot be bound to it
        raise ValueError(f"{text!r} is an IPv4 address in IPv6 form: write {mapped}:{port}")
    return Address(str(parsed), int(port))


class Network:
    """A block of addresses, such as 127.0.0.0/8, or a single one."""

    __slots__ = ("_block",)

    def __init__(self, text: str) -> None:
        """Raises ValueError where `text` is neither."""
        try:
            self._block = ipaddress.ip_network(text)
        except ValueError as exc:
            raise ValueError(f"{text!r} is not a network: write 10.0.0.0/8, fd00::/8 or an address") from exc

    def __contains__(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        return address in self._block

    def __str__(self) -> str:
        return str(self._block)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Network) and self._block == other._block

    def __hash__(self) -> int:
        return hash(self._block)


class Duration:
    """A time: 500ms, 5s, 1m; between SHORTEST_S and LONGEST_S."""

    __slots__ = ("_text", "seconds")

    def __init__(self, text: str) -> None:
        """Raises ValueError where `text` is not one."""
        found = re.fullmatch(r"(\d{1,9})(ms|s|m|h)", text, re.ASCII)
        if found is None:
            raise ValueError(f"{text!r} is not a time: write 500ms, 5s or 1m")
        self._text = text
        self.seconds = int(found[1]) * _UNITS[found[2]]
        if not SHORTEST_S <= self.seconds <= LONGEST_S:
            raise ValueError(f"{text} is out of range: write a time from 100ms to 1h")

    def __str__(self) -> str:
        return self._text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Duration) and self.seconds == other.seconds

    def __hash__(self) -> int:
        return hash(self.seconds)


Workers = Annotated[int, Meta(ge=1, le=MAX_WORKERS)]
Listen = Annotated[tuple[Address, ...], Meta(min_length=1)]


class Http(Struct, frozen=True):
    """[http]: `trusted` proxies are believed when they name the client they forward."""

    listen: Listen = (Address("127.0.0.1", 8080),)
    workers: Workers = 1
    threads: Annotated[int, Meta(ge=1, le=MAX_THREADS)] = 64  # of a worker
    trusted: tuple[Network, ...] = (Network("127.0.0.0/8"), Network("::1"))


class Dns(Struct, frozen=True):
    """[dns]: `workers` None: one a core; `zones` None: all that are published."""

    listen: Listen = (Address("127.0.0.1", 5300),)
    workers: Workers | None = None
    zones: tuple[str, ...] | None = None


class Replicate(Struct, frozen=True):
    """[replicate]: `listen`: the only addresses that answer the walk; none: those of [http] do. `primaries`: URLs that
    a mirror follows, in the order in which they are asked; none: nobody. `login` None: that of the URL, else none."""

    listen: tuple[Address, ...] = ()
    primaries: tuple[str, ...] = ()
    interval: Duration = Duration("5s")
    via: Literal["walk", "xfer"] = "walk"
    through_cache: bool = False  # artifacts are asked for one by one
    login: str | None = None
    password: Secret | None = None


class Log(Struct, frozen=True):
    """[log]: what servers write to stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["text", "json"] = "text"


class Config(Struct, frozen=True):
    """All of it."""

    http: Http = Http()
    dns: Dns = Dns()
    replicate: Replicate = Replicate()
    log: Log = Log()


@dataclass(frozen=True, slots=True)
class Setting:
    """The `value` of [section] key, and `origin`: "default", FILE:LINE, a variable, or an option."""

    section: str
    key: str
    value: object
    origin: str


@dataclass(frozen=True, slots=True)
class Loaded(Generic[_Kind]):
    """A configuration, and where each of its settings came from, in the order of the structs."""

    config: _Kind
    settings: Sequence[Setting]

    def origin(self, section: str, key: str) -> str:
        """Where a setting came from."""
        return next(each.origin for each in self.settings if (each.section, each.key) == (section, key))

    def fault(self, section: str, key: str, why: object) -> UsageError:
        """The error that says `why` a setting cannot be used, and where it stands."""
        return UsageError(_told(self.origin(section, key), section, key, why))


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
    places = {path: f"{shown}:{line}" for path, line in lines(sources.text)}
    sections = {field.name: field.type for field in msgspec.structs.fields(kind)}
    faults = [
        *_strangers(tables, sections, places),
        *_unknown_variables(sources.environ, sections),
    ]
    made, settings = {}, []
    for section, struct in sections.items():
        values = {}
        for field in msgspec.structs.fields(struct):
            setting, fault = _setting(section, field, tables, places, sources)
            faults += fault
            settings.append(setting)
            values[field.name] = setting.value
        made[section] = struct(**values)
    if faults:
        raise UsageError("\n".join(faults))
    return Loaded(kind(**made), settings)


def _setting(
    section: str,
    field: msgspec.structs.FieldInfo,
    tables: Mapping[str, Any],
    places: Mapping[tuple[str, ...], str],
    sources: Sources,
) -> tuple[Setting, list[str]]:
    """One setting from the strongest source that has it, and what is wrong with it."""
    key = field.name
    variable = f"{PREFIX}{section}__{key}".upper()
    table = tables.get(section)
    if (section, key) in sources.options:  # click has checked its type
        value, origin = sources.options[section, key]
        twice = _twice(value)
        return Setting(section, key, value, origin), [_told(origin, section, key, twice)] if twice else []
    if variable in sources.environ:
        value, origin, strict = sources.environ[variable], variable, False
    elif isinstance(table, dict) and key in table:
        value, origin, strict = table[key], places[section, key], True
    else:
        return Setting(section, key, field.default, "default"), []
    try:
        if not strict:
            value = _plain(str(value), field.type)
        return Setting(section, key, _converted(value, field.type, strict, sources.path), origin), []
    except (ValueError, msgspec.ValidationError) as exc:
        given = f", got {str(value)[:30]}" if _OUT_OF_RANGE.fullmatch(str(exc)) else ""
        return Setting(section, key, field.default, origin), [_told(origin, section, key, f"{exc}{given}")]


#: What makes a value of a type of our own from its text.
_PARSERS: Final[Mapping[type, Callable[[str], object]]] = {
    Address: parse_address,
    Network: Network,
    Duration: Duration,
}


def _converted(value: object, kind: Any, strict: bool, path: Path | None) -> object:
    def hook(wanted: type, given: object) -> object:
        if wanted is Secret:
            return _secret(given, path)
        if not isinstance(given, str):
            raise ValueError(f"expected a string, got {given!r}")
        return _PARSERS[wanted](given)

    if get_origin(kind) is Literal and value not in get_args(kind):
        raise ValueError(f"{value!r} is not one of {', '.join(get_args(kind))}")
    made: object = msgspec.convert(value, kind, strict=strict, dec_hook=hook)
    if twice := _twice(made):
        raise ValueError(twice)
    return made


def _twice(value: object) -> str:
    """The complaint about an element that a list has twice; empty: none."""
    if type(value) is tuple:
        for at, each in enumerate(value):
            if each in value[:at]:
                return f"{each} is given twice"
    return ""


def _secret(given: object, path: Path | None) -> Secret:
    if isinstance(given, dict) and len(given) == 1:
        (kind, name), *_ = given.items()
        if kind in ("file", "env", "credential") and isinstance(name, str) and name:
            beside = path.parent if path else Path()
            return Secret(SecretAt(kind, str(beside / name) if kind == "file" else name))
    # The value is not shown: it may be the secret itself.
    raise ValueError('a secret is written as {file = "..."}, {env = "..."} or {credential = "..."}')


def _plain(text: str, kind: Any) -> object:
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


def _strangers(
    tables: Mapping[str, Any], sections: Mapping[str, Any], places: Mapping[tuple[str, ...], str]
) -> Iterator[str]:
    """What the file has that is neither a section nor a key of one."""
    for section, table in tables.items():
        if section not in sections:
            what = "section" if isinstance(table, dict | list) else "setting outside a section:"
            yield f"{places[section,]}: unknown {what} {section}{_meant(section, sections)}"
        elif not isinstance(table, dict):
            yield f"{places[section,]}: {section} is a section: write [{section}] and its settings below"
        else:
            known = [field.name for field in msgspec.structs.fields(sections[section])]
            for key in (key for key in table if key not in known):
                yield f"{places[section, key]}: unknown setting {key} in [{section}]{_meant(key, known)}"


def _unknown_variables(environ: Mapping[str, str], sections: Mapping[str, Any]) -> Iterator[str]:
    known = [
        f"{PREFIX}{section}__{field.name}".upper()
        for section, struct in sections.items()
        for field in msgspec.structs.fields(struct)
    ]
    for name in environ:
        begins = any(name.startswith(f"{PREFIX}{section}_".upper()) for section in sections)
        if name not in known and (begins or (name.startswith(PREFIX) and "__" in name)):
            yield f"{name}: no such setting{_meant(name, known)}"


def _meant(word: str, known: Sequence[str] | Mapping[str, object]) -> str:
    near = difflib.get_close_matches(word, known, 1)
    return f": did you mean {near[0]}?" if near else f": known are {', '.join(known)}"


def _told(origin: str, section: str, key: str, why: object) -> str:
    """The line for a fault; msgspec writes "Expected `int | null`, got `str` - at `$[1]`"."""
    text, _, at = str(why).partition(" - at `$")
    text = text.replace(" | null", "").replace("`", "")
    text = f"{text[0].lower()}{text[1:]}" if text.startswith(("Expected", "Invalid")) else text
    return f"{origin}: [{section}] {key}{at.removesuffix('`')}: {text}"
