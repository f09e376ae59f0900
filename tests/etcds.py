"""The real etcd for tests: a member of its own on free ports of loopback, ended with the test.

with running(tmp_path) as etcd:
    Etcd([etcd.url])
    etcd.ctl("compact", "5")                    etcdctl, as who may do anything
    etcd.ctl("snapshot", "save", file)
restored(file, other_path)                      then running(other_path) goes on from the backup
"""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import urllib3

from tests.live import BOUND_S, PATIENCE_S, background, free_port, within
from xferzone.refs.keys import Changes, Keys

# Milliseconds. A lease lasts at least 15 of them; a member alone elects itself, others must hear of each other in time.
ALONE, TOGETHER = 20, 100


@dataclass(frozen=True, slots=True)
class Running:
    """An etcd that answers at `url`."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path
    options: Sequence[str] = field(default=())  # for etcdctl

    def ctl(self, *words: str | Path) -> str:
        """What etcdctl prints."""
        return _ctl("--endpoints", self.url, *self.options, *words)

    @contextlib.contextmanager
    def asleep(self) -> Iterator[None]:
        """It neither reads nor writes meanwhile, and goes on afterwards."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)

    def is_leader(self) -> bool:
        """Whether it leads its cluster."""
        (status,) = json.loads(self.ctl("endpoint", "status", "--write-out=json"))
        return bool(status["Status"]["leader"] == status["Status"]["header"]["member_id"])


@dataclass(frozen=True, slots=True)
class TLS:
    """PEM files of an etcd that speaks TLS, and wants a certificate of its clients, whose files these are too."""

    authority: Path
    certificate: Path
    key: Path

    @property
    def server(self) -> tuple[str, ...]:
        files = {"trusted-ca": self.authority, "cert": self.certificate, "key": self.key}
        return ("--client-cert-auth", *(f"--{name}-file={file}" for name, file in files.items()))

    @property
    def client(self) -> tuple[str, ...]:
        return (f"--cacert={self.authority}", f"--cert={self.certificate}", f"--key={self.key}")


@contextlib.contextmanager
def running(place: Path, *, port: int = 0, tls: TLS | None = None) -> Iterator[Running]:
    """An etcd whose data are in `place`, which is made if it is not there."""
    peers = _url(free_port())
    with _started(place, "default", peers, f"default={peers}", ALONE, port=port, tls=tls) as (etcd, health):
        _wait([(etcd, health)])
        yield etcd


@contextlib.contextmanager
def cluster(place: Path) -> Iterator[list[Running]]:
    """Three members of one cluster; the leader is the first."""
    peers = {name: _url(free_port()) for name in ("one", "two", "three")}
    every = ",".join(f"{name}={url}" for name, url in peers.items())
    with contextlib.ExitStack() as started:
        members = [
            started.enter_context(_started(place / name, name, url, every, TOGETHER))
            for name, url in peers.items()
        ]
        _wait(members)
        yield sorted((etcd for etcd, _ in members), key=lambda etcd: not etcd.is_leader())


@contextlib.contextmanager
def _started(  # many: who it is, and how it is reached
    place: Path, name: str, peers: str, every: str, heartbeat: int, *, port: int = 0, tls: TLS | None = None
) -> Iterator[tuple[Running, str]]:
    """An etcd, and where it tells of its health."""
    place.mkdir(parents=True, exist_ok=True)
    url, health = _url(port or free_port(), "http" if tls is None else "https"), _url(free_port())
    argv = [
        "etcd",
        f"--name={name}",
        f"--data-dir={place / 'data'}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster={every}",
        f"--listen-metrics-urls={health}",
        f"--heartbeat-interval={heartbeat}",
        f"--election-timeout={10 * heartbeat}",
        "--logger=zap",
        *(() if tls is None else tls.server),
    ]
    log = place / "etcd.log"
    with background(argv, _environment(), log) as process:
        yield Running(url, process, log, () if tls is None else tls.client), health


def _wait(members: Sequence[tuple[Running, str]]) -> None:
    def is_settled() -> bool:
        return all(etcd.process.poll() is not None or _is_healthy(health) for etcd, health in members)

    assert within(PATIENCE_S, is_settled)
    for etcd, _ in members:
        assert etcd.process.poll() is None, etcd.log.read_text()


def _url(port: int, scheme: str = "http") -> str:
    return f"{scheme}://127.0.0.1:{port}"


def restored(backup: Path, place: Path) -> None:
    """Make `place` from a backup, as another cluster."""
    place.mkdir(parents=True)
    _ctl("snapshot", "restore", backup, "--data-dir", place / "data", "--initial-cluster-token", place.name)


def heard(keys: Keys, prefix: str, begin: int, last: int) -> list[Changes]:
    """What a watch from `begin` on tells until all is told up to `last`, a revision that changed something."""
    told = []
    with contextlib.closing(keys.watch(prefix, begin, PATIENCE_S)) as watch:
        for each in watch:
            told.append(each)
            if each.told >= last:
                return told
    raise AssertionError(f"nothing more for {PATIENCE_S} s after {told}")


def _is_healthy(url: str) -> bool:
    with contextlib.suppress(urllib3.exceptions.HTTPError, ValueError):
        reply = urllib3.request("GET", f"{url}/health", retries=False, timeout=PATIENCE_S)
        return bool(json.loads(reply.data).get("health") == "true")
    return False


def _ctl(*words: str | Path) -> str:
    argv = ["etcdctl", *map(str, words)]
    done = subprocess.run(
        argv, env=_environment(), capture_output=True, text=True, timeout=BOUND_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _environment() -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "ETCDCTL_API": "3"}
