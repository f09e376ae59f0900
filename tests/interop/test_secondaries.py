"""named, knotd and nsd follow us: by AXFR and IXFR, told by NOTIFY, with and without TSIG.

`make soak` does the same with a million records (tests/scale/secondaries.py).
"""

import contextlib
from pathlib import Path

import pytest

from tests.interop import secondaries
from tests.interop.followed import OTHER, ZONE, World, course, forms, transfers
from tests.live import free_port, serving, within

pytestmark = pytest.mark.interop

RECORDS = 2_000
SOON_S = 15.0
PATIENCE_S = 30.0  # of a machine that does much else; on a quiet one they are in step within 2 s


@pytest.mark.parametrize("signed", [False, True], ids=["bare", "signed"])
def test_three_secondaries_stay_in_step(tmp_path: Path, signed: bool) -> None:
    world = World(tmp_path, RECORDS, signed, PATIENCE_S)
    world.add(ZONE, RECORDS)
    with world.running() as server:
        signed_soa = ("-y", f"hmac-sha256:{secondaries.KEY}:{secondaries.SECRET}") if signed else ()
        by_udp = [
            server.dig_all(ZONE, "SOA", *signed_soa),
            server.dig_all(ZONE, "IXFR=7", "+notcp", *signed_soa),
        ]
        assert ("TSIG PSEUDOSECTION" in by_udp[0]) == signed
        assert all("IN\tSOA\t" in said and "verify" not in said for said in by_udp)
        course(world, server, many=100, burst=200)


def test_a_zone_added_at_run_time_is_served_told_and_transferred_at_once(tmp_path: Path) -> None:
    """Within a second on a quiet machine; what `in_step` prints says how long it took."""
    world = World(tmp_path, RECORDS, signed=True, patience_s=SOON_S)
    world.add(ZONE, 10)
    with world.running() as server:
        world.in_step(server, "the first zone")
        processes = server.children()
        assert world.named_rests(OTHER)
        world.add(OTHER, 20)
        assert within(SOON_S, lambda: server.dig(f"host7.{OTHER}") == ["10.0.0.7"])
        world.in_step(server, "the second zone", OTHER)
        targets = {f"127.0.0.1:{port}" for port in world.places.values()}
        assert within(SOON_S, lambda: _told(server.log.read_text()) == targets)
        assert len(transfers(server.log.read_text(), OTHER)) >= len(world.places)
        assert server.children() == processes


def test_secondaries_go_on_across_a_rollover(tmp_path: Path) -> None:
    """By IXFR who had the last serial; who lags by AXFR, for the new project does not know the versions before."""
    world, port = World(tmp_path, RECORDS, signed=True, patience_s=PATIENCE_S), free_port()
    world.add(ZONE, RECORDS)
    with contextlib.ExitStack() as stack:
        with serving(world.repository, "dns", dns=port) as server:
            stack.enter_context(world.following(port))
            world.commits(3)
            world.in_step(server, "the old project")
        served = world.serial()
        world.roll_over()
        assert world.serial() == served
        with serving(world.repository, "dns", dns=port) as server:
            world.in_step(server, "a rollover")
            world.commits(1)
            world.in_step(server, "a commit to the new project")
            assert world.serial() == served + 1
            sent = forms(server)
            assert sent.count("ixfr") == len(world.places), sent
            assert sent.count("axfr") == 2, "by `in_step` alone, which looks twice"
        world.commits(2)  # which no secondary hears of
        served = world.serial()
        world.roll_over()
        with serving(world.repository, "dns", dns=port) as server:
            world.in_step(server, "a rollover while they lag")
            assert world.serial() == served
            assert forms(server).count("axfr") == 1 + len(world.places), forms(server)
            told = len(server.log.read_text())
            world.commits(1)
            world.in_step(server, "a commit after that")
            assert forms(server, told).count("ixfr") == len(world.places)


def _told(log: str) -> set[str]:
    """The targets that have acknowledged OTHER."""
    mark = f" outcome=acknowledged zone={OTHER} target="
    return {line.split(mark)[1].split()[0] for line in log.splitlines() if mark in line}
