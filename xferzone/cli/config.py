"""The verbs `config check` and `config show`: what servers would run with, and where each setting came from."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from xferzone.cli.configuration import Files, config_option
from xferzone.cli.output import show_json
from xferzone.cli.settings import Settings

if TYPE_CHECKING:  # msgspec behind it takes a while, and `--help` does not need it
    from xferzone.config import Setting

#: What a setting that is absent means.
ABSENT = {
    ("dns", "workers"): "one a core",
    ("dns", "zones"): "all zones that are published",
    ("replicate", "login"): "the one in the URL",
    ("replicate", "password"): "XFERZONE_PASSWORD, or what `pull --save-password` kept",
}


@click.group()
def config() -> None:
    """Check or show the servers' settings.

    One file is read: the one that -c names, else XFERZONE_CONFIG, else FILE.toml beside the repository
    (zones.xferzone.toml), else /etc/xferzone/xferzone.toml. A variable such as XFERZONE_HTTP__WORKERS wins over the
    file, an option of `up`, `serve` or `dns` over both.

    \b
    Example:
      xferzone config show
    """


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
    files.read()
    path = files.path()
    if settings.json:
        show_json({"file": str(path) if path else None, "ok": True})
    else:
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
    loaded = files.read()
    path = files.path()
    if settings.json:
        sections: dict[str, dict[str, object]] = {}
        for each in loaded.settings:
            shown = {"value": _plain(each.value), "from": each.origin}
            sections.setdefault(each.section, {})[each.key] = shown
        show_json({"file": str(path) if path else None, "settings": sections})
        return
    click.echo(f"# {path} is read" if path else "# no configuration file is read")
    section = ""
    for each in loaded.settings:
        if each.section != section:
            section = each.section
            click.echo(f"\n[{section}]")
        click.echo(f"{_line(each):<60} # {each.origin}")


def _line(setting: "Setting") -> str:
    if setting.value is None:
        return f"# {setting.key}: {ABSENT[setting.section, setting.key]}"
    return f"{setting.key} = {_toml(_plain(setting.value))}"


def _plain(value: object) -> object:
    """A value as TOML and JSON have it."""
    if isinstance(value, tuple) and type(value) is tuple:
        return [_plain(each) for each in value]
    return value if isinstance(value, int | None) else str(value)


def _toml(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, str) and not value.startswith("{"):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value).lower() if isinstance(value, bool) else str(value)
