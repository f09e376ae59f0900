"""The servers behind a verb: what runs, from the configuration as it is now, until a signal ends it.

    read the configuration ──> open, publish, compile ──> bind ──> supervise ──────────────> stopped
                                                            ^          | HUP
                                                            +──────────+ read it again; a bad one is not taken

While the repository is a member of a group, its group program runs with the servers of HTTP.

Addresses are bound before anything starts, so that a taken one is named with the option that changes it.
"""

import contextlib
import dataclasses
import errno
import functools
import logging
import os
import secrets
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from xferzone import metrics
from xferzone.cli import agreement, grouped, mirrors
from xferzone.cli.beside import Beside, beside
from xferzone.cli.configuration import Chosen, Files
from xferzone.cli.settings import now_ms, occasion
from xferzone.config import Config
from xferzone.counters import Counters
from xferzone.dnsd import onward, pinned
from xferzone.dnsd.parts import shared_directory
from xferzone.dnsd.terms import Terms
from xferzone.errors import Busy, CannotServe, NoRoom, ReadOnly, Refused, XferzoneError
from xferzone.loading import Loaded
from xferzone.nameserver.siphash import KEY_SIZE
from xferzone.refs import Door, LocalRefs
from xferzone.refs.role import Role
from xferzone.repository import clock
from xferzone.serve import group, logs
from xferzone.serve.activation import Activated
from xferzone.serve.children import Program
from xferzone.serve.helpers import compile_in_parallel
from xferzone.serve.listening import CannotListen, Endpoint, Listening, overlapping
from xferzone.serve.notify import ServiceManager
from xferzone.serve.preparing import prepare
from xferzone.serve.process import seek_cycles_often
from xferzone.serve.publications import log_publications
from xferzone.serve.renewing import renew_indexes
from xferzone.serve.running import announced, listeners
from xferzone.serve.supervise import supervise
from xferzone.serve.tidying import tidy
from xferzone.store import Store, schema

PRIVILEGED: Final = 1024  # ports below need a right that root has

if TYPE_CHECKING:  # a server of HTTP alone does not need it
    from xferzone.dnsd.handover import Handover

MAX_ABSENT: Final = 10  # zones that are named where they are to be served and are not here

log = logging.getLogger(__name__)


class Servers:
    """HTTP, DNS or both: `parts` has "http" and "replicate", "dns" or all, each with the option for its addresses."""

    def __init__(
        self, verb: str, parts: Mapping[str, str], files: Files, *, may_be_root: bool = False
    ) -> None:
        """`may_be_root`: uid 0 may answer DNS on ports below 1024."""
        self._verb = verb
        self._parts = parts
        self._files = files
        self._may_be_root = may_be_root
        self._repository = files.repository
        self._listening = Listening()
        self._endpoints: Sequence[Endpoint] = ()
        self._note = contextlib.ExitStack()
        self._real = ""  # the file that the repository's name led to when this server was announced
        self._was_up = False
        self._in_json = False
        self._beside = Beside()
        self._role = Role(files.repository)
        self._agreement = agreement.Agreement()  # with the group, of what DNS serves
        self._programs_now: list[Program] = []  # but for the group program
        self._counters = Counters(metrics.SIZE)
        self._pair: Handover | None = None  # None: there was no DNS yet
        self._answerers = 0  # that the configuration asks for
        self._cookie_secret = secrets.token_bytes(KEY_SIZE)  # unless the configuration has others
        self._directory: Path | None = None  # where processes of DNS share compiled zone files
        self._manager = ServiceManager()

    def run(self) -> None:
        """Supervise until a signal ends it.

        Raises:
            UsageError: the configuration has faults.
            XferzoneError: as Store.open.
            Refused: the serial of a zone would go back.
            CannotServe: an address cannot be bound, or a program does not come up.
        """
        seek_cycles_often()
        for number in (signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)  # there are no log files to reopen
        self._listening.activated = Activated.of(os.environ, os.getpid())
        chosen = self._files.read()
        self._log_as(chosen.config)
        self._tell_doubts(chosen)
        self._beside = self._chosen_beside(chosen.loaded)
        with contextlib.ExitStack() as refused:
            if self._beside.primaries is not None and mirrors.make_if_none(self._repository):
                refused.callback(self._repository.unlink)
            self._prepare()
            self._configure(chosen.loaded)
            chosen = self._pinned(chosen)
            chosen = self._bind(chosen)
            refused.pop_all()
        shared = shared_directory("dns" in self._parts)
        with contextlib.closing(self._listening), self._note, shared as self._directory:
            try:
                supervise(
                    self._programs(chosen),
                    self._tell,
                    self._reload,
                    self._look,
                    self._manager.stopping,
                )
            finally:
                self._tidy()
        with contextlib.suppress(OSError):  # the terminal has hung up
            self._say("stopped")

    def _chosen_beside(self, loaded: Loaded[Config]) -> Beside:
        return beside(loaded, self._repository, follows=self._verb == "up", answers="http" in self._parts)

    def _configure(self, loaded: Loaded[Config]) -> None:
        grouped.configure(self._repository, loaded)

    def _tidy(self) -> None:
        tidy(self._repository)

    def _prepare(self) -> None:
        """Refuse what is not a repository, migrate an older schema, publish, compile: once, before the servers do.

        Where nothing can be written, what was published before is served.
        """
        with Store.open(self._repository) as store:
            with store.reader() as reader:
                self._counters.told = LocalRefs(reader).newest()
                for doubt in [*clock.doubts(reader, now_ms()), *self._beside.doubts(reader.role)]:
                    log.warning("%s", doubt)
            prepare(store, occasion(Door.START), answers="dns" in self._parts)

    def _pinned(self, chosen: Chosen) -> Chosen:
        """The same, with the zones that are served as they were looked up and compiled.

        Raises:
            UsageError: an `at` is neither a revision nor a date.
            NotFound: no zone has it.
        """
        if "dns" not in self._parts or all(each.at is None for _name, each in chosen.terms.zones):
            return chosen
        with Store.open(self._repository) as store:
            pins = pinned.pin(store, chosen.terms, now_ms(), compile_in_parallel)
        for line in pins.pinned:
            log.info("%s", line)
        for line in pins.refused:
            log.warning("%s", line)
        return dataclasses.replace(chosen, terms=pins.terms)

    def _bind(self, chosen: Chosen) -> Chosen:
        """Listen as was chosen, unless a zone's serial would go back, or the group serves otherwise; and remember it.

        The terms of what is returned say what was served of zones whose branch may come later.

        Raises:
            Refused: it would.
            UsageError: the group has other rules.
            CannotServe: an address cannot be bound.
        """
        if "dns" not in self._parts:
            self._listen(chosen.loaded)
            return chosen
        addresses = [str(address) for address in chosen.config.dns.listen]
        with Store.open(self._repository) as store:
            with store.reader() as reader:
                agreement.check(reader, chosen)
                onward.check(reader, addresses, chosen.terms)
                is_known = onward.is_known(reader, addresses, chosen.terms)
                above = onward.above(reader, addresses, chosen.terms)
                refs = LocalRefs(reader)
                absent = [zone for zone in sorted(chosen.terms.only or ()) if not refs.of_zone(zone)]
            for zone in absent[:MAX_ABSENT]:
                log.warning("%s is to be served, and there is no such zone here: `xferzone zone list`", zone)
            self._listen(chosen.loaded)
            if not is_known:
                try:
                    with store.writer() as writer:
                        onward.remember(writer, addresses, chosen.terms)
                except (Busy, NoRoom, ReadOnly) as exc:
                    log.warning("from which branches zones are served is not remembered: %s", exc)
        return dataclasses.replace(chosen, terms=dataclasses.replace(chosen.terms, above=above))

    def _listen(self, loaded: Loaded[Config]) -> None:
        addresses = {part: getattr(loaded.config, part).listen for part in self._parts}
        endpoints = [Endpoint(part, address) for part in self._parts for address in addresses[part]]
        if (twice := overlapping(endpoints)) is not None:
            first, second = twice
            raise CannotServe(
                f"{first} and {second} exclude each other: choose another port {self._remedy(second.what, loaded)}"
            )
        if strangers := self._listening.strangers(endpoints):
            raise CannotServe(
                f"systemd listens on {', '.join(strangers)}, which no `listen` of the configuration has"
            )
        if os.geteuid() == 0:
            self._as_root(endpoints)
        try:
            self._listening.change(endpoints)
        except CannotListen as exc:
            raise CannotServe(self._explained(exc, loaded)) from exc
        self._endpoints = endpoints

    def _as_root(self, endpoints: Sequence[Endpoint]) -> None:
        for endpoint in endpoints:
            if endpoint.what == "dns" and endpoint.address.port < PRIVILEGED and not self._may_be_root:
                raise Refused(
                    f"{endpoint} is not answered as root: use a user of its own with the capability "
                    "CAP_NET_BIND_SERVICE or with sockets of systemd (docs/operations.md, Port 53), or --allow-root"
                )
        if not self._endpoints:
            log.warning("running as root: use a user of its own")

    def _explained(self, exc: CannotListen, loaded: Loaded[Config]) -> str:
        """The message with what holds the address, and how to choose another."""
        part, address = exc.endpoint.what, exc.endpoint.address
        if own := next((old for old in self._endpoints if old.overlaps(exc.endpoint)), None):
            return (
                f"cannot listen on {exc.endpoint}: {own} has the port until a reload is done; restart instead, or "
                "reload twice, with another port in between"
            )
        holders = [each for each in listeners(self._repository) if each.address == str(address)]
        by = f" by `xferzone {holders[0].verb}`, pid {holders[0].pid}" if holders else ""
        by = by if exc.errno == errno.EADDRINUSE else ""
        return f"{exc}{by}; choose another {self._remedy(part, loaded)}"

    def _remedy(self, part: str, loaded: Loaded[Config]) -> str:
        """Where the addresses of `part` are chosen."""
        origin = loaded.origin(part, "listen")
        is_ours = origin == "default" or origin.startswith("--")
        return f"with {self._parts[part]} HOST:PORT" if is_ours else f"in {origin}"

    def _programs(self, chosen: Chosen) -> list[Program]:
        programs = []
        if "http" in self._parts:
            programs.append(self._arbiter(chosen.config))
        if "dns" in self._parts:
            programs += self._responder(chosen.config, chosen.terms)
            self._agreement.take(chosen)
        programs += self._beside.programs(self._repository, self._listening, self._counters)
        self._programs_now = programs
        self._role.look()
        return self._with_group()

    def _with_group(self) -> list[Program]:
        """What is to run, with the group program while the repository is a member of a group."""
        is_member = "http" in self._parts and self._role.current == schema.MEMBER
        return [*self._programs_now, *([self._group()] if is_member else [])]

    def _group(self) -> Program:
        def run() -> None:
            self._listening.take()
            group.run(self._repository)

        return Program("group", run)

    def _arbiter(self, config: Config) -> Program:
        from xferzone.serve.arbiter import Served, Server

        def run() -> None:
            sockets = self._listening.take("http", "replicate")
            Server(
                Served(self._repository, sockets, config.http, self._counters, config.replicate.listen)
            ).run()

        return Program("http arbiter", run)

    def _responder(self, config: Config, terms: Terms) -> list[Program]:
        from xferzone.dnsd import agent, answerer, handover

        # One for all reloads: answerers of before hand over to the agent that is there now.
        self._pair = pair = self._pair or handover.Handover()
        workers = config.dns.workers or len(os.sched_getaffinity(0))
        terms = dataclasses.replace(terms.for_answerers(workers, self._cookie_secret), parts=self._directory)

        def agent_() -> None:
            self._begin_beside_dns()
            agent.main(self._repository, self._listening.take("dns"), terms, self._counters, pair)

        def answerer_(number: int) -> None:
            given = self._listening.take_udp(number, workers)
            answerer.main(self._repository, config.dns.listen, terms, self._counters, given, pair)

        # Until all are up, no more than there are now.
        self._counters.expected = min(workers, self._answerers or workers)
        self._answerers = workers
        runs = [functools.partial(answerer_, number) for number in range(workers)]
        answerers = [Program(f"dns answerer {number}", run) for number, run in enumerate(runs, 1)]
        return [Program("dns agent", agent_), *answerers]

    def _begin_beside_dns(self) -> None:
        """Begin the threads of the agent's process."""
        if "http" not in self._parts:  # else a worker does
            log_publications(self._repository, self._counters)
        renew_indexes(self._repository)

    def _tell(self) -> None:
        """Called when all programs are up, the first time or after a reload."""
        places = self._announce()
        self._counters.expected = self._answerers
        where = ", ".join(f"{what} on {at}" for what, at in places)
        self._manager.ready(where)
        if self._was_up:
            log.info("reload outcome=%s file=%s", "done", self._files.path() or "none")
            return
        self._was_up = True
        self._say(f"ready, {where}, pid {os.getpid()}; Ctrl-C ends it")

    def _announce(self) -> list[tuple[str, str]]:
        """Let `xferzone status` find this server beside the repository's file; what it serves, and where."""
        places = [(endpoint.what, str(endpoint.address)) for endpoint in self._endpoints]
        self._real = os.path.realpath(self._repository)
        self._note.close()
        try:
            doubt = self._agreement.doubt
            self._note.enter_context(announced(self._repository, self._verb, places, doubt))
        except OSError as error:
            log.warning("`xferzone status` cannot list this server: %s", error)
        return places

    def _look(self) -> Sequence[Program] | None:
        """Follow a symbolic link that leads elsewhere now, the role, and what the group serves; what is to run if the
        role has changed."""
        before = self._role.current
        has_changed = self._role.look()
        if has_changed and before:
            self._tell_role(before)
        if self._agreement.has_news(self._role.serving) or os.path.realpath(self._repository) != self._real:
            self._announce()
        return self._with_group() if has_changed else None

    def _tell_role(self, before: str) -> None:
        now = self._role.current
        log.info("role was=%s is=%s", before, now)
        if before == schema.MEMBER and now == schema.CLONE:
            log.warning(
                "the repository has left its group: nothing new comes any more, and what it has is answered: end this"
            )

    def _say(self, text: str) -> None:
        if self._in_json:
            log.info("%s: %s", self._verb, text)
        else:
            click.echo(f"{self._verb}: {text}", err=True)

    def _log_as(self, config: Config) -> None:
        logs.set_up(config.log)
        self._in_json = config.log.format == "json"

    def _tell_doubts(self, chosen: Chosen) -> None:
        if "dns" in self._parts:
            for doubt in chosen.doubts:
                log.warning("%s", doubt)

    def _reload(self) -> Sequence[Program] | None:
        self._manager.reloading()
        programs = self._again()
        if programs is None:
            self._manager.ready("the last reload was refused, see the log")
        return programs

    def _again(self) -> Sequence[Program] | None:
        """The programs of the configuration as it is now; None: it was not taken."""
        try:
            chosen = self._pinned(self._files.read())
            chosen_beside = self._chosen_beside(chosen.loaded)
            self._configure(chosen.loaded)
            chosen = self._bind(chosen)
        except (XferzoneError, OSError) as exc:
            for line in str(exc).split("\n"):
                log.error("reload outcome=%s why=%r", "refused", line)
            return None
        self._beside = chosen_beside
        self._log_as(chosen.config)
        self._tell_doubts(chosen)
        return self._programs(chosen)
