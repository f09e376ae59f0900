"""What people see on a terminal: columns and colours; what programs read through a pipe has neither."""

import os
import pty
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import ZONE, Run
from tests.cli.test_up import xferzone
from tests.live import PATIENCE_S, PROJECT, XFERZONE

_COLOUR = re.compile("\x1b\\[[0-9;]*m")


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("terminal") / "zones.xferzone"
    xferzone(path, "init")
    for name in ("example.com", "long-name.example.net"):
        xferzone(path, "zone", "add", name, "--from", "-", stdin=ZONE)
    xferzone(path, "set", "www.example.com", "A", "192.0.2.7")
    xferzone(path, "remote", "add", "b", "http://dns.example.net/")
    xferzone(path, "remote", "add", "backup", "http://backup.example.net/")
    xferzone(path, "tag", "example.com", "v1")
    return path


def on_terminal(repository: Path, *words: str, **more: str) -> str:
    """What a verb writes on a terminal."""
    ours, theirs = pty.openpty()
    others = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    env = {**others, "HOME": str(repository.parent), "PYTHONPATH": str(PROJECT), "TERM": "xterm", **more}
    argv = [*XFERZONE, "-R", str(repository), *words]
    try:
        with subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=theirs) as process:
            os.close(theirs)
            written = b"".join(_read(ours))
            assert process.wait(PATIENCE_S) == 0
    finally:
        os.close(ours)
    return written.decode().replace("\r\n", "\n")


def _read(terminal: int) -> Iterator[bytes]:
    while True:
        try:
            octets = os.read(terminal, 4096)
        except OSError:  # the other end is closed
            return
        if not octets:
            return
        yield octets


LISTS = [
    ("zone", "list"),
    ("branch",),
    ("tag",),
    ("log",),
    ("log", "-p"),
    ("reflog", "example.com"),
    ("remote", "list"),
    ("user", "list"),
    ("blame", "example.com"),
    ("show", "mail.example.com"),
    ("show", "example.com/main"),
    ("diff", "example.com"),
]


@pytest.mark.parametrize("words", LISTS, ids=" ".join)
def test_a_terminal_and_a_pipe_are_told_the_same_words(repository: Path, words: tuple[str, ...]) -> None:
    piped = xferzone(repository, *words).out
    assert "\x1b" not in piped
    assert not re.search(r"\S  +\S", piped), "a pipe has no columns"
    shown = _COLOUR.sub("", on_terminal(repository, *words))
    assert [line.split() for line in shown.splitlines()] == [line.split() for line in piped.splitlines()]


@pytest.mark.parametrize("words", [("zone", "list"), ("branch",), ("log",), ("remote", "list")], ids=" ".join)
def test_columns_line_up(repository: Path, words: tuple[str, ...]) -> None:
    lines = _COLOUR.sub("", on_terminal(repository, *words)).splitlines()
    column = {"zone": 1, "branch": 1, "log": 3, "remote": 1}[words[0]]
    starts = {[word.start() for word in re.finditer(r"\S+", line)][column] for line in lines}
    assert len(starts) == 1, lines


def test_ids_and_differences_have_colours_unless_somebody_wants_none(repository: Path) -> None:
    shown = on_terminal(repository, "log", "-p", "-n", "1", "example.com")
    assert re.search("\x1b\\[33m[0-9a-f]{16}\x1b\\[0m", shown)
    assert "\x1b[31m-www 300 A 192.0.2.1\x1b[0m" in shown
    assert "\x1b[32m+www 300 A 192.0.2.7\x1b[0m" in shown
    for more in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in on_terminal(repository, "log", "-p", **more)


def test_a_patch_has_the_changes_of_each_checkin(zone: Run) -> None:
    zone("set", "www.example.com", "A", "192.0.2.7")
    zone("set", "mail.example.com", "A", "192.0.2.26")
    lines = zone("log", "-p", "example.com").out.splitlines()
    assert [line for line in lines if line[0] in "+-"][:4] == [
        "-mail 3600 A 192.0.2.25",
        "+mail 3600 A 192.0.2.26",
        "-www 300 A 192.0.2.1",
        "+www 300 A 192.0.2.7",
    ]
    lines = zone("log", "-p", "example.com", "www.example.com").out.splitlines()
    assert [line for line in lines if line[0] in "+-"] == [
        "-www 300 A 192.0.2.1",
        "+www 300 A 192.0.2.7",
        "+www 300 A 192.0.2.1",
    ]


def test_a_checkin_is_shown_by_its_id_or_its_place(zone: Run) -> None:
    zone("set", "www.example.com", "A", "192.0.2.7", "-m", "a new rack")
    id_ = zone("log", "-n", "1").out.split()[2]
    shown = zone("show", id_)
    assert shown.code == 0
    for word in (id_[:6], "example.com/main", "example.com/main~0"):
        assert zone("show", word).out == shown.out
    lines = shown.out.splitlines()
    assert zone("show", lines[0].split()[1]).out == shown.out  # the whole id is longer than a label
    assert lines[0].startswith(f"check-in: {id_}")
    assert lines[1:3] == ["branch: example.com/main", "serial: 6"]
    assert "comment: a new rack" in lines
    assert "author: ann" in lines
    assert "state: served" in lines
    assert lines[-2:] == ["-www 300 A 192.0.2.1", "+www 300 A 192.0.2.7"]
    assert zone("show", "www.example.com").out == "www.example.com. 300 A 192.0.2.7\n"


def test_an_id_that_nothing_has_is_said_to_be_none(zone: Run) -> None:
    failed = zone("show", "0123456789abcdef")
    assert failed.code == 5
    assert "no check-in here has an id that begins with 0123456789abcdef" in failed.err


STEERING = "\x1b]0;title\x07\x1b[2J\x9b31m\u202e\u2066\u061c\x08\x7f\r"
NASTY = f"""\
$TTL 1h
@ SOA ns1.example.net. hostmaster.example.net. 5 7200 3600 1209600 300
  NS ns1.example.net.
www A 192.0.2.1 ; {STEERING.strip()}look
"""
VERBS = [
    ("zone", "export", "nasty.example"), ("zone", "export", "nasty.example", "--at", "main~1"),
    ("log", "nasty.example"),
    ("log", "-p", "nasty.example"), ("show", "www.nasty.example"), ("show", "nasty.example/main"),
    ("diff", "nasty.example"), ("diff", "nasty.example", "main~1", "main"), ("blame", "nasty.example"),
    ("branch", "nasty.example"), ("tag", "nasty.example"), ("reflog", "nasty.example"), ("zone", "list"), ("status",),
    ("user", "list"), ("remote", "list"), ("stats",), ("log", "nasty.example", "--format", "json"),
    ("zone", "export", "nasty.example", "--format", "json"),
]  # fmt: skip


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with steering characters wherever somebody else may write them."""
    path = tmp_path_factory.mktemp("nasty") / "zones.xferzone"
    xferzone(path, "init")
    xferzone(path, "zone", "add", "nasty.example", "--from", "-", stdin=NASTY)
    xferzone(
        path, "set", "mail.nasty.example", "A", "192.0.2.7", "--as", f"a{STEERING}b", "-m", f"c{STEERING}d"
    )
    xferzone(path, "tag", "nasty.example", "v\u202e1")
    return path


@pytest.mark.parametrize("words", VERBS, ids=" ".join)
def test_nothing_that_somebody_else_wrote_steers_a_terminal(nasty: Path, words: tuple[str, ...]) -> None:
    shown = _COLOUR.sub("", on_terminal(nasty, *words))
    steering = "[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u202a-\u202e\u2066-\u2069]"
    assert not re.search(steering, shown), repr(shown)
    assert shown.strip() or words[0] in ("remote",)


@pytest.mark.parametrize("words", [("log", "-p"), ("zone", "export", "example.com")], ids=" ".join)
def test_only_our_own_colours_reach_a_terminal(tmp_path: Path, words: tuple[str, ...]) -> None:
    path = tmp_path / "zones.xferzone"
    xferzone(path, "init")
    xferzone(path, "zone", "add", "example.com", "--from", "-", stdin=f"{ZONE}; \x1b[37mhidden\x1b[0m\n")
    xferzone(path, "set", "mail.example.com", "A", "192.0.2.7", "-m", "\x1b[37mwhite on white")
    shown = on_terminal(path, *words)
    assert "\ufffd[37m" in shown
    assert "\x1b[37m" not in shown
    assert ("\x1b[32m+mail" in shown) == (words[0] == "log")


def test_a_zone_is_exported_as_it_is_through_a_pipe(nasty: Path) -> None:
    piped = subprocess.run(
        [*XFERZONE, "-R", nasty, "zone", "export", "nasty.example"],
        check=True,
        stdout=subprocess.PIPE,
        cwd=PROJECT,
    )
    assert "\u202e".encode() in piped.stdout
    assert b"\x1b]0;" in piped.stdout
    assert "\ufffd".encode() not in piped.stdout
