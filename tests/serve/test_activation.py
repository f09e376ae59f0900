"""Sockets that systemd hands over: which are taken, who reads them, and that no question is lost on a reload."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.test_up import xferzone
from tests.live import PATIENCE_S, PROJECT, XFERZONE, background, bound, dig, free_port, within
from xferzone.config import Address
from xferzone.errors import CannotServe
from xferzone.serve.activation import Activated


@contextlib.contextmanager
def made(*kinds: socket.SocketKind, host: str = "127.0.0.1", port: int = 0) -> Iterator[list[socket.socket]]:
    """Bound sockets that share an address."""
    with contextlib.ExitStack() as stack:
        sockets = []
        for kind in kinds:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            one = stack.enter_context(socket.socket(family, kind))
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            one.bind((host, port))
            port = one.getsockname()[1]
            sockets.append(one)
        yield sockets


UDP, TCP = socket.SOCK_DGRAM, socket.SOCK_STREAM


@pytest.mark.parametrize(
    ("sockets", "answerers", "shares"),
    [
        (1, 3, [[0], [0], [0]]),
        (2, 2, [[0], [1]]),
        (2, 3, [[0], [1], [0]]),
        (3, 2, [[0, 2], [1]]),
        (3, 1, [[0, 1, 2]]),
    ],
)
def test_each_udp_socket_has_a_reader_and_each_answerer_a_socket(
    sockets: int, answerers: int, shares: list[list[int]]
) -> None:
    with made(*[UDP] * sockets) as given:
        activated = Activated(given)
        (address,) = activated.udp
        read = [activated.share(number, answerers)[address] for number in range(answerers)]
        assert [[given.index(each) for each in share] for share in read] == shares


def test_sockets_of_addresses_that_nobody_listens_on_are_named() -> None:
    with made(TCP, UDP) as given:
        address = Address("127.0.0.1", given[0].getsockname()[1])
        activated = Activated(given)
        assert list(activated.strangers([address], [address])) == []
        assert list(activated.strangers([], [])) == [f"{address} (TCP)", f"{address} (UDP)"]


def test_sockets_that_would_answer_wrongly_are_refused() -> None:
    with (
        made(UDP, host="0.0.0.0") as given,
        pytest.raises(CannotServe, match="write ListenDatagram= for each address"),
    ):
        Activated(given)
    with made(TCP, host="::") as given:
        given[0].getsockname()
        with pytest.raises(CannotServe, match="takes IPv4 too: write BindIPv6Only=ipv6-only"):
            Activated(given)
    with made(TCP) as given, given[0].dup() as twin, pytest.raises(CannotServe, match="two TCP sockets for"):
        Activated([*given, twin])
    with socket.socket(socket.AF_UNIX) as local, pytest.raises(CannotServe, match="neither TCP nor UDP"):
        Activated([local])


def test_sockets_for_another_process_are_left_alone() -> None:
    environ = {"LISTEN_PID": "1", "LISTEN_FDS": "1", "LISTEN_FDNAMES": "x", "OTHER": "y"}
    assert Activated.of(environ, 2).tcp == {}
    assert environ == {"OTHER": "y"}
    with pytest.raises(CannotServe, match="LISTEN_FDS is 'x'"):
        Activated.of({"LISTEN_PID": "2", "LISTEN_FDS": "x"}, 2)


_BIND = """\
import os, sys
number = int(sys.argv[1])
for at, descriptor in enumerate(sys.argv[2 : 2 + number]):
    os.dup2(int(descriptor), 3 + at)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(number)}
os.execv(sys.executable, [sys.executable, *sys.argv[2 + number :]])
"""


@pytest.mark.interop
def test_no_question_is_lost_when_answerers_that_share_a_socket_are_replaced(
    repository: Path, tmp_path: Path
) -> None:
    with made(TCP, UDP, port=free_port()) as given:
        given[0].listen()
        host, port = given[0].getsockname()
        high = [os.dup(each.fileno()) for each in given]  # above those that they become
        words = [*XFERZONE[1:], "-R", str(repository), "dns", "--listen", f"{host}:{port}", "--workers", "2"]
        argv = [sys.executable, "-c", _BIND, "2", *map(str, high), *words]
        env = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(PROJECT)}
        log = tmp_path / "log"
        with (
            log.open("wb") as output,
            subprocess.Popen(argv, env=env, stdout=output, stderr=output, pass_fds=high) as server,
        ):
            try:
                assert within(PATIENCE_S, lambda: server.poll() is not None or "ready" in log.read_text())
                assert server.poll() is None, log.read_text()
                assert bound(port) == (1, 1)  # nothing was bound beside what was handed over
                server.send_signal(signal.SIGHUP)
                asked = 0
                while asked < 2 or "outcome=done" not in log.read_text():
                    assert "192.0.2.80" in dig(port, "www.example.com"), log.read_text()
                    assert "192.0.2.80" in dig(port, "www.example.com", "A", "+tcp"), log.read_text()
                    asked += 1
            finally:
                server.terminate()
                for each in high:
                    os.close(each)
        assert server.returncode == 0
        assert "Traceback" not in log.read_text()


@pytest.mark.interop
@pytest.mark.parametrize(("kind", "option"), [("--datagram", "+notcp"), (None, "+tcp")])
def test_systemd_hands_sockets_over(repository: Path, tmp_path: Path, kind: str | None, option: str) -> None:
    port = free_port()
    listen = f"127.0.0.1:{port}"
    env = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": str(PROJECT)}
    words = [*XFERZONE, "-R", str(repository), "dns", "--listen", listen]
    kept = [f"--setenv={name}" for name in env]
    argv = ["systemd-socket-activate", *([kind] if kind else []), *kept, "-l", listen, *words]
    log = tmp_path / "log"
    with background(argv, env, log) as server:
        assert within(PATIENCE_S, lambda: "Listening on" in log.read_text() or server.poll() is not None)
        # The first question starts the server, and waits for it.
        found = dig(port, "www.example.com", "A", "+short", "+time=20", option)
        assert found == "192.0.2.80\n", log.read_text()
        server.terminate()
        assert server.wait(PATIENCE_S) == 0, log.read_text()


@pytest.mark.interop
def test_root_is_refused_below_port_1024_and_told_elsewhere(repository: Path) -> None:
    if os.geteuid() != 0:
        pytest.fail("the tests that need the real programs run as root")
    done = xferzone(repository, "dns", "--listen", "127.0.0.1:1023", code=7)
    assert "dns on 127.0.0.1:1023 is not answered as root" in done.err
    assert "--allow-root" in done.err
