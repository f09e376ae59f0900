"""Real programs for tests: people with a home of their own, servers on free ports, and questions to them.

    person = Person(tmp_path / "ann", "ann")            HOME and USER of his own, nothing of ours
    ops = person.xferzone("-R", repository, "init")     our command line, as a process
    with serving(repository) as server:                 `xferzone up`, answering when the block begins
        person.clone(server.url("ann", password), tmp_path / "z.fossil")
        work = person.open(tmp_path / "z.fossil", tmp_path / "work", "example.com/main")
        person.fossil("commit", "-m", "www moves", at=work)
        assert within(1, lambda: server.dig("www.example.com") == ["192.0.2.81"])

Every process has a bound in seconds, no stdin, and ends with the test, even if the test is killed.
"""

import contextlib
import fcntl
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from xferzone.serve.process import die_with

XFERZONE = (sys.executable, "-m", "xferzone")
PATIENCE_S = 30.0  # for a server to answer or end
BOUND_S = 240.0  # for a program to end; twenty that clone at once take a while on two processors
PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Done:
    """What a program left when it ended."""

    code: int
    out: str
    err: str


def run(
    *argv: str | Path,
    env: dict[str, str],
    at: Path,
    code: int | None = 0,
    stdin: str = "",
    seconds: float = BOUND_S,
) -> Done:
    """Run a program in directory `at`; it must end with `code` (None: any) within `seconds`."""
    done = subprocess.run(
        [str(word) for word in argv],
        env=env,
        cwd=at,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
    shown = f"{shlex.join(map(str, argv))}\nexit code {done.returncode}\n{done.stdout}{done.stderr}"
    assert code is None or done.returncode == code, shown
    return Done(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an empty home directory `home`, which is made, and a login `name`."""

    home: Path
    name: str = "ops"
    clock: str = ""  # faketime's offset for fossil, such as "+30s"; empty: the machine's

    def __post_init__(self) -> None:
        self.home.mkdir(parents=True, exist_ok=True)
        # Else an edit of the same size in the second of the last check-in is not seen (docs/stock-pitfalls.md 35).
        self.fossil("settings", "--global", "mtime-changes", "off")

    @property
    def env(self) -> dict[str, str]:
        """The environment of this person's programs: of ours only PATH, and where the project is found."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "USER": self.name,  # fossil asks for it (docs/stock-pitfalls.md 34)
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "PYTHONPATH": str(PROJECT),
        }

    def xferzone(
        self, *words: str | Path, at: Path | None = None, code: int | None = 0, stdin: str = ""
    ) -> Done:
        return run(*XFERZONE, *words, env=self.env, at=at or self.home, code=code, stdin=stdin)

    def fossil(
        self, *words: str | Path, at: Path | None = None, code: int | None = 0, seconds: float = BOUND_S
    ) -> Done:
        """Stock fossil, in check-out `at` if given, at this person's time."""
        faked = ("faketime", "-f", self.clock) if self.clock else ()
        return run(*faked, "fossil", *words, env=self.env, at=at or self.home, code=code, seconds=seconds)

    def clone(self, url: str, file: Path, *options: str) -> Done:
        """`fossil clone` that keeps the password of `url` for later syncs (docs/stock-pitfalls.md 33)."""
        return self.fossil("clone", "--save-http-password", *options, url, file)

    def open(self, file: Path, work: Path, version: str = "") -> Path:
        """A check-out of clone `file` at `version` in `work`, an empty directory that is made; returned."""
        work.mkdir(parents=True)
        self.fossil("open", file, *([version] if version else []), at=work)
        return work


@dataclass(frozen=True, slots=True)
class Server:
    """A server of ours that answers: `http` and `dns` are its ports on `host`, 0 where it has none."""

    process: subprocess.Popen[bytes]
    http: int
    dns: int
    log: Path  # its stderr so far
    host: str = "127.0.0.1"

    def url(self, login: str = "", password: str = "", path: str = "/") -> str:
        account = f"{login}:{password}@" if login else ""
        return f"http://{account}{_place(self.host, self.http)}{path}"

    def dig(self, name: str, rdtype: str = "A", *options: str) -> list[str]:
        """Sorted lines of `dig +short`; an answer must come at the first try, within 5 s."""
        return sorted(self.dig_all(name, rdtype, "+short", *options).splitlines())

    def dig_all(self, name: str, rdtype: str = "A", *options: str) -> str:
        """Everything that dig prints."""
        return dig(self.dns, name, rdtype, *options, host=self.host)

    def told(self, text: str, times: int = 1) -> bool:
        """Whether its log has `text` that often, soon: of an exchange a server may tell after its answer."""
        return within(PATIENCE_S, lambda: self.log.read_text().count(text) >= times)

    def children(self) -> list[int]:
        """Its direct children's pids."""
        pid = self.process.pid
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def dig(port: int, name: str, rdtype: str = "A", *options: str, host: str = "127.0.0.1") -> str:
    """What dig prints for one question without retry; an answer must come within 5 s."""
    place = Path(__file__).parent
    asked = ["dig", "+time=5", "+tries=1", "+nocookie", f"@{host}", "-p", str(port), *options, name, rdtype]
    return run(
        *asked, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"}, at=place, seconds=PATIENCE_S
    ).out


@contextlib.contextmanager
def serving(
    repository: Path,
    verb: str = "up",
    *options: str,
    host: str = "127.0.0.1",
    files: int = 0,
    http: int = 0,
    dns: int = 0,
) -> Iterator[Server]:
    """`xferzone VERB` (up, serve or dns) on free ports of `host`; ended by TERM, which it must take well.

    `files`: how many files each of its processes may have open, as `ulimit -n` sets it; 0: as many as this process.
    `http`, `dns`: the port for each; 0: a free one.
    """
    http = http or (free_port() if verb in ("up", "serve") else 0)
    dns = dns or (free_port() if verb in ("up", "dns") else 0)
    flags = {
        "up": ("--http", _place(host, http), "--dns", _place(host, dns)),
        "serve": ("--listen", _place(host, http)),
        "dns": ("--listen", _place(host, dns)),
    }
    limited = ("prlimit", f"--nofile={files}:{files}") if files else ()
    named = () if "--repository-root" in options else ("-R", str(repository))
    argv = [*limited, *XFERZONE, *named, verb, *flags[verb], *options]
    log = repository.with_name(f"{repository.name}-{verb}-{http or dns}.log")
    env = {**os.environ, "HOME": str(repository.parent), "PYTHONPATH": str(PROJECT)}
    with background(argv, env, log) as process:
        assert within(PATIENCE_S, lambda: process.poll() is not None or f"{verb}: ready" in log.read_text())
        assert process.poll() is None, log.read_text()
        assert _answers(host, http, dns), log.read_text()
        yield Server(process, http, dns, log, host)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, log.read_text()
    assert "Traceback" not in log.read_text(), log.read_text()


@contextlib.contextmanager
def stock_server(person: Person, repository: Path) -> Iterator[str]:
    """A stock `fossil server` of `repository`; its URL, without a login."""
    port = free_port()
    argv = ["fossil", "server", "--localhost", "--port", str(port), str(repository)]
    with background(argv, person.env, person.home / f"server-{port}.log") as process:
        assert within(PATIENCE_S, lambda: process.poll() is not None or _answers("127.0.0.1", port, 0))
        assert process.poll() is None
        yield f"http://127.0.0.1:{port}/"


@contextlib.contextmanager
def background(argv: Sequence[str], env: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in a group of its own, its output in `log`; the group is killed if it is there at the end."""
    parent = os.getpid()
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv,
            env=env,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: die_with(parent),
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(PATIENCE_S)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has, TCP and UDP; below the range that the kernel gives to clients.

    All processes of a user take turns, so that what one got is not bound by another before it is bound by that one.
    """
    while True:
        port = _PORTS[_turn() % len(_PORTS)]
        with (
            socket.socket() as tcp,
            socket.socket(type=socket.SOCK_DGRAM) as udp,
            contextlib.suppress(OSError),
        ):
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
            return port


_PORTS = range(20000, 32000)


def _turn() -> int:
    """A number that no process of this user has had."""
    place = Path(tempfile.gettempdir()) / f"xferzone-tests-{os.getuid()}"
    file = os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        turn = int(os.pread(file, 20, 0) or b"0")
        os.pwrite(file, b"%020d" % (turn + 1), 0)
    finally:
        os.close(file)
    return turn


def bound(port: int) -> tuple[int, int]:
    """How many UDP sockets, and how many listening TCP sockets, have this port of 127.0.0.1."""
    place = f"0100007F:{port:04X}"
    udp = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()]
    tcp = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    return sum(row[1] == place for row in udp), sum(row[1] == place and row[3] == "0A" for row in tcp)


def within(seconds: float, fact: Callable[[], bool], *, every: float = 0.02) -> bool:
    """Whether `fact` becomes true in time."""
    deadline = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


# A question for CHAOS version.bind TXT, which every server answers or refuses.
_QUESTION = b"\x58\x5a\0\0\0\1\0\0\0\0\0\0\7version\4bind\0\0\x10\0\3"


def _answers(host: str, http: int, dns: int) -> bool:
    """Whether TCP connects on both ports (0: need not), and UDP gets any answer on `dns`."""
    try:
        for port in filter(None, (http, dns)):
            socket.create_connection((host, port), timeout=PATIENCE_S).close()
        if dns:
            with socket.socket(
                socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM
            ) as client:
                client.settimeout(PATIENCE_S)
                client.connect((host, dns))
                client.send(_QUESTION)
                client.recv(512)
    except OSError:
        return False
    return True


def _place(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
