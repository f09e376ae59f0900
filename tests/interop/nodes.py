"""Primaries and mirrors for tests: repositories served by `xferzone up` on ports that stay the same.

primary = Primary(tmp_path / "p.xferzone")          made, with example.com and an account for mirrors
mirror = Node(tmp_path / "m.xferzone")              no file yet
with primary.up(), mirror.following(primary):
    primary.set("www", "192.0.2.2")
    assert within(2, lambda: mirror.a("www") == ["192.0.2.2"])
"""

import contextlib
import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype

from tests.live import PATIENCE_S, PROJECT, XFERZONE, Done, background, free_port, run, within
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.refs import BranchName, LocalRefs
from xferzone.repository.make import make
from xferzone.store import Store, accounts
from xferzone.zone.changes import parse_change
from xferzone.zonefile import names, text

ZONE = "example.com"
LOGIN, PASSWORD = "mirror", "the-mirrors-secret"
_APEX = "@ 3600 SOA ns1 hostmaster 1 7200 3600 1209600 300\n@ 3600 NS ns1\nns1 300 A 192.0.2.53\n"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Node:
    """A repository, and the ports of `up` for it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.http, self.dns = free_port(), free_port()
        self.log = path.with_name(f"{path.name}.log")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """With the login that mirrors have."""
        return f"http://{LOGIN}@127.0.0.1:{self.http}/"

    @property
    def env(self) -> dict[str, str]:
        return {
            **os.environ,
            "HOME": str(self.path.parent),
            "PYTHONPATH": str(PROJECT),
            "XFERZONE_PASSWORD": PASSWORD,
        }

    # -- its servers

    @contextlib.contextmanager
    def up(self, *options: str) -> Iterator["Node"]:
        """Serve; ended by TERM unless it was killed."""
        argv = [
            *XFERZONE, "-R", str(self.path), "up", "--http", f"127.0.0.1:{self.http}",
            "--dns", f"127.0.0.1:{self.dns}", *options,
        ]  # fmt: skip
        log = self.path.with_name(f"{self.path.name}-{time.monotonic_ns()}.log")
        self.log = log
        with background(argv, self.env, log) as process:
            assert within(PATIENCE_S, lambda: process.poll() is not None or "up: ready" in log.read_text())
            assert process.poll() is None, log.read_text()
            self.process = process
            try:
                yield self
                if process.poll() is None:
                    process.send_signal(signal.SIGTERM)
                    assert process.wait(PATIENCE_S) == 0, log.read_text()
            finally:
                self.process = None
        assert "Traceback" not in log.read_text(), log.read_text()

    def following(
        self, *primaries: "Node", interval: str = "5s", via: str = "walk"
    ) -> contextlib.AbstractContextManager["Node"]:
        """`up` as a mirror of these."""
        urls = [word for each in primaries for word in ("--primary", each.url)]
        return self.up(*urls, "--interval", interval, "--via", via)

    def kill(self) -> None:
        """kill -9 of the supervisor; the kernel ends the processes below it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def processes(self) -> dict[str, int]:
        """The pids of the processes below the supervisor, by what `ps` calls them."""
        assert self.process is not None
        pid = self.process.pid
        found = {}
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            with contextlib.suppress(OSError):
                found[Path(f"/proc/{child}/comm").read_text().strip()] = int(child)
        return found

    # -- questions

    def ask(self, name: str, rdtype: str = "A") -> dns.message.Message | None:
        """The answer by UDP; None: none came within a second."""
        query = dns.message.make_query(name, rdtype, use_edns=0)
        try:
            return dns.query.udp(query, "127.0.0.1", timeout=1, port=self.dns)
        except (OSError, dns.exception.Timeout):
            return None

    def a(self, name: str, zone: str = ZONE) -> list[str]:
        """The addresses of a name in the zone, sorted; ["RCODE"] where there is none."""
        answer = self.ask(f"{name}.{zone}")
        if answer is None:
            return ["no answer"]
        found = [str(each) for rrset in answer.answer for each in rrset if rrset.rdtype == dns.rdatatype.A]
        return sorted(found) or [dns.rcode.to_text(answer.rcode())]

    def answers(self, address: str) -> bool:
        """Whether www has that address alone."""
        return self.a("www") == [address]

    def get(self, path: str) -> tuple[int, str]:
        """Status and body of a page."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http}{path}", timeout=10) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as exc:
            return exc.code, exc.read().decode()

    # -- verbs

    def xferzone(self, *words: str, code: int | None = 0) -> Done:
        return run(*XFERZONE, "-R", self.path, *words, env=self.env, at=self.path.parent, code=code)

    def status(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.xferzone("status", "--format", "json").out)
        return found

    def refs(self) -> dict[str, tuple[str, int | None]]:
        """Where each branch stands, and its serial."""
        with Store.open(self.path) as store, store.reader() as reader:
            return {str(ref.branch): (ref.checkin, ref.serial) for ref in LocalRefs(reader).list()}

    def check(self) -> None:
        """`xferzone check` finds nothing."""
        assert self.xferzone("check").out.endswith(" read, 0 faults\n")


class Primary(Node):
    """A primary with a zone and an account for mirrors."""

    def __init__(self, path: Path, *zones: str) -> None:
        super().__init__(path)
        make(path, admin="ops", project_code=None, now_ms=now_ms())
        with Store.open(path) as store, store.writer() as writer:
            accounts.put_user(writer, LOGIN, PASSWORD, "o")
        for zone in zones or (ZONE,):
            self.add(zone)

    def add(self, zone: str) -> None:
        records = text.read_zone(_APEX.encode(), names.zone_name(zone))
        with self._editing(zone) as edit:
            edit.replace(records, f"add {zone}")

    def set(self, name: str, address: str, zone: str = ZONE) -> None:
        """Commit one record."""
        with self._editing(zone) as edit:
            edit.change([parse_change("set", [f"{name}.{zone}", "300", "A", address])], "set")

    @contextlib.contextmanager
    def _editing(self, zone: str) -> Iterator[Edit]:
        with Store.open(self.path) as store, store.writer() as writer:
            yield Edit(writer, LocalRefs(writer), BranchName(zone, "main"), Author("ops", now_ms()))
            writer.make_clusters()


def same(one: Node, other: Node) -> bool:
    """Whether their refs and serials are equal."""
    return one.refs() == other.refs()
