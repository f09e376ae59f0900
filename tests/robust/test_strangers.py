"""Strangers attack: whoever has logged in pushes and pulls as before, pages and DNS are answered, disk and memory last.

Every attack comes from the address of those who watch: what tells them apart is that their logins hold.
"""

import contextlib
import random
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.robust.site import LOGIN, PULL, PUSH, ask, begun, by_ops, made
from tests.robust.watchers import Place, Site, besieged, http_workers, watched
from xferzone.cards import Error, File
from xferzone.cards.body import COMPRESSED, UNCOMPRESSED, pack
from xferzone.exchange.entrance import CUT
from xferzone.hashing import artifact_id
from xferzone.web.limits import FOR_SMALL, MAX_HELD

pytestmark = [pytest.mark.interop, pytest.mark.alone]

LASTS_S = 2.0  # of each attack
FALSE = f"login {LOGIN} {'0' * 40} {'0' * 40}\n".encode()
MIB = 1024 * 1024


def request(place: Place, body: bytes, content_type: str = COMPRESSED, length: int | None = None) -> bytes:
    announced = len(body) if length is None else length
    head = (
        f"POST {place.path} HTTP/1.0\r\nContent-Type: {content_type}\r\nContent-Length: {announced}\r\n\r\n"
    )
    return head.encode() + body


def connected(place: Place) -> socket.socket:
    return socket.create_connection((place.host, place.http), timeout=60)


def at_once(number: int, each: Callable[[int], None]) -> None:
    """Run `each` in that many threads; a server that hangs up on an attacker is right."""

    def run(at: int) -> None:
        with contextlib.suppress(OSError):
            each(at)

    threads = [threading.Thread(target=run, args=(at,)) for at in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def flood(site: Site, number: int, bodies: list[bytes]) -> None:
    """Whole requests, again and again."""
    end = time.monotonic() + LASTS_S

    def go(at: int) -> None:
        while time.monotonic() < end:
            with connected(site.place) as connection:
                connection.sendall(request(site.place, bodies[at % len(bodies)]))
                while connection.recv(65_536):
                    pass

    at_once(number, go)


def blank_lines(site: Site) -> None:
    flood(site, 50, [pack(b"\n" * 990_000), pack(FALSE + b"\n" * 990_000)])


def lines_without_end(site: Site) -> None:
    kinds = [b"pragma x\n", b"cookie x\n", b"reqconfig /all\n", b"uvgimme x\n", b"gimme %s\n" % (b"a" * 64)]
    flood(site, 12, [pack(kind * 900_000, level=1) for kind in kinds] + [pack(FALSE + kinds[0] * 900_000)])


def bodies_without_end(site: Site) -> None:
    """More than there are places, each with another octet now and then."""
    first = [b"\0\1\0\0rubbish", pack(FALSE + random.Random(1).randbytes(1000))[:900]]
    begin = [request(site.place, each, length=MIB) for each in first]
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connected(site.place)) for _ in range(120)]
        for number, connection in enumerate(slow):
            connection.sendall(begin[number % 2])
        end = time.monotonic() + LASTS_S
        while time.monotonic() < end:
            time.sleep(0.3)
            for connection in slow:
                with contextlib.suppress(OSError):
                    connection.sendall(b"y")


def connections_without_end(site: Site) -> None:
    """Bodies that no page reads, and replies after which nobody hangs up."""
    path = site.place.path.encode()
    asked = [
        b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nx" % path,
        b"GET %s HTTP/1.0\r\n\r\n" % path,
    ]
    with contextlib.ExitStack() as stack:
        for number in range(240):
            stack.enter_context(connected(site.place)).sendall(asked[number % 2])
        time.sleep(LASTS_S)


def large_bodies_without_end(site: Site) -> None:
    """64 MiB announced and nearly sent, by nobody and by one who says to be somebody."""
    blob = bytes(MIB)
    end = time.monotonic() + LASTS_S

    def go(number: int) -> None:
        with connected(site.place) as connection:
            connection.sendall(request(site.place, FALSE * (number % 2), UNCOMPRESSED, 64 * MIB))
            for _ in range(60):
                if time.monotonic() > end:
                    break
                connection.sendall(blob)
            time.sleep(max(0.0, end - time.monotonic()))

    largest, over = 0, threading.Event()

    def look() -> None:
        nonlocal largest
        while not over.wait(0.02):
            largest = max(largest, on_disk(site))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        at_once(12, go)
    finally:
        over.set()
        looking.join()
    assert MIB < largest <= MAX_HELD + 2 * FOR_SMALL, f"{largest} bytes of strangers on disk"


def on_disk(site: Site) -> int:
    """Bytes of the files without a name that the workers have open."""
    total = 0
    for worker in http_workers(site.server):
        for entry in Path(f"/proc/{worker}/fd").iterdir():
            with contextlib.suppress(OSError):
                if "/#" in str(entry.readlink()):
                    total += entry.stat().st_blocks * 512
    return total


ATTACKS = (
    blank_lines,
    lines_without_end,
    bodies_without_end,
    connections_without_end,
    large_bodies_without_end,
)


@pytest.fixture(params=["", "nginx"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    with besieged(made(tmp_path / "z.xferzone"), behind=request.param) as site:
        yield site


def test_beside_attacks_of_strangers_nobody_is_refused_or_waits(site: Site) -> None:
    for attack in ATTACKS:
        with watched(site) as watch:
            attack(site)
        print(f"{attack.__name__}: {watch}")
        watch.assert_fair()


@pytest.mark.parametrize("behind", ["", "nginx"])
def test_with_few_descriptors_connections_are_bounded_and_the_log_has_a_line(
    tmp_path: Path, behind: str
) -> None:
    with besieged(made(tmp_path / "z.xferzone"), behind=behind, files=64) as site:
        with watched(site) as watch, contextlib.ExitStack() as stack:
            for port in (site.place.http, site.place.dns):
                for _ in range(150):
                    connection = socket.create_connection((site.place.host, port), timeout=60)
                    stack.enter_context(connection).sendall(b"P")
            time.sleep(LASTS_S)
        watch.assert_fair()
        assert not isinstance(ask(site.server, by_ops(PULL))[0], Error)
        log = site.server.log.read_text()
    assert "Traceback" not in log
    assert (
        3 <= log.count("outcome=bounded") <= 6
    )  # a line for each worker and the agent at the start, and one later


def test_what_stock_says_to_a_stranger_is_answered_as_ever_and_the_rest_is_cut(tmp_path: Path) -> None:
    content = b"x" * 200_000
    with besieged(made(tmp_path / "z.xferzone")) as site:
        for body, told in [
            (PULL + b"igot %s\n" % (b"a" * 64) * 5_000, "not authorized to read"),
            (PUSH + File(artifact_id(content), content).encode(), "not authorized to write"),
            (b"# nothing\n" * 301, CUT),
            (b"#" * 65_537, CUT),
            (b"login nosuch 0 0\n" + content, "login failed"),
            (FALSE + content, "login failed"),
            (b"# nothing\n" * 300, ""),
        ]:
            answered = ask(site.server, body)
            assert [card.text for card in answered if isinstance(card, Error)] == [told] * bool(told)


def test_whoever_gives_way_is_told(tmp_path: Path) -> None:
    with besieged(made(tmp_path / "z.xferzone")) as site, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(begun(site.server, by_ops(PULL), 10)) for _ in range(120)]
        answered, _, _ = select.select(slow, [], [], 60)
        assert answered
        told = b"".join(iter(lambda: answered[0].recv(1000), b""))
        assert b"error the\\srepository\\sis\\sbusy:\\stry\\sagain\n" in told
