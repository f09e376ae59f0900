"""The servers of many repositories, those of a directory (xferzone/root.py): what differs from the servers of one.

What is told of names that are not there comes from a repository of nobody's, which is removed with the server. Which
repositories there are is seen by the processes that serve them; nothing is open here, as in servers.py.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from xferzone import root
from xferzone.cli.beside import Beside
from xferzone.cli.configuration import Chosen, Files
from xferzone.cli.servers import Servers, log
from xferzone.cli.settings import now_ms, occasion
from xferzone.config import Config
from xferzone.dnsd.many import TOLD
from xferzone.dnsd.parts import shared_directory
from xferzone.errors import CannotServe, XferzoneError
from xferzone.loading import Loaded
from xferzone.logline import REPOSITORY
from xferzone.refs import Door
from xferzone.repository import make
from xferzone.serve.children import Program
from xferzone.serve.preparing import prepare
from xferzone.store import Store
from xferzone.web.hosted import Hosting
from xferzone.web.hosted_counts import Counts

STATUS: Final = "hosting"  # what listens for the operator
_OPTION: Final = "--status-listen"


class Hosts(Servers):
    """HTTP, DNS or both for the repositories of a directory."""

    def __init__(
        self, verb: str, parts: Mapping[str, str], files: Files, *, may_be_root: bool = False
    ) -> None:
        status = {STATUS: _OPTION} if "http" in parts else {}
        super().__init__(verb, {**parts, **status}, files, may_be_root=may_be_root)
        self._counts = Counts()
        self._nobodys = Path()

    def run(self) -> None:
        with shared_directory() as directory:
            if directory is None:
                raise CannotServe("no directory can be made for temporary files: set TMPDIR")
            self._nobodys = directory / "nobodys.xferzone"
            make.make(self._nobodys, admin="nobodys", project_code=None, now_ms=now_ms())
            super().run()

    def _chosen_beside(self, loaded: Loaded[Config]) -> Beside:
        directory = Path(loaded.config.hosting.repository_root or "")
        if self._was_up and directory != self._repository:
            raise loaded.fault("hosting", "repository_root", why="another one is taken by a restart alone")
        self._repository = directory
        return Beside()

    def _configure(self, loaded: Loaded[Config]) -> None:
        """Nothing: none of them is a member of a group."""

    def _tidy(self) -> None:
        """Nothing: each is tidied by who opens it next."""

    def _prepare(self) -> None:
        """As for one, each; one that cannot be used is left to those who answer.

        Raises:
            CannotServe: the directory cannot be read.
        """
        for name in root.names(self._repository):
            REPOSITORY.set(name)
            try:
                with Store.open(self._repository / f"{name}{root.ENDING}") as store:
                    prepare(store, occasion(Door.START), answers="dns" in self._parts)
            except XferzoneError as exc:
                log.error("repository outcome=not-prepared why='%s'", exc)
        REPOSITORY.set("")

    def _pinned(self, chosen: Chosen) -> Chosen:
        return chosen

    def _bind(self, chosen: Chosen) -> Chosen:
        self._listen(chosen.loaded)
        return chosen

    def _begin_beside_dns(self) -> None:
        """Nothing: no publication is logged, and compiled zone files of a former layout are served as they are."""

    def _programs(self, chosen: Chosen) -> list[Program]:
        http = [self._arbiter(chosen.config)] if "http" in self._parts else []
        return http + (self._responder(chosen.config, chosen.terms) if "dns" in self._parts else [])

    def _arbiter(self, config: Config) -> Program:
        # Imported here: gunicorn is loaded by who serves HTTP.
        from xferzone.serve.arbiter import Served, Server

        hosting = Hosting(
            self._repository,
            self._nobodys,
            self._counters,
            self._counts,
            config.replicate.listen,
            config.hosting.listen,
            config.http.threads,
            config.http.cache_mib * 2**20,
            config.hosting.open,
            None if self._directory is None else self._directory / TOLD,
        )

        def run() -> None:
            sockets = self._listening.take("http", "replicate", STATUS)
            Server(
                Served(
                    self._repository, sockets, config.http, self._counters, config.replicate.listen, hosting
                )
            ).run()

        return Program("http arbiter", run)

    def _announce(self) -> list[tuple[str, str]]:
        """What is served, and where."""
        self._real = os.path.realpath(self._repository)
        return [(endpoint.what, str(endpoint.address)) for endpoint in self._endpoints]

    def _look(self) -> Sequence[Program] | None:
        return None
