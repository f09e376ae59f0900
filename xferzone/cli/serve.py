"""The verbs that run servers: `serve` (HTTP), `dns`, and `up`, which is both.

    up ---- supervise ----+---- arbiter      gunicorn: HTTP on --http and --replicate-listen, its workers below it
                          +---- agent        DNS over TCP on --dns
                          +---- answerer 1   DNS over UDP on --dns, SO_REUSEPORT
                          +---- answerer ... one a core
                          +---- follower     of a mirror: follows its primaries
                          +---- group        of a member of a group: its group program
                          +---- nats         with --nats: answers requests by NATS

Options win over the environment and the configuration file (configuration.py).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click
from click.core import ParameterSource

from xferzone.cli.configuration import Files, Options, config_option
from xferzone.cli.settings import Settings

if TYPE_CHECKING:  # msgspec and dnspython behind it take a while, and `--help` does not need them
    from xferzone.config import Address, Canary, Duration, Grant, Notified

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


def canary(text: str) -> "Canary":
    """The type of `--canary`: `next:20` or `next:2.5:SALT`."""
    from xferzone.config import Canary

    found = re.fullmatch(r"(.+?):(\d{1,3}(?:\.\d{1,2})?)(?::(.*))?", text, re.ASCII | re.DOTALL)
    if found is None or float(found[2]) > 100:
        raise click.BadParameter(f"{text!r} is not a canary: write BRANCH:PERCENT, with 0 to 100 percent")
    return Canary(found[1], float(found[2]), found[3] or "")


def grant(text: str) -> "Grant":
    """The type of `--allow-transfer`: `192.0.2.0/24`, `2001:db8::1` or `key:NAME`."""
    from xferzone.config import Grant

    try:
        return Grant(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def notified(text: str) -> "Notified":
    """The type of `--notify`: `192.0.2.1` or `[2001:db8::1]:5300`."""
    from xferzone.config import Notified, parse_server

    try:
        return Notified(parse_server(text))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _zone_options(command: _Command) -> _Command:
    """Options that set for every zone what [[zone]] sets for some, and which zones are served."""
    options = [
        click.option(
            "--zone", "zones", multiple=True, metavar="ZONE", help="A zone to answer for.  [default: all]"
        ),
        click.option("--branch", metavar="BRANCH", help="The branch that is served.  [default: main]"),
        click.option(
            "--canary",
            type=canary,
            metavar="BRANCH:PERCENT[:SALT]",
            help="Another branch, for so many of the clients.",
        ),
        click.option(
            "--allow-transfer",
            type=grant,
            multiple=True,
            metavar="NET|key:NAME",
            help="Who may transfer zones: a network, an address, or who signs with a key of the configuration.",
        ),
        click.option(
            "--notify",
            type=notified,
            multiple=True,
            metavar="ADDRESS[:PORT]",
            help="A server to tell of changes.",
        ),
        click.option("--allow-root", is_flag=True, help="Let root answer on DNS ports below 1024."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


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


def _directory(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Path | None:
    if text == "":
        raise click.BadParameter("it names no directory")
    return None if text is None else Path(text)


def _root_option(purpose: str) -> Callable[[_Command], _Command]:
    return click.option(
        "--repository-root",
        "root",
        type=click.Path(file_okay=False),
        callback=_directory,
        metavar="DIR",
        help=purpose,
    )


def _status_option(command: _Command) -> _Command:
    return click.option(
        "--status-listen",
        "status",
        type=address,
        multiple=True,
        metavar="HOST:PORT",
        help="With --repository-root: an address that tells how the server stands, with /status and /metrics; "
        "nothing else does.",
    )(command)


def _nats_option(command: _Command) -> _Command:
    return click.option(
        "--nats",
        metavar="URL",
        help="Answer by NATS, too: nats://HOST:PORT/SUBJECT, each repository with a subject of its own.",
    )(command)


def _workers_option(purpose: str) -> Callable[[_Command], _Command]:
    return click.option("--workers", type=click.IntRange(1, MAX_WORKERS), help=purpose)


@click.command()
@_listen_option("--listen", "127.0.0.1:8080")
@_replicate_option
@_nats_option
@_workers_option("Processes that answer HTTP.  [default: 1]")
@_root_option("Serve each DIR/NAME.xferzone below /NAME/, instead of one repository.")
@_status_option
@config_option
@click.pass_obj
# many: one for each option
def serve(
    settings: Settings,
    listen: Sequence["Address"],
    replicate: Sequence["Address"],
    nats: str | None,
    workers: int | None,
    root: Path | None,
    status: Sequence["Address"],
    file: Path | None,
) -> None:
    """Serve the repository over HTTP, to fossil and xferzone.

    With --repository-root it serves many, and whoever has no right in one of them cannot tell whether it is there.
    Members of groups are not among them, and none of them follows a primary or answers by NATS.

    \b
    Examples:
      xferzone serve --listen 127.0.0.1:8080 --workers 2
      xferzone serve --repository-root /srv/zones --status-listen 127.0.0.1:9000
    """
    options = {
        ("http", "listen"): (listen, "--listen"),
        ("http", "workers"): (workers, "--workers"),
        ("replicate", "listen"): (replicate, "--replicate-listen"),
        ("nats", "url"): (nats, "--nats"),
        **_of_root(root, status),
    }
    parts = {"http": "--listen", "replicate": "--replicate-listen"}
    _run("serve", parts, Files(root or settings.repository, file, _given(options)))


@click.command()
@_listen_option("--listen", "127.0.0.1:5300")
@_workers_option("Processes that answer UDP.  [default: one a core]")
@_zone_options
@click.option("--at", metavar="REV|DATE", help="A version of the past, instead of the newest.")
@_root_option("Answer for the zones of each DIR/NAME.xferzone, of 64 at most, instead of one repository's.")
@config_option
@click.pass_obj
# many: one for each option
def dns(
    settings: Settings,
    /,
    listen: Sequence["Address"],
    workers: int | None,
    root: Path | None,
    file: Path | None,
    **chosen: object,
) -> None:
    """Answer DNS questions, UDP and TCP, from published zones.

    \b
    Examples:
      xferzone dns --listen 127.0.0.1:5300 --listen [::1]:5300
      xferzone dns --zone example.com --at 2026-01-31T12:00Z
    """
    options = {
        ("dns", "listen"): (listen, "--listen"),
        ("dns", "workers"): (workers, "--workers"),
        **_of_zones(chosen),
        **_of_root(root),
    }
    _run(
        "dns",
        {"dns": "--listen"},
        Files(root or settings.repository, file, _given(options)),
        bool(chosen["allow_root"]),
    )


@click.command()
@_listen_option("--http", "127.0.0.1:8080")
@_listen_option("--dns", "127.0.0.1:5300")
@_replicate_option
@_nats_option
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
@_zone_options
@_root_option(
    "Serve each DIR/NAME.xferzone, over HTTP below /NAME/, instead of one repository; in DNS 64 at most."
)
@_status_option
@config_option
@click.pass_obj
# many: one for each option
def up(
    settings: Settings,
    /,
    http: Sequence["Address"],
    dns: Sequence["Address"],
    replicate: Sequence["Address"],
    nats: str | None,
    workers: int | None,
    primaries: Sequence[str],
    interval: "Duration | None",
    via: str | None,
    root: Path | None,
    status: Sequence["Address"],
    file: Path | None,
    **chosen: object,
) -> None:
    """Serve HTTP and DNS, both kept alive until Ctrl-C.

    With --primary it is a secondary: it follows that repository and answers for its zones. The file may not be there
    yet. XFERZONE_PASSWORD has the password, or the setting `password` of [replicate] says where it is.

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
        ("nats", "url"): (nats, "--nats"),
        ("replicate", "primaries"): (primaries, "--primary"),
        ("replicate", "interval"): (interval, "--interval"),
        ("replicate", "via"): (via, "--via"),
        **_of_zones(chosen),
        **_of_root(root, status),
    }
    parts = {"http": "--http", "replicate": "--replicate-listen", "dns": "--dns"}
    _run("up", parts, Files(root or settings.repository, file, _given(options)), bool(chosen["allow_root"]))


def _of_zones(chosen: Mapping[str, object]) -> dict[tuple[str, str], tuple[object, str]]:
    """What the options of `_zone_options` and --at set."""
    return {
        setting: (chosen[name], option)
        for name, option, setting in (
            ("zones", "--zone", ("dns", "zones")),
            ("branch", "--branch", ("zone", "branch")),
            ("canary", "--canary", ("zone", "canary")),
            ("at", "--at", ("zone", "at")),
            ("allow_transfer", "--allow-transfer", ("zone", "transfer")),
            ("notify", "--notify", ("zone", "also_notify")),
        )
        if name in chosen
    }


def _of_root(
    root: Path | None, status: Sequence["Address"] = ()
) -> dict[tuple[str, str], tuple[object, str]]:
    """What --repository-root and --status-listen set."""
    from xferzone.config import Directory

    return {
        ("hosting", "repository_root"): (root and Directory(root), "--repository-root"),
        ("hosting", "listen"): (status, "--status-listen"),
    }


def _given(options: Options) -> Options:
    """Those that the command line has."""
    return {setting: option for setting, option in options.items() if option[0]}


def _run(verb: str, parts: Mapping[str, str], files: Files, may_be_root: bool = False) -> None:
    from xferzone.cli.hosts import Hosts
    from xferzone.cli.servers import Servers

    loaded = files.read().loaded
    kind = Servers if loaded.config.hosting.repository_root is None else Hosts
    named = _named_repository()
    # FILE.toml, which -R FILE found, may say that FILE stands in a directory of them.
    if kind is Hosts and named is not None and files.path() != named.with_name(f"{named.name}.toml"):
        why = f"-R {named} names one repository, and this a directory of them: leave out one"
        raise loaded.fault("hosting", "repository_root", why=why)
    kind(verb, parts, files, may_be_root=may_be_root).run()


def _named_repository() -> Path | None:
    """What -R names, before the verb or behind it; None: the command line has none. XFERZONE_REPOSITORY, which may be
    set for other verbs, does not count."""
    context = click.get_current_context()
    sources = {each.get_parameter_source("repository") for each in (context.find_root(), context)}
    named: Path = context.obj.repository
    return named if ParameterSource.COMMANDLINE in sources else None
