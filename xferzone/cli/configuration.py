"""The configuration that a server verb runs with: which file is read, and what the environment and options add.

    -c FILE, else XFERZONE_CONFIG         a file that must be there
    else FILE.toml beside the repository  zones.xferzone.toml; if it is there
    else /etc/xferzone/xferzone.toml      if it is there
    else                                  no file

The first one found is read, alone: files are never merged. Only up, serve, dns and config read it.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from xferzone.cli import group_settings
from xferzone.errors import UsageError

if TYPE_CHECKING:
    from xferzone.config import Config
    from xferzone.dnsd.terms import Terms
    from xferzone.loading import Loaded

SYSTEM = Path("/etc/xferzone/xferzone.toml")
VARIABLE = "XFERZONE_CONFIG"
MAX_SIZE = 4 * 1024 * 1024  # bytes of a file; ours: some 100,000 zones

_Command = TypeVar("_Command", bound=Callable[..., object])
#: What command-line options say: by section and key their value, and the option's name.
Options = Mapping[tuple[str, str], tuple[object, str]]


def config_option(command: _Command) -> _Command:
    """The option -c of the verbs that read the configuration."""
    return click.option(
        "-c",
        "--config",
        "file",
        type=click.Path(path_type=Path, dir_okay=False),
        callback=_named,
        metavar="FILE",
        help=f"The configuration file.  [default: {VARIABLE}, else REPOSITORY.toml, else {SYSTEM}]",
    )(command)


def _named(_context: click.Context, _parameter: click.Parameter, file: Path | None) -> Path | None:
    if file == Path():  # what an empty word becomes, as of a variable that is not set
        raise click.BadParameter("it names no file")
    return file


@dataclass(frozen=True, slots=True)
class Files:
    """Where a configuration comes from, to be read now and whenever a server is told to read it again."""

    repository: Path
    given: Path | None  # -c
    options: Options

    def path(self) -> Path | None:
        """The file to be read; None: there is none."""
        named = self.given or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
        if named is not None:
            return named
        name = self.repository.name  # empty: -R names no file, which the server says
        beside = self.repository.with_name(f"{name}.toml") if name else SYSTEM
        try:
            return next((path for path in (beside, SYSTEM) if path.exists()), None)
        except OSError as exc:
            raise UsageError(f"cannot look for the configuration file {beside}: {exc.strerror}") from exc

    def read(self) -> "Chosen":
        """The configuration as it is now.

        Raises:
            UsageError: with every fault, and where it is.
        """
        from xferzone.config import Config
        from xferzone.dnsd.configured import terms
        from xferzone.loading import Sources, load

        path = self.path()
        loaded = load(Config, Sources(path, _text(path) if path else "", os.environ, self.options))
        _check_primaries(loaded)
        _check_hosting(loaded)
        _check_secrets(loaded)
        group_settings.check(loaded)
        return Chosen(loaded, *terms(loaded, os.environ))


@dataclass(frozen=True, slots=True)
class Chosen:
    """A configuration, what it means for DNS, and what is odd about it, a line each."""

    loaded: "Loaded[Config]"
    terms: "Terms"
    doubts: Sequence[str]

    @property
    def config(self) -> "Config":
        return self.loaded.config


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise UsageError(f"the configuration file {path} is not a regular file")
        with path.open("rb") as file:
            octets = file.read(MAX_SIZE + 1)
        if len(octets) > MAX_SIZE:
            raise UsageError(f"the configuration file {path} has over {MAX_SIZE} bytes")
        return octets.decode("utf-8-sig")
    except OSError as exc:
        raise UsageError(f"cannot read the configuration file {path}: {exc.strerror}") from exc
    except UnicodeDecodeError as exc:
        raise UsageError(f"{path}: not UTF-8 text at byte {exc.start}") from exc


def _check_primaries(loaded: "Loaded[Config]") -> None:
    from xferzone.transport.url import credentials

    for url in loaded.config.replicate.primaries:
        try:
            _, _, password = credentials(url)
        except UsageError as exc:
            raise loaded.fault("replicate", "primaries", why=exc) from exc
        if password is not None and not loaded.origin("replicate", "primaries").startswith("--"):
            # The URL is not shown: the password is in it.
            raise loaded.fault(
                "replicate", "primaries", why="a URL has a password in it: write password = {file = ...}"
            )


def _check_hosting(loaded: "Loaded[Config]") -> None:
    config = loaded.config
    if config.hosting.repository_root is None:
        if config.hosting.listen:
            raise loaded.fault(
                "hosting", "listen", why="it is of a server of many: give repository_root, too"
            )
        return
    for section, key, given in (
        ("replicate", "primaries", config.replicate.primaries),
        ("nats", "url", config.nats.url),
        ("group", "etcd", config.group.etcd),
    ):
        if given:
            why = "a repository that has this needs a server of its own: it is not served from a repository_root"
            raise loaded.fault(section, key, why=why)
    for number, zone in enumerate(config.zone):
        for key, is_chosen in (
            ("branch", zone.branch != "main"),
            ("canary", zone.canary is not None),
            ("at", zone.at is not None),
        ):
            if is_chosen:
                why = "the zones of a repository_root are served from main, as they are now"
                raise loaded.fault("zone", number, key, why=why)


def _check_secrets(loaded: "Loaded[Config]") -> None:
    from xferzone.config import KeyFile
    from xferzone.secret import Secret

    for setting in loaded.settings:
        if isinstance(setting.value, Secret) and not isinstance(setting.value, KeyFile):
            try:
                setting.value.reveal(os.environ)
            except UsageError as exc:
                raise loaded.fault(*setting.section.split("."), setting.key, why=exc) from exc
