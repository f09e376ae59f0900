"""Three members of a group on loopback: a real etcd, servers of ours, and people who work with any of them.

with grouped(directory) as group:
    a, b, c = group.sites
    a.ops.xferzone("-R", a.repository, "set", ...)     a verb at a member
    a.url("ann", PASSWORD)                             for clients
    with b.dead(): ...                                 killed, and served again at the end
    with cut(b.to_etcd): ...                           what it sends there is lost
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import dns.message
import dns.query

from tests.etcds import Running, restored, running
from tests.live import PATIENCE_S, Person, Server, free_port, serving, within
from tests.refs.relay import Relay
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.refs import BranchName, LocalRefs, Ref
from xferzone.store import Store
from xferzone.zonefile import names, text

PASSWORD = "correct horse"
ZONE = "example.com"
TEXT = "@ 300 SOA ns host 1 7200 3600 1209600 300\n@ 300 NS ns\nns 300 A 192.0.2.53\nwww 300 A 192.0.2.1\n"
IN_STEP_S = 20.0  # goal: 2 s, on a machine that has nothing else to do


@dataclass
class Site:
    """One member: its repository, the people there, its server while it is served.

    Fields:
        to_etcd, to_it: relays by which it reaches etcd, and by which its fellows reach it.
        etcd: the URL by which it reaches etcd without a relay, as its fellows reach it then; empty: by relays.
    """

    name: str
    repository: Path
    ops: Person
    port: int
    to_etcd: Relay
    to_it: Relay
    options: Sequence[str] = ()
    etcd: str = ""
    server: Server | None = None
    _held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def url(self, login: str = "ann", password: str = PASSWORD) -> str:
        """The member's URL for a client, without a blank."""
        return f"http://{login}:{password.replace(' ', '%20')}@127.0.0.1:{self.port}/"

    def xferzone(self, *words: str | Path, code: int | None = 0, stdin: str = "") -> str:
        """What a verb prints there, and its errors."""
        done = self.ops.xferzone("-R", self.repository, *words, code=code, stdin=stdin)
        return done.out + done.err

    def join(self, *options: str, code: int = 0) -> str:
        """Make it a member; what is printed."""
        return self.xferzone("group", "join", *self.ways, "--name", self.name, *options, code=code)

    @property
    def ways(self) -> tuple[str, ...]:
        """Options of `group join`."""
        if self.etcd:
            return ("--etcd", self.etcd, "--url", f"http://127.0.0.1:{self.port}/")
        return ("--etcd", self.to_etcd.url, "--url", f"{self.to_it.url}/")

    def serve(self) -> None:
        self.server = self._held.enter_context(serving(self.repository, "up", *self.options, http=self.port))

    def end(self) -> None:
        self.server = None
        self._held.close()

    def kill(self) -> None:
        """End all of its processes at once."""
        assert self.server is not None
        process = self.server.process
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        self.server = None
        with contextlib.suppress(AssertionError):  # it did not take TERM
            self._held.close()

    @contextlib.contextmanager
    def dead(self) -> Iterator[None]:
        """Killed during the block, and served again after it."""
        self.kill()
        yield
        self.serve()

    def answers(self, name: str, patience_s: float = PATIENCE_S) -> bool:
        """Whether its DNS has an address of that name. Raises OSError, DNSException: it does not answer."""
        server = self.server
        if server is None:  # it is dead, by another thread maybe
            raise ConnectionRefusedError(f"{self.name} does not run")
        asked = dns.message.make_query(name, "A")
        return bool(dns.query.udp(asked, "127.0.0.1", port=server.dns, timeout=patience_s).answer)

    def ref(self, branch: str = f"{ZONE}/main") -> Ref | None:
        with Store.open(self.repository) as store, store.reader() as reader:
            return LocalRefs(reader).get(BranchName.parse(branch))

    def refs(self) -> dict[str, str]:
        """Where all branches stand."""
        with Store.open(self.repository) as store, store.reader() as reader:
            return {str(each.branch): each.checkin for each in LocalRefs(reader).list()}


@dataclass
class Group:
    """The members, and the etcd that decides for them."""

    etcd: Running
    sites: list[Site]
    _held: contextlib.ExitStack

    @contextlib.contextmanager
    def without_etcd(self, backup: Path | None = None) -> Iterator[None]:
        """Killed during the block, and started again after it: as it was, or as another cluster from a backup."""
        os.killpg(self.etcd.process.pid, signal.SIGKILL)
        self.etcd.process.wait()
        yield
        place, port = self.etcd.log.parent, int(self.etcd.url.rpartition(":")[2])
        if backup is not None:
            place = place.with_name(f"{place.name}-restored")
            restored(backup, place)
        self.etcd = self._held.enter_context(running(place, port=port))

    def is_in_step(self, sites: Sequence[Site] = ()) -> bool:
        """Whether the members (none given: all) come to stand at the same refs."""
        chosen = list(sites) or self.sites
        return within(IN_STEP_S, lambda: len({tuple(sorted(each.refs().items())) for each in chosen}) == 1)


@contextlib.contextmanager
def cut(*relays: Relay, is_told: bool = True) -> Iterator[None]:
    """What is sent by these relays is lost during the block; `is_told`: the connection ends, too, so nobody waits."""

    def lose(relay: Relay, _octets: bytes) -> None:
        if is_told:
            relay.hang_up()
        raise OSError("lost")

    for relay in relays:
        relay.before = partial(lose, relay)
        relay.hang_up()
    yield
    for relay in relays:
        relay.before = lambda _octets: None
        relay.hang_up()


@contextlib.contextmanager
def grouped(
    directory: Path,
    names: str = "abc",
    copies: int = 1,
    zones: Sequence[str] = (),
    *,
    is_relayed: bool = True,
) -> Iterator[Group]:
    """A group of served members of one project, with these zones beside ZONE, and an account `ann` that may push.

    `is_relayed`: by relays of this process, which can be cut.
    """
    with contextlib.ExitStack() as held:
        etcd = held.enter_context(running(directory / "etcd"))
        group = Group(etcd, [], held)
        for name in names:
            home, port = directory / name, free_port()
            to_etcd = held.enter_context(Relay(int(etcd.url.rpartition(":")[2])))
            to_it = held.enter_context(Relay(port))
            site = Site(name, home / "zones.xferzone", Person(home), port, to_etcd, to_it)
            site.etcd = "" if is_relayed else etcd.url
            held.callback(site.end)
            if not group.sites:
                _begin(site, zones)
            many = ("--copies", str(copies)) if not group.sites and copies > 1 else ()
            site.join(*many)
            site.serve()
            group.sites.append(site)
        yield group


def _begin(site: Site, zones: Sequence[str]) -> None:
    site.xferzone("init")
    with Store.open(site.repository) as store, store.writer() as writer:
        for zone in (ZONE, *zones):
            records = text.read_zone(TEXT.encode(), names.zone_name(zone))
            author = Author("ops", time.time_ns() // 1_000_000)
            Edit(writer, LocalRefs(writer), BranchName(zone, "main"), author).replace(records, f"add {zone}")
    site.xferzone("user", "add", "ann", "--write", "--password-stdin", stdin=f"{PASSWORD}\n")
