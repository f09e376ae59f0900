"""A remote that has moved: what is told, and that the command which is told does what it says."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.live import serving
from tests.transport.servers import answering, status
from xferzone.cli.moved import tell_move
from xferzone.store.remotes import Remote
from xferzone.transport.http import HTTP


@pytest.fixture
def origin(zone: Run, tmp_path: Path) -> Iterator[str]:
    """The URL of a server of ours with example.com, where ann may write and nobody read."""
    assert zone("user", "add", "ann", "gio", "--password-stdin", stdin="pw\n").code == 0
    with serving(tmp_path / "zones.xferzone", "serve") as server:
        yield server.url()


@pytest.mark.interop
def test_the_command_that_is_told_changes_the_url(
    origin: str, zone: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XFERZONE_PASSWORD", "pw")
    with answering(status("308 Permanent Redirect", f"Location: {origin}new/")) as (old, requests):
        done = zone("clone", old.replace("://", "://ann@"), "a clone.xferzone")
        told = f"xferzone -R 'a clone.xferzone' remote add --replace origin {origin.replace('://', '://ann@')}new/"
        assert done.code == 0, done.err
        assert done.err == f"{old} has moved to {origin}new/: `{told}` makes that its URL\n"
        assert len(requests) == 1  # the rounds after the first one went to the new URL at once
        assert zone("-R", "a clone.xferzone", "sync").err == done.err
        assert zone("-R", "a clone.xferzone", "repair").err == ""
        assert len(requests) == 2
        assert zone(*shlex.split(told)[1:]).code == 0
        done = zone("-R", "a clone.xferzone", "sync")
        assert (done.code, done.err) == (0, "")
        assert len(requests) == 2


@pytest.mark.interop
def test_a_temporary_redirect_is_not_told(origin: str, zone: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XFERZONE_PASSWORD", "pw")
    with answering(status("307 Temporary Redirect", f"Location: {origin}")) as (old, _):
        done = zone("clone", old.replace("://", "://ann@"), "c.xferzone")
        assert (done.code, done.err) == (0, "")


@pytest.mark.interop
def test_a_sync_that_fails_tells_of_no_move(origin: str, zone: Run) -> None:
    with answering(status("301 Moved", f"Location: {origin}")) as (old, _):
        done = zone("clone", old.replace("://", "://ann:wrong@"), "c.xferzone")
        assert done.code == 77
        assert "has moved" not in done.err


@pytest.mark.parametrize(
    ("name", "url", "told"),
    [
        (
            "origin",
            "https://h/x;reboot",
            "`xferzone remote add --replace origin 'https://ann@h/x;reboot'` makes",
        ),
        ("-R", "https://h/x`id`$(id)'", "-R 'https://ann@h/x`id`$(id)'\"'\"''` makes that its URL\n"),
        ("", "https://h/x", "has moved to https://h/x: use that URL from now on\n"),
        ("origin", "https://h/x?y=z", "has moved to https://h/x?y=z\n"),
        ("origin", "https://h/\x1b[2J", "has moved to https://h/\ufffd[2J\n"),
        ("origin", "https://h\u202eh/", "has moved to https://h\ufffdh/\n"),
    ],
)
def test_no_command_that_is_told_does_anything_else(
    name: str, url: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    way = HTTP("https://old/")
    way.moved_to = url
    tell_move(Path("zones.xferzone"), Remote(name, "https://ann@old/"), way)
    assert told in capsys.readouterr().err


def test_a_remote_that_has_not_moved_is_not_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    tell_move(Path("zones.xferzone"), Remote("origin", "https://old/"), HTTP("https://old/"))
    assert capsys.readouterr().err == ""
