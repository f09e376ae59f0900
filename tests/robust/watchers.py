"""Four watchers beside an attack: a push, a pull, a page and a DNS question, one a second each.

    with besieged(repository, behind="nginx") as site:      `xferzone up` with two workers; behind nginx, or ""
        with watched(site) as watch:                        they ask alone for QUIET_S, then the block begins
            attack(site)
        watch.assert_fair()                                 nobody refused, nobody kept waiting, no worker too large

They are a process of their own (this module, run as a program), so that what the attacker does in the test's process
delays only himself. A push is a check-in that changes one record of a zone of theirs, and DNS is asked for that record.

MOST_S holds on a quiet machine. On a busy one the bound is as many times that as the processors' time is more than what
other programs leave of it, beside the attack, or as the longest wait before the attack is longer than QUIET_WAIT_S.
The server, the watchers and the attack are no other programs. A refusal is one on any machine.
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

import dns.exception
import dns.message
import dns.rcode

from tests.interop.nginx import PREFIX, nginx
from tests.live import PATIENCE_S, Server, serving
from tests.live import PROJECT as PROJECT_DIRECTORY
from tests.robust.site import LOGIN, PASSWORD, PROJECT, cpu_s, high_water
from tests.sync.recorded import signed
from xferzone.artifacts import CheckIn, FileCard, Tag
from xferzone.cards import Card, Error, File, encode_cards, parse_cards
from xferzone.cards.body import COMPRESSED, decode_body, pack
from xferzone.hashing import artifact_id

MOST_S: Final = 2.0  # seconds that anybody waits
MOST_MB: Final = 300.0  # megabytes that a worker ever has
QUIET_S: Final = 1.0  # seconds that they watch before the attack
QUIET_WAIT_S: Final = 0.25  # seconds; five times the longest wait that was seen on a quiet machine, a push
EACH_S: Final = 1.0  # seconds from one question to the next
GIVEN_UP_S: Final = 60.0  # seconds after which no answer is a refusal
LEAST_PART: Final = 0.1  # of the processors, that one counts on
WORKERS: Final = 2

_APEX: Final = "$TTL 3600\n@ 3600 SOA ns1.example.net. host.example.net. 1 7200 3600 1209600 300\n"
_APEX2: Final = "@ 3600 NS ns1.example.net.\nwww 60 A 192.0.2.{octet}\n"


@dataclass(frozen=True, slots=True)
class Place:
    """Where one asks: HTTP at `host`:`http` under `path`, DNS by UDP at `host`:`dns` (0: nobody asks)."""

    http: int
    dns: int
    path: str = "/"
    host: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Account:
    """Who may push and pull: `login` with `password` in project `project`."""

    login: str = LOGIN
    password: str = PASSWORD
    project: str = PROJECT


@dataclass(frozen=True, slots=True)
class Site:
    """A server, and the place where everybody asks, which is nginx's where there is one."""

    server: Server
    place: Place


@dataclass(slots=True)
class Seen:
    """What one watcher saw: how often it asked, its longest wait in seconds, and what it got instead of an answer."""

    asked: int = 0
    longest_s: float = 0.0
    refusals: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Watch:
    """What was seen. `quiet` is from before the attack; filled in when the block of `watched` has ended."""

    quiet: Mapping[str, Seen] = field(default_factory=dict)
    beside: Mapping[str, Seen] = field(default_factory=dict)
    megabytes: float = 0.0  # of the largest worker, since the watch began
    part: float = 1.0  # of the processors' time, beside the attack, that no other program took

    def bound_s(self) -> float:
        """How long anybody may wait on this machine, as busy as it is."""
        slowest = max(seen.longest_s for seen in self.quiet.values())
        return MOST_S * max(1.0, slowest / QUIET_WAIT_S, 1.0 / self.part)

    def assert_fair(self) -> None:
        refused = {name: seen.refusals for name, seen in self.beside.items() if seen.refusals}
        assert not refused, f"refused: {refused}"
        assert all(seen.asked for seen in self.beside.values()), f"somebody never asked: {self}"
        bound = self.bound_s()
        assert all(seen.longest_s <= bound for seen in self.beside.values()), f"over {bound:.1f} s: {self}"
        assert self.megabytes <= MOST_MB, f"{self}"

    def __str__(self) -> str:
        waits = " ".join(
            f"{name} {seen.longest_s:.2f} s of {seen.asked}" for name, seen in self.beside.items()
        )
        machine = f"bound {self.bound_s():.2f} s with {self.part:.2f} of the processors"
        return f"longest waits: {waits}; {machine}; a worker had {self.megabytes:.0f} MB"


@contextlib.contextmanager
def besieged(repository: Path, *options: str, behind: str = "", files: int = 0) -> Iterator[Site]:
    """`xferzone up` of `repository`, with WORKERS workers of HTTP; `behind` "nginx", with the operator's file."""
    with (
        serving(repository, "up", "--workers", str(WORKERS), *options, files=files) as server,
        contextlib.ExitStack() as stack,
    ):
        place = Place(server.http, server.dns)
        if behind == "nginx":
            port = int(stack.enter_context(nginx(server.http)).rpartition(":")[2])
            place = Place(port, server.dns, PREFIX)
        yield Site(server, place)


@contextlib.contextmanager
def watched(site: Site, account: Account | None = None) -> Iterator[Watch]:
    """Watch during the block. The account must be able to push to zones of its own (by default `site.made`'s ops)."""
    watch = Watch()
    with _watching(site.place, account or Account()) as process:
        for worker in http_workers(site.server):
            Path(f"/proc/{worker}/clear_refs").write_text("5")  # what it had so far does not count: proc(5)
        everybody, idle, ours = _processors_s(), _idle_s(), _ours_s()
        yield watch
        left = _ours_s() - ours + _idle_s() - idle
        watch.part = min(1.0, max(left / (_processors_s() - everybody), LEAST_PART))
        said, _ = process.communicate("", timeout=2 * GIVEN_UP_S)
    assert process.returncode == 0, said
    report = json.loads(said)
    watch.quiet, watch.beside = (
        {name: Seen(**seen) for name, seen in report[phase].items()} for phase in ("quiet", "beside")
    )
    watch.megabytes = max(map(high_water, http_workers(site.server)))


def http_workers(server: Server) -> Sequence[int]:
    """The pids of the server's HTTP workers."""
    found, ahead = [], server.children()
    while ahead:
        pid = ahead.pop()
        with contextlib.suppress(OSError):  # it has just ended
            ahead += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
            if b"http worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return found


def _processors_s() -> float:
    """Seconds of all processors so far, used or not."""
    return sum(_times())


def _idle_s() -> float:
    """Seconds of them in which nobody wanted one: proc(5), idle and iowait."""
    return sum(_times()[3:5])


def _times() -> Sequence[float]:
    words = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    return [int(word) / os.sysconf("SC_CLK_TCK") for word in words]


def _ours_s() -> float:
    """Seconds that this process has used, and those that it has started."""
    seconds, ahead = sum(os.times()[2:4]), [os.getpid()]
    while ahead:
        pid = ahead.pop()
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                ahead += map(int, (task / "children").read_text().split())
            seconds += cpu_s(pid)
    return seconds


@contextlib.contextmanager
def _watching(place: Place, account: Account) -> Iterator[subprocess.Popen[str]]:
    """The watchers' process, when they have watched for QUIET_S."""
    words = [place.host, place.http, place.path, place.dns, account.login, account.password, account.project]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.robust.watchers", *map(str, words)],
        cwd=PROJECT_DIRECTORY,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "watching\n"
        yield process
    finally:
        process.kill()
        process.wait(PATIENCE_S)
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()


# -- the process


class _Refused(Exception):
    """What came is not the answer."""


class _Asking:
    """The four questions; each raises _Refused or OSError where the answer is not what it should be."""

    def __init__(self, place: Place, account: Account) -> None:
        self._place, self._account = place, account
        self._zone = f"watched-{time.time_ns():x}.example"
        self._before = b""  # the check-in that was pushed last
        self._pushed = 0

    def push(self) -> None:
        octet = self._pushed % 250 + 1
        text = (_APEX + _APEX2.format(octet=octet)).encode()
        branch = f"{self._zone}/main"
        made = CheckIn(
            comment=f"change {self._pushed}",
            date_ms=time.time_ns() // 1_000_000,
            user=self._account.login,
            files=(FileCard(f"{self._zone}.zone", artifact_id(text)),),
            parents=(artifact_id(self._before),) if self._pushed else (),
            tags=()
            if self._pushed
            else (Tag("*", "branch", None, branch), Tag("*", f"sym-{branch}", None, None)),
        ).encode()
        self._round("push", File(artifact_id(text), text), File(artifact_id(made), made))
        self._before, self._pushed = made, self._pushed + 1

    def pull(self) -> None:
        self._round("pull")

    def page(self) -> None:
        self._fetch("GET", "/")

    def dns(self) -> None:
        asked = dns.message.make_query(f"www.{self._zone}.", "A")
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.settimeout(GIVEN_UP_S)
            client.connect((self._place.host, self._place.dns))
            client.send(asked.to_wire())
            try:
                reply = dns.message.from_wire(client.recv(4096))
            except dns.exception.DNSException as exc:
                raise _Refused(f"not an answer: {exc}") from exc
        if reply.rcode() != dns.rcode.NOERROR or not reply.answer:
            raise _Refused(dns.rcode.to_text(reply.rcode()))

    def _round(self, what: str, *cards: Card) -> None:
        account = self._account
        rest = f"{what} x {account.project}\n".encode() + encode_cards(cards)
        body = pack(signed(account.login, account.password, rest, account.project))
        content_type, raw = self._fetch("POST", "", body)
        for card in parse_cards(decode_body(content_type, raw, limit=2**28)):
            if isinstance(card, Error):
                raise _Refused(card.text)

    def _fetch(self, method: str, path: str, body: bytes | None = None) -> tuple[str, bytes]:
        connection = HTTPConnection(self._place.host, self._place.http, timeout=GIVEN_UP_S)
        try:
            headers = {} if body is None else {"Content-Type": COMPRESSED}
            connection.request(method, self._place.path.rstrip("/") + path or "/", body, headers)
            reply = connection.getresponse()
            raw = reply.read()
        finally:
            connection.close()
        if reply.status != 200:
            raise _Refused(f"status {reply.status}")
        return reply.headers["Content-Type"], raw


class _Watcher(threading.Thread):
    """Asks once every EACH_S, or as soon as it has its answer, until `over` is set."""

    def __init__(self, name: str, ask: Callable[[], None], over: threading.Event) -> None:
        super().__init__(name=name)
        self._ask, self._over = ask, over
        self.seen = Seen()

    def run(self) -> None:
        while True:
            began, refusals = time.monotonic(), list[str]()
            try:
                self._ask()
            except (OSError, HTTPException, _Refused) as exc:
                refusals.append(f"{type(exc).__name__}: {exc}")
            took, seen = time.monotonic() - began, self.seen  # who began before the attack waits beside it
            seen.refusals += refusals
            seen.asked, seen.longest_s = seen.asked + 1, max(seen.longest_s, took)
            if self._over.wait(max(0.0, EACH_S - took)):
                return


def _main(host: str, http: str, path: str, dns_port: str, *account: str) -> None:
    asking = _Asking(Place(int(http), int(dns_port), path, host), Account(*account))
    asking.push()  # the zone is there from now on
    over = threading.Event()
    watchers = [_Watcher("push", asking.push, over), _Watcher("pull", asking.pull, over)]
    watchers.append(_Watcher("page", asking.page, over))
    if int(dns_port):
        deadline = time.monotonic() + GIVEN_UP_S
        while not _answers(asking) and time.monotonic() < deadline:
            time.sleep(0.01)
        watchers.append(_Watcher("dns", asking.dns, over))
    for watcher in watchers:
        watcher.start()
    time.sleep(QUIET_S)
    quiet = {watcher.name: watcher.seen for watcher in watchers}
    for watcher in watchers:
        watcher.seen = Seen()
    print("watching", flush=True)
    sys.stdin.read()
    over.set()
    for watcher in watchers:
        watcher.join()
    beside = {watcher.name: watcher.seen for watcher in watchers}
    json.dump({"quiet": _told(quiet), "beside": _told(beside)}, sys.stdout)


def _answers(asking: _Asking) -> bool:
    try:
        asking.dns()
    except (OSError, _Refused):
        return False
    return True


def _told(seen: Mapping[str, Seen]) -> dict[str, dict[str, object]]:
    return {
        name: {"asked": one.asked, "longest_s": one.longest_s, "refusals": one.refusals}
        for name, one in seen.items()
    }


if __name__ == "__main__":
    _main(*sys.argv[1:])
