"""The HTTP worker by itself, in a process whose descriptors run out."""

import subprocess
import sys

_SCRIPT = """
import os, resource, socket
from gunicorn.config import Config
from gunicorn.glogging import Logger
from xferzone.serve import worker

worker.AGAIN_S = 0.2
listener = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(listener.getsockname())
resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))


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


class App:
    def wsgi(self):
        return None


cfg = Config()
Short(1, os.getppid(), [], App(), 30, cfg, Logger(cfg)).init_process()
"""


def test_a_worker_takes_as_many_connections_as_before_once_descriptors_are_free_again() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT], capture_output=True, timeout=60, check=False)
    assert done.stdout == b"as before", done.stderr.decode()
