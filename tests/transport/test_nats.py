"""A repository behind a real nats-server, as a client sees it: what is taken, what is refused, what gets lost."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from nats.aio.msg import Msg

from tests import natses
from tests.live import PATIENCE_S
from tests.natses import Answer, Running, answering
from xferzone.errors import PeerError, UsageError
from xferzone.transport import Body
from xferzone.transport.base import MAX_HEADERS, OURS, ZSTD
from xferzone.transport.nats import NATS, WORKING, Announced, Login
from xferzone.transport.ways import way_to

pytestmark = pytest.mark.interop

SUBJECT = "xferzone.zones.a"
TYPE = "application/x-fossil"
BODY = {"Content-Type": TYPE, OURS: "1"}


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Running]:
    with natses.running(tmp_path / "nats", max_payload=65_536) as running:
        yield running


def asked(way: NATS, octets: bytes = b"the request", *, coding: str = "") -> tuple[str, str, bytes]:
    """Content type, coding and octets of the reply."""
    with way.exchange(Body.of(TYPE, octets, coding, takes_zstd=True)) as reply:
        return reply.content_type, reply.coding, reply.octets.read()


def test_bodies_travel_with_their_type_and_codings(server: Running) -> None:
    came: list[tuple[dict[str, str], bytes]] = []

    def answer(message: Msg) -> list[tuple[dict[str, str], bytes]]:
        came.append((dict(message.headers or {}), message.data))
        return [({**BODY, "Content-Encoding": ZSTD}, b"four and more")]

    with answering(server, SUBJECT, answer), NATS(server.url(SUBJECT)) as way:
        assert asked(way, coding=ZSTD) == (TYPE, ZSTD, b"four and more")
        assert asked(way) == (TYPE, ZSTD, b"four and more")
    coded = {"Content-Type": TYPE, "Content-Encoding": ZSTD, "Accept-Encoding": ZSTD}
    assert came[0] == (coded, b"the request")
    assert came[1] == ({"Content-Type": TYPE, "Accept-Encoding": ZSTD}, b"the request")


def test_signs_of_work_are_waited_through(server: Running) -> None:
    work: list[tuple[dict[str, str], bytes]] = [({WORKING: "1"}, b"")] * 5
    with (
        answering(server, SUBJECT, lambda _message: [*work, (BODY, b"at last")]),
        NATS(server.url(SUBJECT)) as way,
    ):
        assert asked(way)[2] == b"at last"


ODD: dict[str, tuple[Answer, str]] = {
    "silence": (lambda _message: [], "has said nothing for"),
    "another program": (lambda _message: [({"Content-Type": TYPE}, b"hello")], "is not a repository"),
    "an odd coding": (lambda _message: [({**BODY, "Content-Encoding": "br"}, b"")], "in br"),
}


@pytest.mark.parametrize("case", ODD)
def test_what_is_no_reply_is_an_error_that_names_the_url(server: Running, case: str) -> None:
    answer, said = ODD[case]
    url = server.url(SUBJECT)
    with (
        answering(server, SUBJECT, answer),
        NATS(url, silence_s=0.5) as way,
        pytest.raises(PeerError, match=said),
    ):
        asked(way)


def test_a_subject_on_which_nobody_listens(server: Running) -> None:
    with NATS(server.url(SUBJECT)) as way, pytest.raises(PeerError, match="nobody answers on this subject"):
        asked(way)


def test_a_request_is_never_larger_than_max_payload(server: Running) -> None:
    with answering(server, SUBJECT, lambda message: [(BODY, message.data)]), NATS(server.url(SUBJECT)) as way:
        assert way.max_payload == 65_536
        most = b"x" * (65_536 - MAX_HEADERS)
        assert asked(way, most)[2] == most
        with pytest.raises(PeerError, match="max_payload of 65536"):
            asked(way, most + b"x")
        assert asked(way)[2] == b"the request"


def test_a_server_that_goes_away_before_the_reply_is_an_error_at_once(
    server: Running, tmp_path: Path
) -> None:
    came = threading.Event()

    def answer(_message: Msg) -> list[tuple[dict[str, str], bytes]]:
        came.set()
        return []

    found: list[Exception] = []
    url = server.url(SUBJECT)
    with answering(server, SUBJECT, answer), NATS(url) as way:

        def ask() -> None:
            try:
                asked(way)
            except PeerError as exc:
                found.append(exc)

        thread = threading.Thread(target=ask)
        thread.start()
        assert came.wait(PATIENCE_S)
        server.process.kill()
        thread.join(PATIENCE_S)
        assert "lost" in str(found[0])
        server.process.wait(PATIENCE_S)
        with pytest.raises(PeerError, match="cannot be reached"):
            asked(way)
        with (
            natses.running(tmp_path / "again", port=server.port) as again,
            answering(again, SUBJECT, lambda message: [(BODY, message.data)]),
        ):
            assert asked(way)[2] == b"the request"


def test_the_account_at_the_server(tmp_path: Path) -> None:
    with natses.running(tmp_path / "nats", account=("dns", "secret")) as server:
        url = server.url(SUBJECT)
        with (
            NATS(url, Login("dns", "guess")) as way,
            pytest.raises(PeerError, match=r"(?i)cannot be reached: .*authorization"),
        ):
            asked(way)
        with NATS(url) as way, pytest.raises(PeerError, match="cannot be reached"):
            asked(way)
        with NATS(url, Login("dns", "secret")) as way, pytest.raises(PeerError, match="nobody answers"):
            asked(way)


def test_news_are_heard_and_listening_goes_on_after_an_outage(server: Running, tmp_path: Path) -> None:
    came = threading.Semaphore(0)
    announced = Announced(server.url(SUBJECT), None, came.release)
    try:
        announced.listen()
        announced.listen()  # once is enough
        _publish(server, "xferzone.zones.news")
        assert came.acquire(timeout=PATIENCE_S)
        server.process.kill()
        server.process.wait(PATIENCE_S)
        with natses.running(tmp_path / "again", port=server.port) as again:
            announced.listen()
            _publish(again, "xferzone.zones.news")
            assert came.acquire(timeout=PATIENCE_S)
    finally:
        announced.close()
    assert not came.acquire(blocking=False)


def _publish(server: Running, subject: str) -> None:
    code = (
        "import asyncio, nats, sys\n"
        "async def go():\n"
        "    c = await nats.connect(sys.argv[1])\n"
        "    await c.publish(sys.argv[2], b'')\n"
        "    await c.drain()\n"
        "asyncio.run(go())\n"
    )
    subprocess.run(
        [sys.executable, "-c", code, server.url("").rstrip("/"), subject], check=True, timeout=PATIENCE_S
    )


def test_without_the_extra_the_error_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nats", None)
    with pytest.raises(UsageError, match=r"pip install xferzone\[nats\]"):
        way_to("nats://127.0.0.1:4222/xferzone.zones.a", with_login=False)


def test_who_uses_no_nats_never_loads_it() -> None:
    code = (
        "import sys, xferzone.cli.main, xferzone.cli.servers, xferzone.cli.cloned, xferzone.cli.pull\n"
        "import xferzone.cli.remotes, xferzone.cli.repair, xferzone.serve.arbiter\n"
        "assert 'nats' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE_S)
