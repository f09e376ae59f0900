"""A server under everything at once: `make soak`, for an hour; half a minute of it is a test.

    writers     clones of ours and of stock's that change records, each a zone of its own and all of them one together
    mutated     requests of every kind that chance has changed (mutations.py), signed or not
    questions   DNS is asked for what was acknowledged
    kills       -9 to a process of the server, or to all of them; then it is started again
    full        the disk is full for a moment

What was acknowledged must be answered from then on, in this version or a later one, and be in the repository at the
end; then `check` is clean, a rebuild changes no ref, and the log shows no traceback.

    python -m tests.robust.soak SECONDS [SEED]

It mounts a small disk, in a mount namespace of its own. Figures go to stdout; the exit code is 1 if anything was wrong.
"""

import contextlib
import os
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

import dns.message
import dns.rcode
import dns.rdatatype

from tests.live import PATIENCE_S, XFERZONE, Done, Person, Server, background, free_port, run, within
from tests.robust.mutations import Mutations
from tests.robust.site import high_water
from tests.robust.watchers import http_workers
from xferzone.cards import parse_cards
from xferzone.cards.body import decode_body
from xferzone.hashing import ArtifactId
from xferzone.refs import LocalRefs
from xferzone.store import Store, unsent

SHARED: Final = "shared.test"
MOST_MB: Final = 300.0  # megabytes of a worker
LAG_S: Final = 20.0  # seconds after which DNS must know what was acknowledged, on a busy machine
STATUSES: Final = {200, 400, 408, 411, 413, 429, 503}  # of an answer to a mutated request
DISK: Final = 200 * 2**20  # bytes, beside DISK_EACH for each second
DISK_EACH: Final = 2**18
NAMES: Final = 100  # in a writer's zone
APEX: Final = (
    "$TTL 3600\n"
    "@ 3600 SOA ns1.example.net. host.example.net. 1 7200 3600 1209600 300\n"
    "@ 3600 NS ns1.example.net.\n"
)


class Soak:
    """What all actors share.

    Fields:
        acknowledged: name -> number and time of the last change that a server has taken.
        counts: figures.
        wrong: what should not have happened; anything here ends the soak.
    """

    def __init__(self, disk: Path, home: Path) -> None:
        self.disk, self.home = disk, home
        self.repository = disk / "zones.xferzone"
        self.ops = Person(home / "ops")
        self.http, self.dns = free_port(), free_port()
        self.over = threading.Event()
        self.acknowledged: dict[str, tuple[int, float]] = {}
        self.artifacts: set[ArtifactId] = set()  # acknowledged ones, of the shared zone too
        self.counts: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.megabytes = 0.0
        self.server: Server | None = None
        self.project = ""

    def fail(self, what: str) -> None:
        self.wrong.append(what)
        self.over.set()

    @contextlib.contextmanager
    def running(self) -> Iterator[Server]:
        """The server, from its start until it is killed or the block ends."""
        argv = [*XFERZONE, "-R", str(self.repository), "up", "--workers", "2"]
        argv += ["--http", f"127.0.0.1:{self.http}", "--dns", f"127.0.0.1:{self.dns}"]
        log = self.home / f"up-{self.counts['starts']}.log"
        self.counts["starts"] += 1
        with background(argv, self.ops.env, log) as process:
            server = Server(process, self.http, self.dns, log)
            ready = within(
                2 * PATIENCE_S, lambda: process.poll() is not None or "up: ready" in log.read_text()
            )
            if not ready or process.poll() is not None:
                self.fail(f"the server did not start: {log.read_text()[-2000:]}")
            self.server = server
            try:
                yield server
            finally:
                self.server = None
        if "Traceback" in (text := log.read_text(errors="replace")):
            self.fail(f"a traceback in the server's log: {text[-3000:]}")


# -- actors: each takes one step at a time, until the soak is over


class Ours:
    """A clone of ours that writes to its own zone, and to the shared one."""

    def __init__(self, soak: Soak, number: int, password: str) -> None:
        self._soak, self._password, self._made = soak, password, 0
        self._person = Person(soak.home / f"ours-{number}", "ann")
        self.zone = f"ours-{number}.test"
        self._clone = self._person.home / "zones.xferzone"
        self._url = f"http://ann:{password}@127.0.0.1:{soak.http}/"

    def begin(self) -> None:
        self._person.xferzone("clone", self._url, self._clone)

    def __call__(self, chance: random.Random) -> None:
        soak, self._made = self._soak, self._made + 1
        name = f"r{self._made % NAMES}.{self.zone}"
        done = self._verb("set", name, "60", "A", address(self._made))
        if done.code == 0 and chance.random() < 0.3:
            self._verb("set", f"{chance.randrange(5)}.{SHARED}", "60", "A", address(self._made))
        if done.code == 0 and self._is_sent():
            soak.acknowledged[name] = self._made, time.monotonic()
            soak.counts["acknowledged by ours"] += 1
            if self._made % 10 == 0:
                soak.artifacts |= artifacts(self._clone)

    def end(self) -> None:
        """Everything of the clone arrives in the end."""
        if not self._is_sent():
            self._soak.fail(f"the last sync of {self.zone} leaves something behind")
        self._soak.artifacts |= artifacts(self._clone)

    def _is_sent(self) -> bool:
        """Whether the server has everything now; 1: it names artifacts that nobody has; 4: others were first."""
        if self._verb("sync").code not in (0, 1, 4):
            return False
        with Store.open(self._clone) as store, store.reader() as reader:
            return not unsent.artifacts(reader)

    def _verb(self, *words: str) -> Done:
        env = {**self._person.env, "XFERZONE_PASSWORD": self._password}
        argv = [*XFERZONE, "-R", str(self._clone), *words]
        done = run(*argv, env=env, at=self._person.home, code=None)
        self._soak.counts[f"xferzone {words[0]}: exit {done.code}"] += 1
        if "Traceback" in done.err:
            self._soak.fail(f"xferzone {' '.join(words)}: {done.err}")
        return done


class Stock:
    """A clone of stock's that commits to its own zone."""

    def __init__(self, soak: Soak, password: str) -> None:
        self._soak, self._made = soak, 0
        self._person = Person(soak.home / "stock", "ann")
        self.zone = "stock.test"
        self._url = f"http://ann:{password}@127.0.0.1:{soak.http}/"
        self._clone = self._person.home / "zones.fossil"
        self._work = self._person.home / "work"

    def begin(self) -> None:
        self._person.clone(self._url, self._clone)
        self._person.open(self._clone, self._work, f"{self.zone}/main")
        self._person.fossil("settings", "autosync", "off", at=self._work)

    def __call__(self, _chance: random.Random) -> None:
        self._made += 1
        (self._work / f"{self.zone}.zone").write_text(f"{APEX}www 60 A {address(self._made)}\n")
        self._person.fossil("commit", "-m", f"change {self._made}", "--no-warnings", at=self._work)
        done = self._person.fossil("push", at=self._work, code=None)
        self._soak.counts[f"fossil push: exit {done.code}"] += 1
        if done.code == 0 and "rror" not in done.out + done.err:
            self._soak.acknowledged[f"www.{self.zone}"] = self._made, time.monotonic()
            self._soak.counts["acknowledged by stock"] += 1

    def end(self) -> None:
        done = self._person.fossil("sync", at=self._work)
        if "rror" in done.out:
            self._soak.fail(f"the last sync of stock: {done}")


class Mutated:
    """Posts what chance has made of lawful requests."""

    def __init__(self, soak: Soak, password: str) -> None:
        self._soak, self._password = soak, password
        self._source: Mutations | None = None

    def __call__(self, chance: random.Random) -> None:
        soak = self._soak
        if self._source is None:
            self._source = Mutations(chance, "ann", self._password, soak.project)
        content_type, octets = self._source.request(sorted(soak.artifacts)[:100])
        connection = HTTPConnection("127.0.0.1", soak.http, timeout=PATIENCE_S)
        try:
            connection.request("POST", "/", octets, {"Content-Type": content_type})
            reply = connection.getresponse()
            raw, kind = reply.read(), reply.headers.get("Content-Type", "")
        except (OSError, HTTPException):
            soak.counts["mutated: not answered"] += 1
            soak.over.wait(0.2)  # it is being killed or started
            return
        finally:
            connection.close()
        soak.counts[f"mutated: {reply.status}"] += 1
        if reply.status not in STATUSES:
            soak.fail(f"status {reply.status} for {octets!r}")
        if reply.status == 200:
            list(parse_cards(decode_body(kind, raw, limit=2**28)))


class Questions:
    """Asks DNS for what was acknowledged."""

    def __init__(self, soak: Soak) -> None:
        self._soak = soak

    def __call__(self, chance: random.Random) -> None:
        soak = self._soak
        soak.over.wait(0.02)
        if not (known := list(soak.acknowledged.items())):
            return
        name, (number, since) = chance.choice(known)
        is_due = time.monotonic() - since > LAG_S
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.settimeout(1)
            client.connect(("127.0.0.1", soak.dns))
            try:
                client.send(dns.message.make_query(name, "A").to_wire())
                reply = dns.message.from_wire(client.recv(4096))
            except OSError:
                soak.counts["questions: not answered"] += 1
                return
        answered = [rdata.address for rrset in reply.answer for rdata in rrset]
        soak.counts[f"questions: {dns.rcode.to_text(reply.rcode())}"] += 1
        if is_due and (reply.rcode() or not answered or numbered(answered[0]) < number):
            soak.fail(
                f"{name}: {dns.rcode.to_text(reply.rcode())} {answered}, acknowledged was {address(number)}"
            )


class Kills:
    """Kills a process of the server, or the whole of it."""

    def __init__(self, soak: Soak) -> None:
        self._soak = soak

    def __call__(self, chance: random.Random) -> None:
        soak = self._soak
        if soak.over.wait(chance.uniform(4, 12)) or (server := soak.server) is None:
            return
        with contextlib.suppress(OSError, ValueError):  # it has just ended
            for worker in http_workers(server):
                soak.megabytes = max(soak.megabytes, high_water(worker))
            kind = chance.choice(("an HTTP worker", "an HTTP worker", "any process", "any process", "all"))
            if kind == "all":
                os.killpg(server.process.pid, signal.SIGKILL)
            elif kind == "any process":
                os.kill(chance.choice(descendants(server.process.pid)), signal.SIGKILL)
            else:
                os.kill(chance.choice(http_workers(server)), signal.SIGKILL)
            soak.counts[f"kills of {kind}"] += 1


class Full:
    """Fills the disk of the server for a moment."""

    def __init__(self, soak: Soak) -> None:
        self._soak = soak

    def __call__(self, chance: random.Random) -> None:
        soak = self._soak
        if soak.over.wait(chance.uniform(6, 15)):
            return
        filler = soak.disk / "filler"
        try:
            with filler.open("wb", buffering=0) as file:
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(2**20))
                with contextlib.suppress(OSError):
                    while True:
                        file.write(bytes(2**12))
                soak.counts["full disks"] += 1
                soak.over.wait(chance.uniform(0.5, 2))
        finally:
            filler.unlink()


def address(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def numbered(text: str) -> int:
    _, high, middle, low = map(int, text.split("."))
    return high << 16 | middle << 8 | low


def artifacts(repository: Path) -> set[ArtifactId]:
    with Store.open(repository) as store, store.reader() as reader:
        return set(reader.artifacts())


def descendants(pid: int) -> Sequence[int]:
    """All processes below it, but for itself."""
    below = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [*below, *(one for child in below for one in descendants(child))]


# -- the course of it


def soaked(disk: Path, home: Path, seconds: float, seed: int) -> Soak:
    """All of it, for so many seconds."""
    soak, passwords = Soak(disk, home), {}
    init = soak.ops.xferzone("-R", soak.repository, "init", "--admin", "ops")
    passwords["ops"] = re.findall(r"^password: (\S+)", init.err + init.out, re.MULTILINE)[0]
    soak.ops.xferzone(
        "-R", soak.repository, "user", "add", "ann", "gio", "--password-stdin", stdin="ann-pw\n"
    )
    with Store.open(soak.repository) as store, store.reader() as reader:
        soak.project = reader.project_code
    writers: list[Ours | Stock] = [Ours(soak, 1, "ann-pw"), Ours(soak, 2, "ann-pw"), Stock(soak, "ann-pw")]
    (home / "zone").write_text(APEX)
    for zone in [SHARED, *(writer.zone for writer in writers)]:
        soak.ops.xferzone("-R", soak.repository, "zone", "add", zone, "--from", home / "zone")
    with soak.running():
        for writer in writers:
            writer.begin()
    steps: list[Callable[[random.Random], None]] = [
        *writers,
        Mutated(soak, "ann-pw"),
        Mutated(soak, "ann-pw"),
    ]
    steps += [Questions(soak), Kills(soak), Full(soak)]
    actors = [
        threading.Thread(target=_act, args=(soak, step, random.Random(f"{seed} {number}")))
        for number, step in enumerate(steps)
    ]
    timer = threading.Timer(seconds, soak.over.set)
    timer.start()
    for actor in actors:
        actor.start()
    while not soak.over.is_set():
        with soak.running() as server:
            while server.process.poll() is None and not soak.over.wait(0.1):
                pass
    timer.cancel()
    for actor in actors:
        actor.join()
    with soak.running() as server:
        for writer in writers:
            writer.end()
        server.process.send_signal(signal.SIGTERM)
        if server.process.wait(PATIENCE_S):
            soak.fail(f"the server did not end well: {server.log.read_text()[-2000:]}")
    _examine(soak)
    return soak


def _act(soak: Soak, step: Callable[[random.Random], None], chance: random.Random) -> None:
    while not soak.over.is_set():
        try:
            step(chance)
        except BaseException:  # whatever it is, the soak has failed
            soak.fail(traceback.format_exc())
            raise


def _examine(soak: Soak) -> None:
    """What is in the repository at the end."""
    repository = soak.repository
    check = soak.ops.xferzone("-R", repository, "check", code=None)
    if check.code:
        soak.fail(f"check: {check.out[-2000:]}{check.err[-2000:]}")
    if lost := soak.artifacts - artifacts(repository):
        soak.fail(f"{len(lost)} acknowledged artifacts are lost: {sorted(lost)[:5]}")
    for name, (number, _) in soak.acknowledged.items():
        shown = soak.ops.xferzone("-R", repository, "show", name, "A", code=None).out.split()
        if not shown or numbered(shown[-1]) < number:
            soak.fail(f"{name} is {shown}, acknowledged was {address(number)}")
    before = refs(repository)
    soak.ops.xferzone("-R", repository, "rebuild")
    if refs(repository) != before:
        soak.fail(f"a rebuild moves refs: {before ^ refs(repository)}")
    if left := [each.name for each in soak.disk.iterdir() if not each.name.startswith("zones.xferzone")]:
        soak.fail(f"files stay behind: {left}")
    if soak.megabytes > MOST_MB:
        soak.fail(f"a worker had {soak.megabytes:.0f} MB")


def refs(repository: Path) -> set[tuple[str, ArtifactId]]:
    with Store.open(repository) as store, store.reader() as reader:
        return {(str(ref.branch), ref.checkin) for ref in LocalRefs(reader).list()}


def main(seconds: str, seed: str = "") -> int:
    number = int(seed) if seed else random.SystemRandom().randrange(10**6)
    print(f"seed {number}", flush=True)
    with tempfile.TemporaryDirectory() as place:
        disk, home = Path(place, "disk"), Path(place, "home")
        disk.mkdir()
        home.mkdir()
        size = DISK + DISK_EACH * int(float(seconds))
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(disk)], check=True)
        try:
            soak = soaked(disk, home, float(seconds), number)
        finally:
            subprocess.run(["umount", "--lazy", str(disk)], check=True)
    for name, count in sorted(soak.counts.items()):
        print(f"{count:9,}  {name}")
    print(f"{soak.megabytes:9.0f}  megabytes of the largest worker")
    for wrong in soak.wrong:
        print(f"WRONG: {wrong}")
    return 1 if soak.wrong else 0


if __name__ == "__main__":
    if "--inside" not in sys.argv:
        mine = ["-m"] if os.geteuid() == 0 else ["-r", "-m"]
        os.execvp(
            "unshare",
            ["unshare", *mine, sys.executable, "-m", "tests.robust.soak", "--inside", *sys.argv[1:]],
        )
    sys.exit(main(*sys.argv[2:]))
