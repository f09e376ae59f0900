"""A command line in an empty directory, and one beside a repository that has example.com."""

import io
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import pytest

from tests.etcds import Running, running
from tests.live import Person
from xferzone.cli.main import cli, main

ZONE = """\
$TTL 1h
@    SOA ns1.example.net. hostmaster.example.net. 5 7200 3600 1209600 300
     NS ns1.example.net.
www  300 A 192.0.2.1 ; the web server
; mail goes here
mail A 192.0.2.25
"""


def _verbs(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command)
    found: list[tuple[str, ...]] = []
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        found += _verbs(child, (*path, name))
    return found


EVERY_VERB = _verbs(cli)


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


Run = Callable[..., Ran]


@pytest.fixture
def xz(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line in an empty directory; `stdin` is what it reads."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XFERZONE_USER", "ann")
    monkeypatch.delenv("XFERZONE_REPOSITORY", raising=False)

    def run(*words: str, stdin: str = "") -> Ran:
        monkeypatch.setattr(sys, "argv", ["xferzone", *words])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        capsys.readouterr()
        ours = logging.getLogger("xferzone")
        before = logging.root.handlers[:], logging.root.level, ours.level
        with pytest.raises(SystemExit) as ended:
            main()
        # A server's verb sets the log up for its process, which here goes on with other streams.
        logging.root.handlers[:] = before[0]
        logging.root.setLevel(before[1])
        ours.setLevel(before[2])
        printed = capsys.readouterr()
        assert "Traceback" not in printed.err
        return Ran(int(ended.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def zone(xz: Run, tmp_path: Path) -> Run:
    """The same, beside a repository that has example.com."""
    (tmp_path / "example.com.zone").write_text(ZONE)
    assert xz("init").code == 0
    assert xz("zone", "add", "example.com", "--from", "example.com.zone").code == 0
    return xz


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "etcd") as found:
        yield found


@pytest.fixture
def ann(tmp_path: Path) -> Person:
    return Person(tmp_path / "ann", "ann")
