"""What an operator watches: counters over all processes, readiness with DNS, one log line a publication."""

import json
import os
import re
import signal
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.cli.test_up import ZONE, descendants, none_alive, role, xferzone
from tests.live import PATIENCE_S, Server, serving, within
from tests.serve.test_signals import configure, reloaded

pytestmark = pytest.mark.interop

READY_S = 30.0  # a hung process is killed after 5 s, and another one starts


def page(server: Server, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(server.url(path=path), timeout=PATIENCE_S) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as exc:
        with exc:
            return exc.code, exc.read().decode()
    except OSError:  # nobody is there, or he ends just now
        return 0, ""


def metrics(server: Server) -> dict[str, float]:
    """The samples of /metrics by name and labels."""
    text = page(server, "/metrics")[1]
    return {found[1]: float(found[2]) for found in re.finditer(r"^([^#]\S*) (\S+)$", text, re.MULTILINE)}


def clone_request(server: Server) -> None:
    asked = urllib.request.Request(
        server.url(), b"clone 3 1\n", {"Content-Type": "application/x-fossil-debug"}
    )
    urllib.request.urlopen(asked, timeout=PATIENCE_S).close()


def test_counters_are_sums_over_all_processes_and_survive_reloads_and_kills(repository: Path) -> None:
    configure(repository, "[http]\nworkers = 3\n[dns]\nworkers = 3\n")
    with serving(repository) as server:
        for times in range(1, 4):
            with ThreadPoolExecutor(6) as pool:
                list(pool.map(lambda _: clone_request(server), range(10)))
                list(pool.map(lambda _: server.dig("www.example.com"), range(6)))
                list(pool.map(lambda _: server.dig("www.example.com", "AAAA", "+tcp"), range(4)))
                list(pool.map(lambda _: server.dig("none.example.com", "MX"), range(2)))
            expected = {
                'xferzone_xfer_rounds_total{kind="clone",outcome="error"}': 10,
                'xferzone_xfer_seconds_count{kind="clone"}': 10,
                'xferzone_dns_questions_total{type="A",protocol="udp"}': 6,
                'xferzone_dns_questions_total{type="AAAA",protocol="tcp"}': 4,
                'xferzone_dns_answers_total{rcode="NOERROR",protocol="udp"}': 6,
                'xferzone_dns_answers_total{rcode="NXDOMAIN",protocol="udp"}': 2,
            }
            for _ in range(6):  # whichever worker answers
                found = metrics(server)
                # serving() has asked once whether DNS answers, by UDP.
                assert {name: found[name] for name in expected} == {
                    name: times * number for name, number in expected.items()
                }
            if times == 1:
                killed = {pid for pid in server.children() if role(pid) in ("answerer", "arbiter")}
                killed |= {worker for pid in killed for worker in descendants(pid)}
                for pid in killed:
                    os.kill(pid, signal.SIGKILL)
                assert within(READY_S, partial(none_alive, killed))
                assert within(READY_S, lambda: page(server, "/readyz")[0] == 200)
            else:
                server.process.send_signal(signal.SIGHUP)
                assert within(PATIENCE_S, partial(reloaded, server, times - 1))


def test_ready_covers_the_dns_beside_it(repository: Path) -> None:
    with serving(repository, "up") as server:
        assert within(READY_S, lambda: page(server, "/readyz")[0] == 200)
        assert json.loads(page(server, "/readyz")[1])["checks"]["dns"] == "ok"
        for part in ("agent", "answerer"):
            pid = next(pid for pid in server.children() if role(pid) == part)
            os.kill(pid, signal.SIGSTOP)
            assert within(READY_S, lambda: page(server, "/readyz")[0] == 503)
            # The supervisor kills what hangs; then all is well again.
            assert within(READY_S, lambda: page(server, "/readyz")[0] == 200)
        assert "has said nothing" in server.log.read_text()
    with serving(repository, "serve") as server:
        assert "dns" not in json.loads(page(server, "/readyz")[1])["checks"]


def test_zones_are_told_with_serial_and_age(repository: Path) -> None:
    xferzone(repository, "zone", "add", "example.net", "--from", "-", stdin=ZONE)
    xferzone(repository, "branch", "example.com", "next")
    xferzone(repository, "set", "www.example.com", "A", "192.0.2.99")
    with serving(repository) as server:
        assert within(READY_S, lambda: page(server, "/readyz")[0] == 200)
        found = metrics(server)
        assert found['xferzone_zone_serial{zone="example.com"}'] == 2
        assert found['xferzone_zone_serial{zone="example.net"}'] == 1
        assert 0 <= found['xferzone_zone_age_seconds{zone="example.com"}'] < PATIENCE_S
        assert found["xferzone_dns_zones"] == 2
        assert found["xferzone_refs_published"] == 3
        xferzone(repository, "zone", "remove", "example.net")
        assert within(PATIENCE_S, lambda: metrics(server)["xferzone_dns_zones"] == 1)
        assert 'xferzone_zone_serial{zone="example.net"}' not in metrics(server)


@pytest.mark.parametrize("verb", ["up", "serve", "dns"])
def test_each_publication_is_one_line_whatever_its_door(repository: Path, verb: str) -> None:
    configure(repository, "[http]\nworkers = 3\n")
    with serving(repository, verb) as server:
        for serial in range(2, 6):
            xferzone(repository, "set", "www.example.com", "A", f"192.0.2.{serial}")
            if serial == 3:
                server.process.send_signal(signal.SIGHUP)
                assert within(PATIENCE_S, lambda: reloaded(server, 1))

        def lines() -> list[str]:
            return re.findall(r"INFO publication (.*)", server.log.read_text())

        assert within(PATIENCE_S, lambda: len(lines()) == 4)
        for serial, line in enumerate(lines(), 2):
            assert re.fullmatch(
                rf"zone=example\.com branch=main serial={serial} checkin=[0-9a-f]{{16}} login=ops door=cli",
                line,
            )


def test_a_push_is_logged_with_its_door_and_login(repository: Path) -> None:
    xferzone(repository, "user", "add", "ann", "gio", "--password-stdin", stdin="pw-ann\n")
    with serving(repository, "serve") as server:
        other = repository.with_name("c.xferzone")
        xferzone(other, "clone", server.url("ann", "pw-ann"))
        xferzone(other, "set", "www.example.com", "A", "192.0.2.7")
        xferzone(other, "push", server.url("ann", "pw-ann"))
        told = "publication zone=example.com branch=main serial=2 "
        assert server.told(told)
        assert server.told("login=ann door=push")
