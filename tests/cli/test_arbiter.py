"""The HTTP server's settings: gunicorn takes them, and the operator's file says the same."""

import runpy
from pathlib import Path

from xferzone.cli.arbiter import SETTINGS, Server

PROJECT = Path(__file__).resolve().parent.parent.parent

# What an operator who runs gunicorn by himself has to say, or may say differently.
HIS_OWN = {"wsgi_app", "bind", "workers", "graceful_timeout"}


def test_the_operators_file_repeats_the_settings() -> None:
    file = runpy.run_path(str(PROJECT / "deploy" / "gunicorn.conf.py"))
    stated = {name: value for name, value in file.items() if not name.startswith("_") and name != "os"}
    assert stated.keys() == SETTINGS.keys() | HIS_OWN
    assert {name: value for name, value in stated.items() if name not in HIS_OWN} == {
        name: value for name, value in SETTINGS.items() if name not in HIS_OWN
    }


def test_gunicorn_takes_them(tmp_path: Path) -> None:
    server = Server(tmp_path / "zones.xferzone", "[::1]:8080", 3)
    assert server.cfg.worker_class_str == "gthread"
    assert server.cfg.address == [("::1", 8080)]
    assert server.cfg.workers == 3
    assert server.cfg.control_socket_disable is True
