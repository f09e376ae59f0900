"""The verbs that run servers: `serve` (HTTP), `dns`, and `up`, which is both.

    up ---- supervise ----+---- arbiter      gunicorn: HTTP on --http, its workers below it
                          +---- agent        DNS over TCP on --dns
                          +---- answerer 1   DNS over UDP on --dns, SO_REUSEPORT
                          +---- answerer ... one a core

Addresses are tried before anything starts, so that a taken one is named with the option that changes it.
"""

import contextlib
import errno
import ipaddress
import logging
import os
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from xferzone.cli.settings import Settings, occasion
from xferzone.dnsd.listen import Address, parse_address
from xferzone.errors import CannotServe, UsageError, XferzoneError
from xferzone.serve.process import LOG_FORMAT, seek_cycles_often
from xferzone.serve.running import announced, listeners
from xferzone.serve.supervise import Program, supervise

if TYPE_CHECKING:
    from xferzone.store import Store

MAX_WORKERS = 256  # processes; more than any machine this was tried on has cores

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address to listen on: for `what` ("http" or "dns"), chosen by `option`."""

    what: str
    address: Address
    option: str


def address(text: str) -> Address:
    """What `--listen` takes: `127.0.0.1:8080`, `[::1]:8080` or `localhost:8080`."""
    try:
        return parse_address(re.sub("^localhost:", "127.0.0.1:", text))
    except UsageError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.option("--listen", type=address, default="127.0.0.1:8080", show_default=True, metavar="HOST:PORT")
@click.option(
    "--workers",
    type=click.IntRange(1, MAX_WORKERS),
    default=1,
    show_default=True,
    help="Processes that answer HTTP.",
)
@click.pass_obj
def serve(settings: Settings, listen: Address, workers: int) -> None:
    """Serve over HTTP what fossil clones, syncs and pushes to.

    \b
    Example:
      xferzone serve --listen 127.0.0.1:8080 --workers 2
    """
    http = Endpoint("http", listen, "--listen")
    _run(settings.repository, "serve", [http], lambda: [_arbiter(settings.repository, listen, workers)])


@click.command()
@click.option("--listen", type=address, default="127.0.0.1:5300", show_default=True, metavar="HOST:PORT")
@click.option(
    "--workers", type=click.IntRange(1, MAX_WORKERS), help="Answering processes.  [default: one a core]"
)
@click.pass_obj
def dns(settings: Settings, listen: Address, workers: int | None) -> None:
    """Answer DNS questions, UDP and TCP, from the published zones.

    \b
    Example:
      xferzone dns --listen 127.0.0.1:5300
    """
    endpoint = Endpoint("dns", listen, "--listen")
    answerers = workers or _cores()
    _run(settings.repository, "dns", [endpoint], lambda: _responder(settings.repository, listen, answerers))


@click.command()
@click.option("--http", type=address, default="127.0.0.1:8080", show_default=True, metavar="HOST:PORT")
@click.option("--dns", type=address, default="127.0.0.1:5300", show_default=True, metavar="HOST:PORT")
@click.pass_obj
def up(settings: Settings, http: Address, dns: Address) -> None:
    """Serve HTTP and DNS at once, and keep both alive until Ctrl-C.

    \b
    Example:
      xferzone up --http 127.0.0.1:8080 --dns 127.0.0.1:5300
    """
    _run(
        settings.repository,
        "up",
        [Endpoint("http", http, "--http"), Endpoint("dns", dns, "--dns")],
        lambda: [_arbiter(settings.repository, http, 1), *_responder(settings.repository, dns, _cores())],
    )


def _run(
    repository: Path, verb: str, endpoints: Sequence[Endpoint], programs: Callable[[], Sequence[Program]]
) -> None:
    """Supervise `programs` until a signal ends them.

    Raises:
        XferzoneError: as Store.open.
        CannotServe: an endpoint cannot be had, or a program does not come up.
    """
    seek_cycles_often()
    # These take a while to import, and `--help` has no use for them.
    from xferzone.publish.publish import publish
    from xferzone.refs import Door, LocalRefs
    from xferzone.store import Store

    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    # Before the servers do: what is no repository is refused here, and an older schema migrated by one alone.
    with Store.open(repository) as store:
        with store.writer() as writer:
            for notice in publish(writer, LocalRefs(writer), occasion(Door.START)):
                _log.warning("%s", notice)
        for endpoint in endpoints:
            _check(endpoint, repository)
        if any(endpoint.what == "dns" for endpoint in endpoints):
            _compile(store)

    with contextlib.ExitStack() as stack:

        def when_up() -> None:
            places = [(endpoint.what, str(endpoint.address)) for endpoint in endpoints]
            try:
                stack.enter_context(announced(repository, verb, places))
            except OSError as error:
                _log.warning("`xferzone status` will not know of this server: %s", error)
            where = ", ".join(f"{what} on {at}" for what, at in places)
            click.echo(f"{verb}: ready, {where}, pid {os.getpid()}; Ctrl-C ends it", err=True)

        try:
            supervise(programs(), when_up)
        finally:
            _tidy(repository)
    click.echo(f"{verb}: stopped", err=True)


def _compile(store: "Store") -> None:
    """Compile what a clone has not needed compiled before."""
    from xferzone.publish import deferred
    from xferzone.refs import LocalRefs
    from xferzone.serve.helpers import compile_aside

    with store.reader() as reader:
        left = deferred.deferred(LocalRefs(reader))
    if left:
        _log.info("compiling %d zones for their first answer", len(left))
    for start in range(0, len(left), deferred.AT_ONCE):
        with store.writer() as writer:
            some = left[start : start + deferred.AT_ONCE]
            for ref, invalid in deferred.compile_deferred(writer, LocalRefs(writer), some, compile_aside):
                _log.warning("%s is not served: %s", ref.branch, invalid)


def _tidy(repository: Path) -> None:
    """Bring what workers that were killed have left in FILE-wal into the file, which then is whole by itself.

    Whoever closes a database last does that; others who still have it open keep their FILE-wal.
    """
    from xferzone.store import Store

    try:
        Store.open(repository).close()
    except XferzoneError as error:
        _log.warning("%s", error)


def _check(endpoint: Endpoint, repository: Path) -> None:
    """Bind and let go: TCP, for DNS also UDP; without SO_REUSEPORT, which would share it with a stranger."""
    at = endpoint.address
    if os.geteuid() == 0 and not ipaddress.ip_address(at.host).is_loopback:
        _log.warning("running as root and listening on %s: use a user of its own", at)
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM) if endpoint.what == "dns" else (socket.SOCK_STREAM,):
        with socket.socket(at.family, kind) as probe:
            if kind == socket.SOCK_STREAM:
                # Connections that ended a moment ago are no reason to refuse; a listener still is.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(socket.getaddrinfo(at.host, at.port, at.family, kind)[0][4])
            except OSError as error:
                reason = _reason(error, at, repository)
                remedy = f"choose another with {endpoint.option} HOST:PORT"
                raise CannotServe(f"{at} ({endpoint.what}) {reason}; {remedy}") from error


def _reason(error: OSError, at: Address, repository: Path) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            holders = [each for each in listeners(repository) if each.address == str(at)]
            return (
                f"is taken by `xferzone {holders[0].verb}`, pid {holders[0].pid}" if holders else "is taken"
            )
        case errno.EACCES:
            return "needs root or CAP_NET_BIND_SERVICE, as ports below 1024 do"
        case errno.EADDRNOTAVAIL:
            return "is no address of this machine"
        case _:
            return f"cannot be had: {error.strerror}"


def _arbiter(repository: Path, at: Address, workers: int) -> Program:
    from xferzone.serve.arbiter import Server

    return Program("http arbiter", lambda: Server(repository, str(at), workers).run())


def _responder(repository: Path, at: Address, answerers: int) -> list[Program]:
    from xferzone.dnsd import agent, answerer

    return [
        Program("dns agent", lambda: agent.main(repository, [at])),
        *(
            Program(f"dns answerer {number}", lambda: answerer.main(repository, [at]))
            for number in range(1, answerers + 1)
        ),
    ]


def _cores() -> int:
    return len(os.sched_getaffinity(0))
