"""The group program of members that are served: they are alike soon, whatever was away meanwhile."""

import json
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import dns.message
import dns.opcode
import pytest

from tests.etcds import Running, restored, running
from tests.exchange.group.served import Served, made
from tests.interop.nodes import LOGIN, PASSWORD, Primary, same
from tests.live import PATIENCE_S, dig, free_port, within
from xferzone.errors import Away, OnHold
from xferzone.hashing import ArtifactId
from xferzone.refs import membership
from xferzone.store import Store, accounts, schema

pytestmark = pytest.mark.interop

SOON_S = 2.0  # in which a change is everywhere


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "etcd") as etcd:
        yield etcd


@pytest.fixture
def members(tmp_path: Path, etcd: Running) -> list[Served]:
    return made(tmp_path, etcd.url)


@contextmanager
def all_up(members: list[Served]) -> Iterator[None]:
    """Served, and ready to decide."""
    with ExitStack() as served:
        for each in members:
            served.enter_context(each.up())
        for each in members:
            assert within(PATIENCE_S, each.is_up), each.log.read_text()
        yield


def everywhere(members: list[Served], address: str, seconds: float = SOON_S) -> bool:
    """Whether www has that address at all of them in time."""
    return within(seconds, lambda: all(each.has(address) for each in members))


def alike(members: list[Served]) -> bool:
    return all(same(members[0], other) for other in members[1:])


def test_a_change_anywhere_is_soon_everywhere_and_dns_answers_it(members: list[Served]) -> None:
    with all_up(members):
        for number, each in enumerate(members, 1):
            each.put("www", f"192.0.2.{number}")
            assert everywhere(members, f"192.0.2.{number}")
        assert within(SOON_S, lambda: alike(members))
    for each in members:
        each.check()


def test_whoever_was_away_catches_up(members: list[Served]) -> None:
    one, two, three = members
    with one.up(), two.up():
        assert within(PATIENCE_S, one.is_up)
        one.put("www", "192.0.2.1")
        assert within(SOON_S, lambda: two.has("192.0.2.1"))
        two.put("www", "192.0.2.2")
        with three.up():
            assert everywhere(members, "192.0.2.2", PATIENCE_S)
            assert within(SOON_S, lambda: alike(members))


def test_what_moves_no_ref_is_soon_everywhere(members: list[Served]) -> None:
    with all_up(members):
        blob = members[0].keep(b"a note\n")
        assert within(SOON_S, lambda: all(each.keeps(blob) for each in members))


def is_away(member: Served) -> bool:
    return member.state() == "away"


def test_while_etcd_is_away_answers_go_on_and_the_group_when_it_is_back(
    members: list[Served], etcd: Running, tmp_path: Path
) -> None:
    one, two, _ = members
    with all_up(members):
        one.put("www", "192.0.2.1")
        assert everywhere(members, "192.0.2.1")
        etcd.process.kill()
        etcd.process.wait()
        for each in members:
            assert within(PATIENCE_S, partial(is_away, each))
            assert each.has("192.0.2.1")
        with pytest.raises(Away):
            two.put("www", "192.0.2.2")
        assert one.has("192.0.2.1")
        with running(tmp_path / "etcd", port=port_of(etcd.url)):
            for each in members:
                assert within(PATIENCE_S, each.is_up), (each.stands(), each.log.read_text())
            two.put("www", "192.0.2.2")
            assert everywhere(members, "192.0.2.2")
            assert within(PATIENCE_S, lambda: one.log.read_text().count("group state=up") == 2)
            assert one.log.read_text().count("group state=away") == 1


def test_after_etcd_was_away_a_member_that_cannot_be_asked_is_waited_for(
    members: list[Served], etcd: Running, tmp_path: Path
) -> None:
    one, two, three = members
    with one.up(), two.up():
        with three.up():
            for each in members:
                assert within(PATIENCE_S, each.is_up)
        etcd.process.kill()
        etcd.process.wait()
        assert within(PATIENCE_S, lambda: one.state() == two.state() == "away")
        with running(tmp_path / "etcd", port=port_of(etcd.url)):
            assert within(PATIENCE_S, lambda: one.state() == two.state() == "comparing")
            assert within(PATIENCE_S, lambda: "waiting for three to say where refs stand there" in one.why())
            with pytest.raises(OnHold, match="waiting for three to say where refs stand there"):
                one.put("www", "192.0.2.1")
            with three.up():
                for each in members:
                    assert within(PATIENCE_S, each.is_up)
                one.put("www", "192.0.2.1")


def test_an_operator_may_take_a_lost_member_from_the_list(
    members: list[Served], etcd: Running, tmp_path: Path
) -> None:
    one, two, three = members
    with one.up(), two.up():
        with three.up():
            assert within(PATIENCE_S, lambda: all(each.is_up() for each in members))
        etcd.process.kill()
        etcd.process.wait()
        assert within(PATIENCE_S, lambda: one.state() == "away")
        with running(tmp_path / "etcd", port=port_of(etcd.url)):
            assert within(PATIENCE_S, lambda: one.state() == "comparing")
            one.xferzone("group", "remove", "three")
            assert within(PATIENCE_S, lambda: one.is_up() and two.is_up())
            one.put("www", "192.0.2.1")
            with three.up():
                assert everywhere(members, "192.0.2.1", PATIENCE_S), "it is back, and in the list"


def test_etcd_that_was_restored_from_a_backup_is_brought_forward(
    members: list[Served], etcd: Running, tmp_path: Path
) -> None:
    one, two, _ = members
    with all_up(members):
        one.put("www", "192.0.2.1")
        assert everywhere(members, "192.0.2.1")
        etcd.ctl("snapshot", "save", tmp_path / "backup")
        two.put("www", "192.0.2.2")
        assert everywhere(members, "192.0.2.2")
        refs = one.refs()
        etcd.process.kill()
        etcd.process.wait()
        restored(tmp_path / "backup", tmp_path / "again")
        with running(tmp_path / "again", port=port_of(etcd.url)) as again:
            assert within(
                PATIENCE_S, lambda: all("group healed=yes" in each.log.read_text() for each in members)
            )
            for each in members:
                assert within(PATIENCE_S, each.is_up), each.why()
                assert each.refs() == refs
            assert refs["example.com/main"][0] in again.ctl("get", "--prefix", "xz/")
            one.put("www", "192.0.2.3")
            assert everywhere(members, "192.0.2.3")


def test_a_member_gives_its_zones_away_and_tells_of_changes_as_a_primary_does(
    members: list[Served], tmp_path: Path
) -> None:
    one, two, _ = members
    port = free_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as secondary:
        secondary.bind(("127.0.0.1", port))
        secondary.settimeout(PATIENCE_S)
        with one.up("--allow-transfer", "127.0.0.1", "--notify", f"127.0.0.1:{port}"), two.up():
            assert within(PATIENCE_S, lambda: one.is_up() and two.is_up())
            two.put("www", "192.0.2.1")  # one follows
            assert within(SOON_S, lambda: one.has("192.0.2.1"))
            message = dns.message.from_wire(secondary.recv(4096))
            assert message.opcode() == dns.opcode.NOTIFY
            zone = dig(one.dns, "example.com", "AXFR")
            assert re.search(r"^www\.example\.com\.\s.*192\.0\.2\.1$", zone, re.MULTILINE)


def test_what_is_derived_in_a_member_is_made_again_and_a_pull_moves_no_ref_of_it(
    members: list[Served], tmp_path: Path
) -> None:
    one, two, _ = members
    alone = Primary(tmp_path / "alone.xferzone")
    with all_up(members):
        one.put("www", "192.0.2.1")
        assert everywhere(members, "192.0.2.1")
    with Store.open(two.path) as store:
        alone.path.unlink()
        store.back_up(alone.path)
    with Store.open(alone.path) as store, store.writer() as writer:
        writer.set_setting("role", schema.PRIMARY)
        writer.set_setting("epoch", "ab" * 16)
        accounts.put_user(writer, LOGIN, PASSWORD, "go")
    alone.set("www", "192.0.2.9")  # a primary of the project that knows of no group
    refs = one.refs()
    one.xferzone("rebuild")
    one.check()
    assert one.refs() == refs
    with alone.up():
        one.xferzone("remote", "add", "origin", alone.url)
        assert "a primary met a member of a group" in one.xferzone("pull", code=7).err
        assert not one.keeps(ArtifactId(alone.refs()["example.com/main"][0]))
    alone.xferzone("demote", one.url)  # a clone decides nothing
    with alone.up():
        one.xferzone("pull")
    assert one.keeps(ArtifactId(alone.refs()["example.com/main"][0]))
    assert one.refs() == refs
    one.check()


def test_the_state_is_shown_wherever_people_and_programs_look(members: list[Served], etcd: Running) -> None:
    one, two, _ = members
    with one.up(), two.up():
        assert within(PATIENCE_S, lambda: one.is_up() and two.is_up())
        assert within(PATIENCE_S, lambda: "alive; fetched" in one.xferzone("status").out)
        shown = one.xferzone("status").out
        assert "role: member\n" in shown
        assert "group: member one, up since " in shown
        assert f"fellow: three {members[2].url.replace('mirror@', '')} not alive; " in shown
        group = one.status()["group"]
        assert isinstance(group, dict)
        assert (group["state"], group["is_running"], group["behind"]) == ("up", True, 0)
        assert [each["name"] for each in group["fellows"]] == ["three", "two"]
        assert '"group": "up"' in one.get("/readyz")[1]
        page = one.get("/metrics")[1]
        assert 'xferzone_group_state{state="up"} 1\n' in page
        assert 'xferzone_group_state{state="hold"} 0\n' in page
        assert "xferzone_group_behind_refs 0\n" in page
        assert 'xferzone_group_fellow_last_success_timestamp_seconds{fellow="two"}' in page
        etcd.process.kill()
        etcd.process.wait()
        assert within(PATIENCE_S, lambda: '"group": "away"' in one.get("/readyz")[1])
        assert one.get("/readyz")[0] == 200
        assert "away since" in one.xferzone("status").out
        secrets = [json.dumps(one.status()), one.log.read_text(), one.xferzone("status").out, page]
        assert not any(secret_of(one) in text for text in secrets)


def secret_of(member: Served) -> str:
    with Store.open(member.path) as store, store.reader() as reader:
        share = membership.membership(reader)
        assert share is not None
        return share.secret


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])
