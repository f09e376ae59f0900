"""`serve`, `dns` and `up` as processes: what they refuse, that they answer, and that they live and end as one."""

import contextlib
import os
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import click
import pytest

from tests.live import PATIENCE_S, PROJECT, XFERZONE, Done, Server, free_port, run, serving, within
from xferzone.cli.serve import address

ZONE = """\
@ 3600 IN SOA ns1 hostmaster 1 7200 3600 1209600 3600
@ 3600 IN NS ns1
ns1 3600 IN A 192.0.2.1
www 300 IN A 192.0.2.80
"""


def xferzone(repository: Path, *words: str, code: int = 0, stdin: str = "") -> Done:
    env = {**os.environ, "HOME": str(repository.parent), "USER": "ops", "PYTHONPATH": str(PROJECT)}
    return run(*XFERZONE, "-R", repository, *words, env=env, at=repository.parent, code=code, stdin=stdin)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("up") / "zones.xferzone"
    xferzone(path, "init")
    xferzone(path, "zone", "add", "example.com", "--from", "-", stdin=ZONE)
    return path


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("localhost:1", "127.0.0.1:1"),
        ("0.0.0.0:65535", "0.0.0.0:65535"),
        ("[::1]:53", "[::1]:53"),
        ("[2001:DB8:0::1]:53", "[2001:db8::1]:53"),
    ],
)
def test_an_address_is_read_and_shown(text: str, shown: str) -> None:
    assert str(address(text)) == shown


NO_ADDRESSES = """
: 8080 :8080 127.0.0.1 127.0.0.1: 127.0.0.1:0 127.0.0.1:65536 127.0.0.1:+80 127.0.0.1:8_0 127.0.0.1:٨٠
::1:53 [::1] [::1]53 []:53 [127.0.0.1:53 example.com:53 256.0.0.1:53 127.1:53 http://127.0.0.1:80
"""


@pytest.mark.parametrize("text", ["", "127.0.0.1: 80", *NO_ADDRESSES.split()])
def test_anything_else_is_a_usage_error(text: str) -> None:
    with pytest.raises(click.BadParameter):
        address(text)


@pytest.mark.parametrize("verb", ["serve", "dns", "up"])
def test_a_missing_repository_is_named_with_the_command_that_makes_one(tmp_path: Path, verb: str) -> None:
    missing = tmp_path / "none.xferzone"
    done = xferzone(missing, verb, code=5)
    assert str(missing) in done.err
    assert "init" in done.err
    assert done.out == ""
    assert list(tmp_path.iterdir()) == []


TAKEN = [
    ("serve", "--listen", (), socket.SOCK_STREAM),
    ("dns", "--listen", (), socket.SOCK_STREAM),
    ("dns", "--listen", (), socket.SOCK_DGRAM),
    ("up", "--http", ("--dns", "{}"), socket.SOCK_STREAM),
    ("up", "--dns", ("--http", "{}"), socket.SOCK_STREAM),
    ("up", "--dns", ("--http", "{}"), socket.SOCK_DGRAM),
]


@pytest.mark.parametrize(("verb", "option", "rest", "kind"), TAKEN)
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_taken_port_is_named_with_the_option_that_changes_it(
    repository: Path, verb: str, option: str, rest: tuple[str, ...], kind: socket.SocketKind, host: str
) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind) as holder:
        # A stranger who would share the port is a stranger still.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        holder.bind((host, 0))
        if kind == socket.SOCK_STREAM:
            holder.listen()
        port = holder.getsockname()[1]
        at = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        others = [word.format(f"127.0.0.1:{free_port()}") for word in rest]
        done = xferzone(repository, verb, option, at, *others, code=1)
    assert f"cannot bind {at} (" in done.err
    assert f": the address is taken; choose another with {option} HOST:PORT" in done.err
    assert done.out == ""
    assert "ready" not in done.err


@pytest.mark.parametrize("dns", ["127.0.0.1", "0.0.0.0"])
def test_two_addresses_that_exclude_each_other_are_both_named(repository: Path, dns: str) -> None:
    port = free_port()
    done = xferzone(repository, "up", "--http", f"127.0.0.1:{port}", "--dns", f"{dns}:{port}", code=1)
    assert f"http on 127.0.0.1:{port} and dns on {dns}:{port} exclude each other" in done.err
    assert "choose another port with --dns HOST:PORT" in done.err


def test_an_ipv4_address_in_ipv6_form_is_told_with_the_form_that_works(repository: Path) -> None:
    done = xferzone(repository, "serve", "--listen", "[::ffff:127.0.0.1]:8080", code=2)
    assert "is an IPv4 address in IPv6 form: write 127.0.0.1:8080" in done.err


def test_an_empty_configuration_file_option_names_no_file(repository: Path) -> None:
    assert "it names no file" in xferzone(repository, "serve", "-c", "", code=2).err


def test_an_address_of_another_machine_is_refused(repository: Path) -> None:
    done = xferzone(repository, "serve", "--listen", "192.0.2.7:8080", code=1)
    told = "cannot bind 192.0.2.7:8080 (TCP): not an address of this machine; choose another with --listen HOST:PORT"
    assert told in done.err


def alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def none_alive(pids: set[int]) -> bool:
    return not any(map(alive, pids))


def descendants(pid: int) -> set[int]:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        children = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return set(children).union(*map(descendants, children))
    return set()


def role(pid: int) -> str:
    """Which part of a server a process is, by its title: "arbiter", "worker", "agent" or "answerer"."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        words = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split()
        if words[:1] == ["xferzone:"]:
            return words[2]
    return ""


@pytest.fixture(scope="module")
def server(repository: Path) -> Iterator[Server]:
    with serving(repository) as running:
        yield running


def well(server: Server) -> bool:
    """Whether HTTP and DNS answer, UDP and TCP."""
    try:
        test_both_answer(server)
    except (AssertionError, OSError):
        return False
    return True


@pytest.mark.interop
def test_both_answer(server: Server) -> None:
    assert server.dig("www.example.com") == ["192.0.2.80"]
    assert server.dig("www.example.com", "A", "+tcp") == ["192.0.2.80"]
    with urllib.request.urlopen(server.url(path="/healthz"), timeout=PATIENCE_S) as reply:
        assert reply.status == 200


@pytest.mark.interop
def test_it_is_an_arbiter_an_agent_and_an_answerer_a_core(server: Server) -> None:
    roles = sorted(map(role, server.children()))
    assert roles == ["agent", *["answerer"] * len(os.sched_getaffinity(0)), "arbiter"]
    (arbiter,) = [pid for pid in server.children() if role(pid) == "arbiter"]
    assert len(descendants(arbiter)) == 1


@pytest.mark.interop
def test_a_second_one_is_told_who_has_the_port(server: Server, repository: Path) -> None:
    done = xferzone(repository, "dns", "--listen", f"127.0.0.1:{server.dns}", code=1)
    assert f"the address is taken by `xferzone up`, pid {server.process.pid}" in done.err


@pytest.mark.interop
def test_status_tells_who_listens(server: Server, repository: Path) -> None:
    told = xferzone(repository, "status").out
    assert f"127.0.0.1:{server.http}" in told
    assert f"127.0.0.1:{server.dns}" in told
    assert str(server.process.pid) in told


@pytest.mark.interop
@pytest.mark.parametrize("part", ["arbiter", "agent", "answerer"])
def test_a_killed_part_is_back_within_a_second(server: Server, part: str) -> None:
    before = set(server.children())
    victim = next(pid for pid in before if role(pid) == part)
    below = descendants(victim)
    os.kill(victim, signal.SIGKILL)
    assert within(1, lambda: part in map(role, set(server.children()) - before))
    assert before - {victim} < set(server.children()), "another part was touched"
    assert within(PATIENCE_S, lambda: well(server))
    assert within(PATIENCE_S, lambda: none_alive(below))


@pytest.mark.interop
def test_a_killed_worker_is_back_within_a_second(server: Server) -> None:
    (arbiter,) = [pid for pid in server.children() if role(pid) == "arbiter"]
    (worker,) = descendants(arbiter)
    os.kill(worker, signal.SIGKILL)
    assert within(1, lambda: worker not in descendants(arbiter) and len(descendants(arbiter)) == 1)
    assert within(PATIENCE_S, lambda: well(server))


@pytest.mark.interop
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_leaves_nobody_and_no_note(repository: Path, number: signal.Signals) -> None:
    before = set(repository.parent.glob("*.run"))
    with serving(repository) as server:
        assert set(repository.parent.glob("*.run")) > before
        everybody = descendants(server.process.pid)
        server.process.send_signal(number)
        assert server.process.wait(PATIENCE_S) == 0
        assert len(everybody) >= 4
        assert none_alive(everybody)
    assert set(repository.parent.glob("*.run")) == before


@pytest.mark.interop
def test_a_killed_up_leaves_nobody_and_the_next_takes_its_ports(repository: Path) -> None:
    http, dns = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    argv = [*XFERZONE, "-R", str(repository), "up", "--http", http, "--dns", dns]
    for _ in range(2):
        with subprocess.Popen(argv, cwd=PROJECT, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            assert any(line.startswith("up: ready") for line in process.stderr)
            everybody = descendants(process.pid)
            process.kill()
            assert within(PATIENCE_S, partial(none_alive, everybody))


@pytest.mark.interop
def test_serve_and_dns_run_alone(repository: Path) -> None:
    with (
        serving(repository, "serve", "--workers", "2") as http,
        serving(repository, "dns", "--workers", "1") as dns,
    ):
        assert http.dns == dns.http == 0
        assert within(PATIENCE_S, lambda: len(descendants(http.process.pid)) == 3)
        assert sorted(map(role, dns.children())) == ["agent", "answerer"]
        assert dns.dig("www.example.com") == ["192.0.2.80"]
        with urllib.request.urlopen(http.url(path="/healthz"), timeout=PATIENCE_S) as reply:
            assert int(reply.headers["Content-Length"]) == len(reply.read())


@pytest.mark.interop
def test_dns_answers_on_ipv6(repository: Path) -> None:
    with serving(repository, "dns", host="::1") as server:
        for way in ("+notcp", "+tcp"):
            assert server.dig("www.example.com", "A", way) == ["192.0.2.80"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_when_it_has_ended_the_file_is_the_whole_repository(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "zones.xferzone"
    xferzone(path, "init")
    with serving(path) as server:
        xferzone(path, "zone", "add", "example.com", "--from", "-", stdin=ZONE)
        assert within(PATIENCE_S, lambda: server.dig("www.example.com") == ["192.0.2.80"])
        with urllib.request.urlopen(
            server.url(), timeout=PATIENCE_S
        ) as page:  # a worker has the file open, too
            assert page.status == 200
        server.process.send_signal(number)
        assert server.process.wait(PATIENCE_S) == 0
        assert server.log.read_text().endswith("up: stopped\n")
    assert [each.name for each in tmp_path.glob("zones.xferzone-*") if each.suffix != ".log"] == []
    moved = path.rename(tmp_path / "elsewhere")
    assert "example.com" in xferzone(moved, "zone", "list").out


def test_a_backup_of_a_served_repository_is_whole(tmp_path: Path) -> None:
    path, copy = tmp_path / "zones.xferzone", tmp_path / "copy"
    xferzone(path, "init")
    with serving(path):
        xferzone(path, "zone", "add", "example.com", "--from", "-", stdin=ZONE)
        assert "copy: " in xferzone(path, "backup", str(copy)).err
    assert copy.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir() if "copy" in each.name] == ["copy"]
    xferzone(copy, "check")
    assert xferzone(copy, "zone", "list").out == xferzone(path, "zone", "list").out
    refused = xferzone(path, "backup", str(copy), code=3)
    assert refused.err == f"xferzone: {copy} exists already and was left as it is: give another name\n"


def test_a_branch_whose_serial_is_below_what_was_served_starts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "zones.xferzone"
    xferzone(path, "init")
    xferzone(path, "zone", "add", "example.com", "--from", "-", stdin=ZONE)
    xferzone(path, "branch", "example.com", "stable")
    for number in (1, 2):
        xferzone(path, "set", "www.example.com", "300", "A", f"192.0.2.{number}")
    with serving(path, "dns"):
        pass
    listen = f"127.0.0.1:{free_port()}"
    done = xferzone(path, "dns", "--listen", listen, "--branch", "stable", code=7)
    assert "example.com cannot be served from stable, which has serial 2: 3 was served, from main" in done.err
    assert "ready" not in done.err
    soa = ["ns1", "hostmaster", "4", "7200", "3600", "1209600", "3600"]
    xferzone(path, "set", "-b", "stable", "example.com", "3600", "SOA", *soa)
    with serving(path, "dns", "--branch", "stable"):
        pass
    assert "3: 4 was served, from stable" in xferzone(path, "dns", "--listen", listen, code=7).err


def test_a_zone_that_is_to_be_served_and_is_not_here_is_told(tmp_path: Path) -> None:
    path = tmp_path / "zones.xferzone"
    xferzone(path, "init")
    xferzone(path, "zone", "add", "example.com", "--from", "-", stdin=ZONE)
    with serving(path, "dns", "--zone", "exmaple.com", "--zone", "example.com") as server:
        told = server.log.read_text()
    assert "exmaple.com is to be served, and there is no such zone here" in told
    assert "example.com is to be served" not in told.replace("exmaple.com is", "")
