"""The HTTP worker by itself, in a process whose descriptors or places run out."""

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from xferzone.serve.worker import _Wakeups

_BEGIN = """
import os, resource, selectors, socket
from gunicorn.config import Config
from gunicorn.glogging import Logger
from xferzone.serve import worker

worker.AGAIN_S = 0.2
listener = socket.create_server(("127.0.0.1", 0))


def client():
    return socket.create_connection(listener.getsockname())


class App:
    def wsgi(self):
        return None


def run(kind):
    cfg = Config()
    kind(1, os.getppid(), [listener], App(), 30, cfg, Logger(cfg)).init_process()
"""

_SHORT = """
resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))
waiting = client()


class Short(worker.Worker):
    def run(self):
        full = self.worker_connections
        held = []
        try:
            while True:
                held.append(os.dup(0))
        except OSError:
            pass
        self.accept(listener)
        assert self.nr_conns == 0 and self.worker_connections == 1, "none is left"
        self.notify()
        assert self.worker_connections == 1, "it was a moment ago"
        for each in held:
            os.close(each)
        worker.time.sleep(0.3)
        self.notify()
        assert self.worker_connections == full > 100
        os.write(1, b"as before")
        os._exit(0)


run(Short)
"""

#: In one turn of the loop a connection is accepted, and more comes on the oldest, which gives its place to that one.
_FULL = """
class Full(worker.Worker):
    def run(self):
        self.worker_connections = 3
        self.set_accept_enabled(True)
        oldest, other = client(), client()
        while self.nr_conns < 2:
            self.wait_for_and_dispatch_events(1.0)
        self.place(oldest)
        newest = client()
        oldest.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
        events = sorted(self.poller.select(1.0), key=lambda event: event[0].fileobj is not listener)
        assert len(events) == 2
        for key, _ in events:
            key.data(key.fileobj)
        assert self.nr_conns == 2
        os.write(1, b"goes on")
        os._exit(0)

    def place(self, oldest):
        pass


class Kept(Full):
    def place(self, oldest):
        conn = self.pending_conns.popleft()
        self.poller.modify(conn.sock, selectors.EVENT_READ, worker.partial(self.on_client_socket_readable, conn))
        self.pending_conns.clear()
        self.keepalived_conns.append(conn)


"""


@pytest.mark.parametrize("kind", ["Full", "Kept"])
def test_a_worker_goes_on_where_a_request_comes_on_a_connection_that_has_just_given_way(kind: str) -> None:
    script = f"{_BEGIN}{_FULL}run({kind})"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60, check=False)
    assert done.stdout == b"goes on", done.stderr.decode()


def test_a_worker_takes_as_many_connections_as_before_once_descriptors_are_free_again() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _BEGIN + _SHORT], capture_output=True, timeout=60, check=False
    )
    assert done.stdout == b"as before", done.stderr.decode()


def test_what_wakes_the_loop_writes_nothing_once_that_is_over(tmp_path: Path) -> None:
    """The descriptor that it used is another file's by then."""
    wakeups = _Wakeups()
    wakeups.init()
    wakeups.close()
    with contextlib.ExitStack() as opened:
        for number in range(8):
            opened.enter_context((tmp_path / str(number)).open("wb", buffering=0))
        wakeups.defer(lambda: None)
    assert [(tmp_path / str(number)).read_bytes() for number in range(8)] == [b""] * 8
