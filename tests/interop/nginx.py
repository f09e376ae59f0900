"""nginx with deploy/nginx.conf, as an ordinary user, before gunicorn with deploy/gunicorn.conf.py.

with behind_nginx(project, tmp_path) as site:     as `site.directly`; HTTP under /dns/, 4 gunicorn workers
"""

import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tests.interop.site import Site, copied
from tests.live import PATIENCE_S, PROJECT, background, free_port, serving, within

WORKERS = 4
PREFIX = "/dns/"
_NOBODY = 65534
_MAIN = """\
daemon off;
pid {home}/pid;
error_log {home}/error.log info;
worker_processes 2;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {home}/body;
    proxy_temp_path {home}/proxy;
    fastcgi_temp_path {home}/fastcgi;
    scgi_temp_path {home}/scgi;
    uwsgi_temp_path {home}/uwsgi;
    include {home}/site.conf;
}}
"""


@contextlib.contextmanager
def behind_nginx(project: Site, directory: Path) -> Iterator[Site]:
    """A copy of the project, served as an operator would: nginx, gunicorn and `xferzone dns`."""
    own = copied(project, directory)
    with (
        serving(own.repository, "dns") as dns,
        _gunicorn(own.repository) as http,
        nginx(http) as place,
    ):
        yield replace(own, place=f"{place}{PREFIX}", dns=dns.dns)


@contextlib.contextmanager
def _gunicorn(repository: Path) -> Iterator[int]:
    """gunicorn of `repository` with the operator's file; its port."""
    port, log = free_port(), repository.with_name("gunicorn.log")
    argv = [sys.executable, "-m", "gunicorn", "-c", str(PROJECT / "deploy" / "gunicorn.conf.py")]
    env = {
        "PATH": os.environ["PATH"],
        "HOME": "/nonexistent",
        "PYTHONPATH": str(PROJECT),
        "XFERZONE_REPOSITORY": str(repository),
    }
    with background([*argv, "-w", str(WORKERS), "-b", f"127.0.0.1:{port}"], env, log) as process:
        assert within(PATIENCE_S, lambda: log.read_text().count("Booting worker") == WORKERS), log.read_text()
        assert within(PATIENCE_S, lambda: listens(port)), log.read_text()
        yield port
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, log.read_text()
    assert "Traceback" not in log.read_text(), log.read_text()
    assert log.read_text().count("Booting worker") == WORKERS, f"a worker died: {log.read_text()}"


@contextlib.contextmanager
def nginx(upstream: int) -> Iterator[str]:
    """nginx before the HTTP server on port `upstream` of loopback; its own place."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None, "tests/peers.sh installs nginx"
    place = f"127.0.0.1:{free_port()}"
    with tempfile.TemporaryDirectory(prefix="xferzone-nginx-") as name:
        home = Path(name)
        (home / "main.conf").write_text(_MAIN.format(home=home))
        (home / "site.conf").write_text(rendered(place, upstream, home / "cache"))
        argv = [program, "-e", f"{home}/error.log", "-c", f"{home}/main.conf"]
        if os.getuid() == 0:
            os.chown(home, _NOBODY, _NOBODY)
            argv = ["setpriv", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", *argv]
        log = home / "output.log"
        with background(argv, {"PATH": os.environ["PATH"]}, log) as process:
            port = int(place.partition(":")[2])
            assert within(PATIENCE_S, lambda: process.poll() is not None or listens(port)), log.read_text()
            assert process.poll() is None, log.read_text()
            yield place
            process.send_signal(signal.SIGQUIT)
            assert process.wait(PATIENCE_S) == 0, log.read_text()
        # A body that is too large is an error of the client's.
        told = [
            line for line in (home / "error.log").read_text().splitlines() if "too large body" not in line
        ]
        assert not [line for line in told if "[error]" in line or "[crit]" in line], told


def rendered(place: str, upstream: int, cache: Path) -> str:
    """The operator's file, for a place of ours."""
    text = (PROJECT / "deploy" / "nginx.conf").read_text()
    for old, new, count in (
        ("listen 80;", f"listen {place};", 1),
        ("server 127.0.0.1:8080;", f"server 127.0.0.1:{upstream};", 2),
        ("proxy_cache_path /var/cache/nginx/xferzone ", f"proxy_cache_path {cache} ", 1),
    ):
        assert text.count(old) == count, f"deploy/nginx.conf has {old!r} {text.count(old)} times"
        text = text.replace(old, new)
    return text


def listens(port: int) -> bool:
    """Whether somebody takes TCP connections on the port of loopback."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
