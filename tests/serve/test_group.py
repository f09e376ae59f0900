"""The process of the group program: it follows the repository's role while servers run, and one runs it at a time."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.etcds import Running, running
from tests.interop.nodes import Primary
from tests.live import PATIENCE_S, serving, within
from xferzone.refs import membership
from xferzone.refs.consensus import Rules
from xferzone.refs.membership import Membership
from xferzone.store import Store, schema

pytestmark = pytest.mark.interop

SOON_S = 2.0  # in which servers take a new role
LIFE, GROUP = "11" * 16, "22" * 16


@pytest.fixture(scope="module")
def etcd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("etcd")) as etcd:
        yield etcd


@pytest.fixture
def site(tmp_path: Path, etcd: Running) -> "Site":
    return Site(tmp_path / "zones.xferzone", etcd, tmp_path.name)


class Site(Primary):
    """A primary that becomes a member, and what is left of that."""

    def __init__(self, path: Path, etcd: Running, prefix: str) -> None:
        super().__init__(path)
        self.etcd = etcd
        self.share = Membership((etcd.url,), prefix, "ns1", LIFE, GROUP, "http://ns1/", "33" * 32)
        with Store.open(path) as store, store.reader() as reader:
            self.space = self.share.space(reader.project_code)

    def join(self) -> None:
        self.etcd.ctl("put", f"{self.space}group", Rules(GROUP).encode().decode())
        with Store.open(self.path) as store, store.writer() as writer:
            membership.put(writer, self.share)

    def leave(self) -> None:
        with Store.open(self.path) as store, store.writer() as writer:
            writer.set_setting("role", schema.PRIMARY)

    def is_alive(self) -> bool:
        found = json.loads(self.etcd.ctl("get", f"{self.space}alive/ns1", "-w", "json"))
        return bool(found.get("count", 0) == 1)


def test_servers_take_a_new_role_while_they_run(site: Site) -> None:
    with site.up():
        before = site.processes()
        assert "group" not in before
        for _ in range(2):
            site.join()
            assert within(SOON_S, lambda: "group" in site.processes())
            assert within(SOON_S, site.is_alive)
            site.leave()
            assert within(SOON_S, lambda: "group" not in site.processes())
            assert not site.is_alive()
        assert site.processes() == before, "others were replaced"


def test_a_group_program_that_dies_is_started_again_and_one_runs_at_a_time(site: Site) -> None:
    site.join()
    with site.up(), serving(site.path, "serve") as other:
        assert within(PATIENCE_S, site.is_alive)
        first = site.processes()["group"]
        assert len(other.children()) == 2, "the other one's is there, too, and waits"
        os.kill(first, signal.SIGKILL)
        assert within(SOON_S, lambda: site.processes().get("group", first) != first)
        assert within(PATIENCE_S, site.is_alive)
        assert within(PATIENCE_S, lambda: "ended with signal 9" in site.log.read_text())
        assert site.share.secret not in site.log.read_text() + other.log.read_text()


def test_a_reload_replaces_the_group_program_and_the_member_stays_alive(site: Site) -> None:
    site.join()
    with site.up():
        assert within(PATIENCE_S, site.is_alive)
        first = site.processes()["group"]
        assert site.process is not None
        site.process.send_signal(signal.SIGHUP)
        assert within(PATIENCE_S, lambda: site.processes().get("group", first) != first)
        assert within(PATIENCE_S, site.is_alive)


def test_dns_alone_runs_no_group_program(site: Site) -> None:
    site.join()
    with serving(site.path, "dns") as server:
        names = [Path(f"/proc/{pid}/comm").read_text().strip() for pid in server.children()]
        assert "group" not in names
        assert any("dns" in name for name in names)
