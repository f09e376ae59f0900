"""The unit files and the Dockerfile: verified, their steps run, and what they start started for real."""

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.machine import Machine
from tests.live import PATIENCE_S, PROJECT, background, within
from tests.test_packaging import tracked

# The build fetches packages.
pytestmark = [pytest.mark.interop, pytest.mark.timeout(900)]

DEPLOY = PROJECT / "deploy"
UNITS = (
    "xferzone.service",
    "xferzone.socket",
    "xferzone-mirror.service",
    "xferzone-backup.service",
    "xferzone-backup.timer",
)
USER = "65532"
ZONE = "@ 3600 SOA ns1 hostmaster 1 7200 3600 1209600 300\n@ 3600 NS ns1\nns1 300 A 192.0.2.1\n"


def steps() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile: word and rest."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in text.splitlines() if line)]


def last(instruction: str) -> str:
    return [rest for word, rest in steps() if word == instruction][-1]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A machine on which the steps of the Dockerfile were run, as root, in one file system instead of two stages."""
    with Machine(tmp_path_factory.mktemp("machine")) as made:
        made.run("rm", "-rf", "/opt/xferzone", "/var/lib/xferzone", "/etc/xferzone")
        at = "/"
        for word, rest in steps():
            if word == "WORKDIR":
                at = rest
                made.run("mkdir", "-p", at)
            elif word == "RUN":
                made.run("sh", "-e", "-c", rest, at=at)
            elif word == "COPY" and not rest.startswith("--from"):
                assert rest == ". ."
                made.copy_in([PROJECT / name for name in tracked()], PROJECT, at)
        yield made


def container_env() -> dict[str, str]:
    pairs = (rest.partition("=") for word, rest in steps() if word == "ENV")
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/", **{name: value for name, _, value in pairs}}


class Container:
    """Runs commands as the image's user, in a read-only root with one volume, with nothing that root may do."""

    def __init__(self, machine: Machine, volume: str) -> None:
        self._machine = machine
        self._before = (
            f'mount --bind "$ROOT{volume}" "$ROOT{last("VOLUME")}"; mount -o remount,bind,ro "$ROOT"; '
            'mount -o remount,bind,ro "$ROOT/tmp"'
        )
        user, _, group = last("USER").partition(":")
        self._as_user = [
            "setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs",
            "--inh-caps=-all", "--bounding-set=-all",
        ]  # fmt: skip

    def argv(self, *words: str) -> list[str]:
        return self._machine.argv(*self._as_user, *words, at=last("WORKDIR"), before=self._before)

    def run(self, *words: str, stdin: str = "") -> str:
        return self._machine.run(
            *self._as_user, *words, at=last("WORKDIR"), before=self._before, env=container_env(), stdin=stdin
        ).out


def test_the_image_serves_without_root_and_without_a_writable_root(machine: Machine, tmp_path: Path) -> None:
    machine.run("install", "-d", "-o", USER, "-g", USER, "/srv/volume")
    container = Container(machine, "/srv/volume")
    entry = json.loads(last("ENTRYPOINT"))
    container.run(*entry, "init")
    container.run(*entry, "zone", "add", "example.com", "--from", "-", stdin=ZONE)
    with pytest.raises(AssertionError, match="Read-only file system"):
        container.run("touch", "/opt/xferzone/x")
    network = ["unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh"]
    log = tmp_path / "log"
    argv = [*network, *container.argv(*entry, *json.loads(last("CMD")))]
    with background(argv, container_env(), log) as server:
        assert within(10 * PATIENCE_S, lambda: server.poll() is not None or "up: ready" in log.read_text())
        assert server.poll() is None, log.read_text()
        inside = ["nsenter", f"--net=/proc/{server.pid}/ns/net"]
        health = json.loads(last("HEALTHCHECK").removeprefix("CMD "))
        subprocess.run([*inside, *container.argv(*health)], check=True, env=container_env())
        asked = [*inside, "dig", "+short", "@127.0.0.1", "-p", "5300", "ns1.example.com"]
        assert subprocess.check_output(asked, text=True) == "192.0.2.1\n"
        status = Path(f"/proc/{server.pid}/status").read_text()
        assert re.search(rf"^Uid:\t{USER}\t{USER}\t{USER}\t{USER}$", status, re.MULTILINE)
        assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
        assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
        server.send_signal(getattr(signal, last("STOPSIGNAL")))
        assert server.wait(PATIENCE_S) == 0, log.read_text()
    assert "ERROR" not in log.read_text()


def unit(name: str) -> dict[str, list[str]]:
    """The settings of a unit file, each with its values in order."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / name).read_text().splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


@pytest.fixture(scope="module")
def installed(machine: Machine) -> Machine:
    """The same with the unit files, their user and the configuration where the units look for them."""
    machine.copy_in([DEPLOY / name for name in UNITS], DEPLOY, "/etc/systemd/system")
    machine.copy_in(
        [DEPLOY / name for name in ("xferzone.toml", "xferzone-mirror.toml")], DEPLOY, "/etc/xferzone"
    )
    machine.run("sh", "-c", "id xferzone || useradd --system --home-dir /var/lib/xferzone xferzone")
    return machine


def test_systemd_takes_the_unit_files(installed: Machine) -> None:
    paths = [f"/etc/systemd/system/{name}" for name in UNITS]
    done = installed.run("systemd-analyze", "verify", "--man=no", *paths)
    assert [line for line in (done.out + done.err).splitlines() if "xferzone" in line] == []


def test_the_unit_of_a_mirror_is_that_of_a_primary_with_a_password() -> None:
    primary, mirror = unit("xferzone.service"), unit("xferzone-mirror.service")
    assert mirror.pop("LoadCredential") == ["primary:/etc/xferzone/primary.password"]
    assert mirror.pop("Description") != primary.pop("Description")
    assert mirror == primary


def test_the_configuration_of_a_mirror_is_taken(installed: Machine) -> None:
    words = ("/opt/xferzone/bin/xferzone", "config", "check", "-c", "/etc/xferzone/xferzone-mirror.toml")
    script = (
        f"mkdir -p /run/c && echo secret > /run/c/primary && CREDENTIALS_DIRECTORY=/run/c {' '.join(words)}"
    )
    assert installed.run("sh", "-c", script).out == "/etc/xferzone/xferzone-mirror.toml: ok\n"


def test_systemd_finds_little_left_that_could_be_taken_away(installed: Machine) -> None:
    done = installed.run(
        "systemd-analyze",
        "security",
        "--offline=yes",
        "--threshold=25",
        "/etc/systemd/system/xferzone.service",
    )
    score = re.search(r"exposure level for xferzone.service: ([\d.]+)", done.out)
    assert score is not None
    assert float(score[1]) <= 2.5, done.out


class Manager:
    """What systemd does for a service of Type=notify: a socket on which the service says how it is."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(f"\0xferzone-test-{os.getpid()}-{time.monotonic_ns()}")
        self._socket.settimeout(2 * PATIENCE_S)
        self.address = "@" + self._socket.getsockname()[1:].decode()

    def hear(self) -> dict[str, str]:
        text = self._socket.recv(4096).decode()
        return dict(line.split("=", 1) for line in text.splitlines())

    def close(self) -> None:
        self._socket.close()


def service(installed: Machine, words: str, **more: str) -> tuple[list[str], dict[str, str]]:
    """A command line that runs `words` as the unit says, by hand: its user, capabilities, environment, sandbox."""
    settings = unit("xferzone.service")
    state = f"/var/lib/{settings['StateDirectory'][0]}"
    before = (
        f'mount --bind "$ROOT{state}" "$ROOT{state}"; mount -o remount,bind,ro "$ROOT"; '
        'mount -t tmpfs tmpfs "$ROOT/tmp"; mount -t tmpfs tmpfs "$ROOT/home"'
    )
    bounded = "".join(f",+{each.removeprefix('CAP_').lower()}" for each in settings["CapabilityBoundingSet"])
    ambient = ",".join(f"+{each.removeprefix('CAP_').lower()}" for each in settings["AmbientCapabilities"])
    privileges = [
        "setpriv", f"--reuid={settings['User'][0]}", f"--regid={settings['Group'][0]}", "--init-groups",
        f"--bounding-set=-all{bounded}", f"--inh-caps={ambient}", f"--ambient-caps={ambient}", "--no-new-privs",
    ]  # fmt: skip
    assert settings["NoNewPrivileges"] == ["yes"]
    env = dict(each.split("=", 1) for each in settings["Environment"]) | more
    env |= {"PATH": "/usr/bin:/bin", "USER": settings["User"][0], "HOME": state, "LC_ALL": "C.UTF-8"}
    return installed.argv(*privileges, *shlex.split(words), before=before), env


def by_hand(installed: Machine, words: str, stdin: str = "") -> None:
    argv, env = service(installed, words)
    subprocess.run(argv, env=env, input=stdin, text=True, check=True, capture_output=True)


def test_the_service_starts_reloads_and_ends_as_its_unit_says(installed: Machine, tmp_path: Path) -> None:
    settings = unit("xferzone.service")
    state = f"/var/lib/{settings['StateDirectory'][0]}"
    owner = settings["User"][0]
    installed.run("install", "-d", "-m", settings["StateDirectoryMode"][0], "-o", owner, "-g", owner, state)
    by_hand(installed, "/opt/xferzone/bin/xferzone init")
    by_hand(installed, "/opt/xferzone/bin/xferzone zone add example.com --from -", ZONE)
    # The shipped configuration, on addresses that nobody else has here; the port stays below 1024.
    host, log = "127.0.53.53", tmp_path / "log"
    installed.run(
        "sed", "-i", "-e", f's/^listen = .*:53".*/listen = ["{host}:53"]/', "-e", f's/127.0.0.1:8080/{host}:8080/',
        "/etc/xferzone/xferzone.toml",
    )  # fmt: skip
    manager = Manager()
    argv, env = service(installed, settings["ExecStart"][0], NOTIFY_SOCKET=manager.address)
    assert settings["Type"] == ["notify"]
    with background(argv, env, log) as server:
        assert manager.hear() == {"READY": "1", "STATUS": f"http on {host}:8080, dns on {host}:53"}, (
            log.read_text()
        )
        asked = ["dig", "+short", f"@{host}", "ns1.example.com"]
        assert subprocess.check_output(asked, text=True) == "192.0.2.1\n"
        reload = settings["ExecReload"][0].replace("$MAINPID", str(server.pid))
        subprocess.run(shlex.split(reload), check=True)
        assert manager.hear()["RELOADING"] == "1"
        assert manager.hear()["READY"] == "1"
        assert subprocess.check_output(asked, text=True) == "192.0.2.1\n"
        server.terminate()
        assert manager.hear() == {"STOPPING": "1"}
        assert server.wait(float(settings["TimeoutStopSec"][0].removesuffix("s"))) == 0, log.read_text()
    manager.close()
    assert "ERROR" not in log.read_text(), log.read_text()


#: Give descriptors the numbers that systemd gives, and become a program.
BEQUEATH = """\
import os, sys
for at, descriptor in enumerate(sys.argv[1:3]):
    os.dup2(int(descriptor), 3 + at)
os.execvp(sys.argv[3], sys.argv[3:])
"""


def test_sockets_of_systemd_serve_port_53_without_any_capability(installed: Machine, tmp_path: Path) -> None:
    host, log, at = "127.0.53.54", tmp_path / "log", "/var/lib/xferzone-bare"
    installed.run("install", "-d", "-o", "xferzone", "-g", "xferzone", at)
    installed.run("sh", "-c", f"printf '[dns]\\nlisten = [\"{host}:53\"]\\nworkers = 2\\n' > {at}/dns.toml")
    user = ["setpriv", "--reuid=xferzone", "--regid=xferzone", "--init-groups", "--bounding-set=-all"]
    xz = ["/opt/xferzone/bin/xferzone", "-R", f"{at}/zones.xferzone"]
    installed.run(*user, *xz, "init")
    installed.run(*user, *xz, "zone", "add", "example.com", "--from", "-", stdin=ZONE)
    words = [*xz, "dns", "-c", f"{at}/dns.toml"]
    with pytest.raises(AssertionError, match="ports below 1024 need root or CAP_NET_BIND_SERVICE"):
        installed.run(*user, *words)
    started = installed.argv(*user, "sh", "-c", 'LISTEN_FDS=2 LISTEN_PID=$$ exec "$@"', "sh", *words)
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        for each in (tcp, udp):
            each.bind((host, 53))
            each.set_inheritable(True)
        tcp.listen()
        argv = [sys.executable, "-c", BEQUEATH, str(tcp.fileno()), str(udp.fileno()), *started]
        with (
            log.open("wb") as output,
            subprocess.Popen(
                argv, env=installed.env, stdout=output, stderr=output, close_fds=False
            ) as server,
        ):
            try:
                assert within(
                    10 * PATIENCE_S, lambda: server.poll() is not None or "dns: ready" in log.read_text()
                )
                assert server.poll() is None, log.read_text()
                for option in ("+notcp", "+tcp"):
                    asked = ["dig", "+short", option, f"@{host}", "ns1.example.com"]
                    assert subprocess.check_output(asked, text=True) == "192.0.2.1\n"
                status = Path(f"/proc/{server.pid}/status").read_text()
                assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
            finally:
                server.terminate()
    assert server.returncode == 0, log.read_text()


def test_the_backup_keeps_the_last_fourteen(installed: Machine) -> None:
    settings = unit("xferzone-backup.service")
    where = "/var/backups/xferzone"
    installed.run("install", "-d", "-o", "xferzone", "-g", "xferzone", where)
    for number in range(15):
        installed.run("sh", "-c", f"touch -d '{number + 1} days ago' {where}/zones-{number:02}.xferzone")
    repository = settings["Environment"][0].partition("=")[2]
    installed.run(
        "sh",
        "-c",
        f"test -f {repository} || XFERZONE_REPOSITORY={repository} /opt/xferzone/bin/xferzone init",
    )
    env = dict(each.split("=", 1) for each in settings["Environment"]) | {"PATH": "/usr/bin:/bin"}
    for command in (settings["ExecStart"][0], settings["ExecStartPost"][0]):
        # What systemd makes of $$ and %%.
        installed.run(*shlex.split(command.replace("$$", "$").replace("%%", "%")), env=env)
    left = installed.run("ls", where).out.split()
    assert len(left) == 14
    assert "zones-12.xferzone" in left
    assert "zones-13.xferzone" not in left
    (made,) = [name for name in left if re.fullmatch(r"zones-\d{8}T\d{6}Z\.xferzone", name)]
    installed.run("/opt/xferzone/bin/xferzone", "-R", f"{where}/{made}", "check")
