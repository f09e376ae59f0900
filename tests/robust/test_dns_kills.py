"""Parts of a DNS server are killed while questions stream in and commits go on.

nobody who asks, by UDP or TCP, is without an answer for SILENCE seconds
every answer has what was committed LAG seconds before it was asked for; once quiet, it has the last
the parts are back, as many as before; the supervisor holds no more descriptors; nobody is left at the end
`xferzone check` is clean, and the serial says that every commit is there
"""

import contextlib
import itertools
import os
import signal
import statistics
import threading
import time
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.cli.test_up import descendants, none_alive, role, xferzone
from tests.dnsd.askers import Askers, asking, longest_gap
from tests.live import PATIENCE_S, PROJECT, XFERZONE, Server, background, bound, free_port, serving, within
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.refs import BranchName, LocalRefs
from xferzone.serve.supervise import HUNG_S
from xferzone.store import Store
from xferzone.zonefile import names, text

pytestmark = [pytest.mark.interop, pytest.mark.alone]

KILLS = 3  # of each kind; docs/dns-answers.md has the figures for 25
SILENCE = 1.0  # seconds
LAG = 0.5  # seconds; a responder looks every millisecond, and after a look that failed, a tenth of a second later
COMMIT_PAUSE = 0.02  # seconds
ZONE = "@ 3600 SOA ns1 hostmaster 1 7200 3600 1209600 3600\n@ 3600 NS ns1\nns1 3600 A 192.0.2.1\n"


class Committer:
    """Commits a number that counts up, again and again, until stopped."""

    def __init__(self, repository: Path) -> None:
        self._repository = repository
        self.done: list[float] = [time.monotonic()]  # when number n was there; the fixture committed number 0
        self._stop = threading.Event()
        self._turn = threading.Lock()  # SQLite's own waits too long for one who wants to kill at once
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def commit(self) -> None:
        """One more, now."""
        with self._turn:
            with Store.open(self._repository) as store, store.writer() as writer:
                records = text.read_zone(zone_text(len(self.done)), names.zone_name("example.com"))
                author = Author("ops", time.time_ns() // 1_000_000)
                Edit(writer, LocalRefs(writer), BranchName("example.com", "main"), author).replace(
                    records, "count"
                )
            self.done.append(time.monotonic())

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def number_at(self, moment: float) -> int:
        """The number that was committed last before that moment."""
        return sum(done <= moment for done in list(self.done)) - 1

    def _run(self) -> None:
        while not self._stop.wait(COMMIT_PAUSE):
            self.commit()


def zone_text(number: int) -> bytes:
    return f'{ZONE}count 300 TXT "{number}"\n'.encode()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "zones.xferzone"
    xferzone(path, "init")
    xferzone(path, "zone", "add", "example.com", "--from", "-", stdin=zone_text(0).decode())
    return path


@contextlib.contextmanager
def committing(repository: Path) -> Iterator[Committer]:
    committer = Committer(repository)
    try:
        yield committer
    finally:
        committer.stop()


def parts(server: Server) -> list[str]:
    return sorted(map(role, server.children()))


def kill(server: Server, part: str, askers: Askers) -> float:
    """Kill one part, or "all"; wait until it is back and all are served; the longest that an asker went without."""
    before = parts(server)
    victims = [pid for pid in server.children() if part in (role(pid), "all")]
    victims = victims if part == "all" else victims[:1]
    mark = time.monotonic()
    for victim in victims:
        os.kill(victim, signal.SIGKILL)
    assert within(PATIENCE_S, lambda: not set(victims) & set(server.children()) and parts(server) == before)
    again = time.monotonic()
    assert within(PATIENCE_S, lambda: askers.all_served_since(again))
    return askers.longest_gap(mark)


def _is_ready(log: Path) -> bool:
    return "up: ready" in log.read_text()


def held(server: Server) -> set[str]:
    """What the descriptors of the supervisor are, by kind."""
    kinds = []
    for entry in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            kinds.append(str(entry.readlink()).split(":")[0])
    return {f"{kinds.count(kind)} {kind}" for kind in kinds}


def assert_answers_kept_up(askers: Askers, committer: Committer) -> None:
    """Each answer has what was there LAG before, and nothing but what was committed or just being committed."""
    for answer in itertools.chain(*askers.heard):
        oldest, newest = committer.number_at(answer.asked - LAG), committer.number_at(answer.came) + 1
        assert oldest <= answer.number <= newest, (answer, oldest, newest)


def assert_nothing_is_lost(repository: Path, server: Server, committer: Committer) -> None:
    last = len(committer.done) - 1
    assert server.dig("count.example.com", "TXT") == [f'"{last}"']
    assert server.dig("count.example.com", "TXT", "+tcp") == [f'"{last}"']
    (soa,) = server.dig("example.com", "SOA")
    assert int(soa.split()[2]) == 1 + last
    xferzone(repository, "check")


def gaps(repository: Path, part: str, workers: int, kills: int) -> list[float]:
    """Kill one of the parts that many times; the longest silence of each time."""
    with serving(repository, "dns", "--workers", str(workers)) as server:
        ever = descendants(server.process.pid)
        with committing(repository) as committer, asking(server.dns, udp=4, tcp=3) as askers:
            assert within(PATIENCE_S, lambda: askers.all_served_since(0))
            before = held(server)
            found = []
            for _ in range(kills):
                committer.commit()
                found.append(kill(server, part, askers))
                ever |= descendants(server.process.pid)
            assert within(PATIENCE_S, lambda: held(server) == before)
            assert bound(server.dns) == (workers, 1)
        assert_answers_kept_up(askers, committer)
        assert_nothing_is_lost(repository, server, committer)
    assert none_alive(ever)
    return found


def http_answers(server: Server) -> bool:
    with (
        contextlib.suppress(OSError),
        urllib.request.urlopen(server.url(path="/healthz"), timeout=PATIENCE_S) as reply,
    ):
        return bool(reply.status == 200)
    return False


@pytest.mark.parametrize(("part", "workers"), [("answerer", 1), ("answerer", 2), ("agent", 2), ("all", 2)])
def test_a_killed_part_is_missed_by_nobody(repository: Path, part: str, workers: int) -> None:
    found = gaps(repository, part, workers, KILLS)
    shown = f"longest {max(found) * 1000:.0f} ms, median {statistics.median(found) * 1000:.0f} ms"
    print(f"{part} of {workers} answerers killed {KILLS} times: {shown}")
    assert max(found) < SILENCE, shown


def test_what_hangs_is_back_and_the_others_go_on_meanwhile(repository: Path) -> None:
    with serving(repository, "dns", "--workers", "2") as server:
        with committing(repository) as committer, asking(server.dns, udp=16, tcp=2) as askers:
            assert within(PATIENCE_S, lambda: askers.all_served_since(0))
            stopped = [pid for pid in server.children() if role(pid) == "agent"]
            stopped.append(next(pid for pid in server.children() if role(pid) == "answerer"))
            mark = time.monotonic()
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)
            assert within(HUNG_S + PATIENCE_S, lambda: not set(stopped) & set(server.children()))
            assert within(PATIENCE_S, lambda: parts(server) == ["agent", "answerer", "answerer"])
            again = time.monotonic()
            assert within(PATIENCE_S, lambda: askers.all_served_since(again))
            # The kernel gives some of 16 clients to each answerer: those of the other one have not noticed.
            went_on = [heard for heard in askers.heard if longest_gap(heard, mark) < SILENCE]
            assert went_on
            assert again - mark < 2 * HUNG_S
        assert_answers_kept_up(askers, committer)
        assert_nothing_is_lost(repository, server, committer)


def test_dns_does_not_notice_that_http_is_killed(repository: Path) -> None:
    with serving(repository) as server:
        with committing(repository) as committer, asking(server.dns, udp=4, tcp=2) as askers:
            assert within(PATIENCE_S, lambda: askers.all_served_since(0))
            found = []
            for _ in range(KILLS):
                found.append(kill(server, "arbiter", askers))
                assert within(PATIENCE_S, lambda: http_answers(server))
        assert max(found) < SILENCE
        assert_answers_kept_up(askers, committer)
        assert_nothing_is_lost(repository, server, committer)


def test_a_killed_supervisor_takes_all_along_and_the_next_one_serves_all_commits(repository: Path) -> None:
    http, dns = free_port(), free_port()
    argv = [
        *XFERZONE,
        "-R",
        str(repository),
        "up",
        "--http",
        f"127.0.0.1:{http}",
        "--dns",
        f"127.0.0.1:{dns}",
    ]
    env = {**os.environ, "HOME": str(repository.parent), "PYTHONPATH": str(PROJECT)}
    with committing(repository) as committer:
        for number in range(KILLS):
            log = repository.with_name(f"up-{number}.log")
            with background(argv, env, log) as process:
                assert within(PATIENCE_S, partial(_is_ready, log))
                committed = len(committer.done) - 1
                server = Server(process, http, dns, log)
                (answer,) = server.dig("count.example.com", "TXT")
                assert int(answer.strip('"')) >= committed
                everybody = descendants(process.pid)
                with asking(dns, udp=2, tcp=2) as askers:
                    assert within(PATIENCE_S, partial(askers.all_served_since, 0))
                    process.kill()
                    process.wait()
                    assert within(PATIENCE_S, partial(none_alive, everybody))
                assert len(everybody) >= 4
    with serving(repository, "dns") as server:
        assert_nothing_is_lost(repository, server, committer)
