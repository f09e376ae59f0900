"""What a verb costs before it does anything: the modules it loads, in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run

#: Each takes 5 to 400 ms to import, and no verb that reads or changes records needs it.
SLOW = {
    "ctypes",
    "difflib",
    "sqlalchemy",
    "alembic",
    "asyncio",
    "rich",
    "falcon",
    "gunicorn",
    "urllib3",
    "prometheus_client",
    "msgspec",
}
VERBS = {
    "set": ["set", "www.example.com.", "300", "A", "192.0.2.9"],
    "show": ["show", "www.example.com."],
    "log": ["log", "example.com"],
    "zone export": ["zone", "export", "example.com"],
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_about_records_loads_nothing_that_is_slow_to_import(
    zone: Run, verb: str, tmp_path: Path
) -> None:
    program = (
        "import sys\n"
        "from xferzone.cli.main import main\n"
        f"sys.argv = ['xferzone', *{VERBS[verb]!r}]\n"
        "try:\n    main()\n"
        "except SystemExit as ended:\n    assert ended.code == 0, ended.code\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert SLOW.isdisjoint(ran.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    "module", ["serve.arbiter", "serve.worker", "dnsd.agent", "dnsd.answerer", "serve.following"]
)
def test_a_server_that_follows_nobody_does_without_a_client_of_http(module: str) -> None:
    program = f"import sys, xferzone.cli.servers, xferzone.{module}; sys.exit('urllib3' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
