"""The verbs that run servers: `serve` (HTTP), `dns`, and `up`, which is both.

    up ---- supervise ----+---- arbiter      gunicorn: HTTP on --http and --replicate-listen, its workers below it
                          +---- agent        DNS over TCP on --dns
                          +---- answerer 1   DNS over UDP on --dns, SO_REUSEPORT
                          +---- answerer ... one a core
                          +---- follower     of a mirror: follows its primaries

Options win over the environment and the configuration file (configuration.py).
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from xferzone.cli.configuration import Files, config_option
from xferzone.cli.settings import Settings

if TYPE_CHECKING:  # msgspec and dnspython behind it take a while, and `--help` does not need them
    from xferzone.config import Address, Duration

MAX_WORKERS = 256  # config.py has the same; it is imported late

_Command = TypeVar("_Command", bound=Callable[..., object])


def address(text: str) -> "Address":
    """The type of `--listen`: `127.0.0.1:8080`, `[::1]:8080` or `localhost:8080`."""
    from xferzone.config import parse_address

    try:
        return parse_address(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def duration(text: str) -> "Duration":
    """The type of `--interval`: `500ms`, `5s` or `1m`."""
    from xferzone.config import Duration

    try:
        return Duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _listen_option(option: str, default: str) -> Callable[[_Command], _Command]:
    return click.option(
        option,
        type=address,
        multiple=True,
        metavar="HOST:PORT",
        help=f"An address to listen on; may be given several times.  [default: {default}]",
    )


def _replicate_option(command: _Command) -> _Command:
    return click.option(
        "--replicate-listen",
        "replicate",
        type=address,
        multiple=True,
        metavar="HOST:PORT",
        help="An address for mirrors alone: /v0 is answered there and nowhere else; may be given several times.  "
        "[default: /v0 is answered with the rest of HTTP]",
    )(command)


def _workers_option(purpose: str) -> Callable[[_Command], _Command]:
    return click.option("--workers", type=click.IntRange(1, MAX_WORKERS), help=purpose)


@click.command()
@_listen_option("--listen", "127.0.0.1:8080")
@_replicate_option
@_workers_option("Processes that answer HTTP.  [default: 1]")
@config_option
@click.pass_obj
def serve(
    settings: Settings,
    listen: Sequence["Address"],
    replicate: Sequence["Address"],
    workers: int | None,
    file: Path | None,
) -> None:
    """Serve the repository over HTTP, to fossil and xferzone.

    \b
    Example:
      xferzone serve --listen 127.0.0.1:8080 --workers 2
    """
    options = {
        ("http", "listen"): (listen, "--listen"),
        ("http", "workers"): (workers, "--workers"),
        ("replicate", "listen"): (replicate, "--replicate-listen"),
    }
    _run("serve", {"http": "--listen", "replicate": "--replicate-listen"}, settings, file, options)


@click.command()
@_listen_option("--listen", "127.0.0.1:5300")
@_workers_option("Processes that answer UDP.  [default: one a core]")
@config_option
@click.pass_obj
def dns(settings: Settings, listen: Sequence["Address"], workers: int | None, file: Path | None) -> None:
    """Answer DNS questions, UDP and TCP, from the published zones.

    \b
    Example:
      xferzone dns --listen 127.0.0.1:5300 --listen [::1]:5300
    """
    options = {("dns", "listen"): (listen, "--listen"), ("dns", "workers"): (workers, "--workers")}
    _run("dns", {"dns": "--listen"}, settings, file, options)


@click.command()
@_listen_option("--http", "127.0.0.1:8080")
@_listen_option("--dns", "127.0.0.1:5300")
@_replicate_option
@_workers_option("Processes that answer HTTP.  [default: 1]")
@click.option(
    "--primary",
    "primaries",
    multiple=True,
    metavar="URL",
    help="A primary to follow, as a mirror; of several the first that answers is used.",
)
@click.option(
    "--interval",
    type=duration,
    metavar="TIME",
    help="The time between two looks at the primary, such as 500ms, 5s or 1m.  [default: 5s]",
)
@click.option("--via", type=click.Choice(["walk", "xfer"]), help="The road to the primary.  [default: walk]")
@config_option
@click.pass_obj
# many: one for each option
def up(
    settings: Settings,
    http: Sequence["Address"],
    dns: Sequence["Address"],
    replicate: Sequence["Address"],
    workers: int | None,
    primaries: Sequence[str],
    interval: "Duration | None",
    via: str | None,
    file: Path | None,
) -> None:
    """Serve HTTP and DNS at once, and keep both alive until Ctrl-C.

    With --primary it is a secondary: it follows that repository and answers for its zones. The file may not be there
    yet. XFERZONE_PASSWORD has the password of the login in URL, or the setting `password` of [replicate] says where it
    is.

    \b
    Examples:
      xferzone up --http 127.0.0.1:8080 --dns 127.0.0.1:5300
      xferzone -R mirror.xferzone up --primary https://mirror@dns.example.net/
    """
    options = {
        ("http", "listen"): (http, "--http"),
        ("http", "workers"): (workers, "--workers"),
        ("dns", "listen"): (dns, "--dns"),
        ("replicate", "listen"): (replicate, "--replicate-listen"),
        ("replicate", "primaries"): (primaries, "--primary"),
        ("replicate", "interval"): (interval, "--interval"),
        ("replicate", "via"): (via, "--via"),
    }
    parts = {"http": "--http", "replicate": "--replicate-listen", "dns": "--dns"}
    _run("up", parts, settings, file, options)


def _run(
    verb: str,
    parts: Mapping[str, str],
    settings: Settings,
    file: Path | None,
    options: Mapping[tuple[str, str], tuple[object, str]],
) -> None:
    from xferzone.cli.servers import Servers

    given = {setting: option for setting, option in options.items() if option[0]}
    Servers(verb, parts, Files(settings.repository, file, given)).run()
