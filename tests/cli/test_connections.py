"""How many connections a command takes."""

from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.live import serving
from tests.transport.servers import relayed

pytestmark = pytest.mark.interop


def _requests(connections: list[bytes]) -> list[int]:
    return [each.count(b"POST / HTTP/1.1\r\n") for each in connections]


def test_a_clone_of_ours_takes_two_connections_and_each_sync_one(
    zone: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert zone("user", "add", "ann", "gio", "--password-stdin", stdin="pw\n").code == 0
    monkeypatch.setenv("XFERZONE_PASSWORD", "pw")
    with (
        serving(tmp_path / "zones.xferzone", "serve") as server,
        relayed(server.url()) as (url, connections),
    ):
        assert zone("clone", url.replace("://", "://ann@"), "c.xferzone").code == 0
        cloned = _requests(connections)
        assert cloned[0] == 1  # nothing is known of the server before
        assert len(cloned) == 2
        assert cloned[1] > 1
        assert zone("-R", "c.xferzone", "add", "www.example.com", "A", "192.0.2.9").code == 0
        assert zone("-R", "c.xferzone", "sync").code == 0
        assert len(connections) == 3
        assert b"Connection: close" in connections[0]
        assert all(b"Connection: close" not in each for each in connections[1:])
