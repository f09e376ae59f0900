"""The verbs `config check` and `config show`: what servers would run with, and where each setting came from.

Those of the project's configuration stand in project.py.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from xferzone.cli import grouped
from xferzone.cli.configuration import Files, config_option
from xferzone.cli.output import show_json
from xferzone.cli.project import list_, pull, push
from xferzone.cli.settings import Settings

if TYPE_CHECKING:  # msgspec behind it takes a while, and `--help` does not need it
    from xferzone.config import Config
    from xferzone.loading import Loaded, Setting

#: What a setting that is absent means.
ABSENT = {
    ("hosting", "repository_root"): "one repository is served",
    ("dns", "workers"): "one a core",
    ("dns", "zones"): "all zones that are published",
    ("dns", "nsid"): "not said",
    ("dns", "version"): "not said",
    ("dns", "identity"): "not said",
    ("dns", "cookies"): "secrets by chance, at each start",
    ("dns.rate", "enabled"): "where an address of [dns] is not loopback",
    ("replicate", "login"): "the one in the URL",
    ("replicate", "password"): "XFERZONE_PASSWORD, or what `pull --save-password` kept",
    ("nats", "url"): "no requests are taken by NATS",
    ("nats", "user"): "none",
    ("nats", "password"): "none",
    ("nats", "token"): "none",
    ("nats", "ca"): "the system's",
    ("nats", "certificate"): "none",
    ("nats", "key"): "that of the certificate",
    ("group", "prefix"): "xferzone, or as it joined",
    ("group", "name"): "as it joined, else the host's",
    ("group", "url"): "as it joined",
    ("group", "copies"): "as the group has it, else 1",
    ("group", "user"): "as it joined, else none",
    ("group", "password"): "as it joined, else none",
    ("group", "ca"): "as it joined, else the system's",
    ("group", "certificate"): "as it joined, else none",
    ("group", "key"): "as it joined, else that of the certificate",
}


@click.group()
def config() -> None:
    """The servers' settings, and the project's configuration.

    For the servers one file is read: the one that -c names, else XFERZONE_CONFIG, else FILE.toml beside the repository
    (zones.xferzone.toml), else /etc/xferzone/xferzone.toml. A variable such as XFERZONE_HTTP__WORKERS wins over the
    file, an option of `up`, `serve` or `dns` over both.

    The project's is what Fossil keeps beside artifacts: the skin, ticket reports, the name. It means nothing to the
    servers; stock clones get it.

    \b
    Examples:
      xferzone config show
      xferzone config pull skin
    """


for _command in (pull, push, list_):
    config.add_command(_command)


@config.command()
@config_option
@click.pass_obj
def check(settings: Settings, file: Path | None) -> None:
    """Say which file is read and whether servers would start with it; exit code 2 if not.

    \b
    Example:
      xferzone config check -c /etc/xferzone/xferzone.toml
    """
    files = Files(settings.repository, file, {})
    chosen = files.read()
    grouped.check_fits(settings.repository, chosen.loaded)
    doubts, path = chosen.doubts, files.path()
    if settings.json:
        show_json({"file": str(path) if path else None, "ok": True, "warnings": doubts})
    else:
        for doubt in doubts:
            click.echo(f"warning: {doubt}", err=True)
        click.echo(f"{path}: ok" if path else "no configuration file: defaults and the environment are used")


@config.command()
@config_option
@click.pass_obj
def show(settings: Settings, file: Path | None) -> None:
    """Print every setting as TOML, with where its value came from; of a secret only its place.

    \b
    Example:
      xferzone config show
    """
    files = Files(settings.repository, file, {})
    loaded = files.read().loaded
    path = files.path()
    if settings.json:
        show_json({"file": str(path) if path else None, "settings": _as_json(loaded)})
        return
    click.echo(f"# {path} is read" if path else "# no configuration file is read")
    section = ""
    for each in loaded.settings:
        if each.section != section:
            section = each.section
            click.echo(f"\n[{section}]")
        click.echo(_line(each))
    for _, given in loaded.tables:
        click.echo(f"\n{given[0].section}")
        for each in given:
            click.echo(_line(each))


def _as_json(loaded: "Loaded[Config]") -> dict[str, object]:
    """Sections by name, [dns.rate] within [dns]; of lists of tables, and of keys, those settings that were given."""
    found: dict[str, Any] = {}
    for each in loaded.settings:
        outer, _, inner = each.section.partition(".")
        table = found.setdefault(outer, {})
        (table.setdefault(inner, {}) if inner else table)[each.key] = _with_origin(each)
    for (section, which), given in loaded.tables:
        table = {each.key: _with_origin(each) for each in given}
        if isinstance(which, int):
            found.setdefault(str(section), []).append(table)
        else:
            found[str(section)][which] = table
    return found


def _with_origin(setting: "Setting") -> dict[str, object]:
    return {"value": _plain(setting.value), "from": setting.origin}


def _line(setting: "Setting") -> str:
    if setting.value is None:
        text = f"# {setting.key}: {ABSENT[setting.section, setting.key]}"
    else:
        text = f"{setting.key} = {_toml(_plain(setting.value))}"
    return f"{text:<60} # {setting.origin}"


def _plain(value: object) -> object:
    """A value as TOML and JSON have it."""
    # msgspec takes a while, and `--help` does not need it
    from msgspec import Struct, structs

    from xferzone.secret import Secret

    if isinstance(value, Secret):
        return {value.at.kind: value.at.name}
    if isinstance(value, Struct):
        given = {each.name: (getattr(value, each.name), each.default) for each in structs.fields(value)}
        return {key: _plain(each) for key, (each, default) in given.items() if each != default}
    if isinstance(value, tuple) and type(value) is tuple:
        return [_plain(each) for each in value]
    return value if isinstance(value, int | float | None) else str(value)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key} = {_toml(each)}' for key, each in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value).lower() if isinstance(value, bool) else str(value)
