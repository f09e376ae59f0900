"""Repositories of one project that both decide, with real servers and a real etcd: who refuses whom, and ways out."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.etcds import Running, running
from tests.exchange.group.served import Served, made
from tests.interop.nodes import LOGIN, PASSWORD, Node
from tests.live import PATIENCE_S, Person, stock_server, within
from xferzone.store import Store, accounts, schema

pytestmark = pytest.mark.interop

VERBS = ("sync", "pull", "push")


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[Running]:
    with running(tmp_path / "etcd") as etcd:
        yield etcd


@pytest.fixture
def members(tmp_path: Path, etcd: Running) -> list[Served]:
    return made(tmp_path, etcd.url, names=("one", "two"))


def copied(node: Node, path: Path, role: str, kind: type[Node] = Node) -> Node:
    """A copy of a node's file that is of that role by now, with an account that may push."""
    with Store.open(node.path) as store:
        store.back_up(path)
    with Store.open(path) as store, store.writer() as writer:
        writer.set_setting("role", role)
        writer.set_setting("epoch", path.stem.encode().hex().ljust(32, "0")[:32])
        accounts.put_user(writer, LOGIN, PASSWORD, "gio")
    return kind(path)


def set_here(node: Node, address: str) -> None:
    node.xferzone("set", "www.example.com", "A", address)


def assert_refused(client: Node, server: Node, said: str) -> None:
    before = client.refs(), server.refs()
    for verb in VERBS:
        refused = client.xferzone(verb, server.url, code=7)
        assert said in refused.err, refused.err
        assert "nothing was taken or given" in refused.err
    assert (client.refs(), server.refs()) == before


def test_a_primary_and_a_member_refuse_each_other_and_the_primary_comes_in_by_demote(
    members: list[Served], etcd: Running, tmp_path: Path
) -> None:
    one, two = members
    alone = copied(one, tmp_path / "alone.xferzone", schema.PRIMARY, Served)
    assert isinstance(alone, Served)
    set_here(alone, "192.0.2.9")
    with one.up(), two.up():
        for each in members:
            assert within(PATIENCE_S, each.is_up), each.log.read_text()
        one.xferzone("user", "caps", LOGIN, "--write")
        assert_refused(alone, one, "a primary met a member of a group")
        with alone.up():
            assert_refused(one, alone, "a primary met a member of a group")
        one.put("www", "192.0.2.1")
        alone.xferzone("demote", one.url)
        assert "example.com/main-fork-" in alone.xferzone("sync", code=4).err
        assert within(PATIENCE_S, lambda: two.refs() == one.refs())
        alone.join(etcd.url)
        assert alone.refs() == one.refs()
    for each in (one, two, alone):
        each.check()


def test_members_of_one_group_meet_freely_and_those_of_another_do_not(
    members: list[Served], etcd: Running, tmp_path: Path
) -> None:
    one, two = members
    other = copied(one, tmp_path / "other.xferzone", schema.PRIMARY, Served)
    assert isinstance(other, Served)
    other.join(etcd.url, prefix="elsewhere")
    with ExitStack() as served:
        for each in (one, two, other):
            served.enter_context(each.up())
            assert within(PATIENCE_S, each.is_up), each.log.read_text()
        for each in (one, other):
            each.xferzone("user", "caps", LOGIN, "--write")
        assert within(
            PATIENCE_S, lambda: two.xferzone("user", "list").out == one.xferzone("user", "list").out
        )
        note = one.keep(b"a note that no group program has sent yet\n")
        assert one.xferzone("pull", two.url).code == 0
        assert two.xferzone("pull", one.url).code == 0
        assert two.keeps(note)
        assert_refused(one, other, "members of two groups of one project met")
        assert_refused(other, two, "members of two groups of one project met")


@pytest.mark.parametrize("role", [schema.PRIMARY, schema.MEMBER])
def test_stock_meets_whoever_tells_a_role_and_notices_nothing(
    members: list[Served], tmp_path: Path, role: str
) -> None:
    one, _ = members
    node = one if role == schema.MEMBER else copied(one, tmp_path / "copy.xferzone", role)
    ann = Person(tmp_path / "ann", "ann")
    with node.up():
        if isinstance(node, Served):
            assert within(PATIENCE_S, node.is_up), node.log.read_text()
        node.xferzone("user", "caps", LOGIN, "--read")
        ann.clone(node.url.replace("@", f":{PASSWORD}@"), ann.home / "z.fossil")
        ann.fossil("sync", "-R", "z.fossil")
        ann.fossil("user", "capabilities", "nobody", "gijorz", "-R", "z.fossil")
        before = node.refs()
        set_here(node, "192.0.2.5")
        with stock_server(ann, ann.home / "z.fossil") as url:
            for verb in VERBS:
                done = node.xferzone(verb, url)
                assert "role" not in done.out + done.err
        assert node.refs() != before
        (tip, _) = node.refs()["example.com/main"]
        assert tip in ann.fossil("sql", "-R", "z.fossil", "SELECT uuid FROM blob WHERE size >= 0").out
