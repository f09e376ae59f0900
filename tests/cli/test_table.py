"""table define, list, rows, put, rm: rows that xferzones share, from the command line."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.live import serving
from xferzone.repository.make import make_mirror
from xferzone.store import Store, schema
from xferzone.store.accounts import put_user

HOSTS = ("table", "define", "hosts", "--column", "host:text", "--column", "port:integer", "--key", "host")


def shown(zone: Run, name: str) -> list[dict[str, object]]:
    rows = json.loads(zone("table", "rows", name, "--format", "json").out)["rows"]
    return [each["values"] for each in rows]


def test_what_is_put_is_listed_replaced_and_removed(zone: Run) -> None:
    assert zone(*HOSTS).code == 0
    assert zone(*HOSTS).err == "hosts: nothing changed\n"
    assert zone("table", "list").out.split() == [
        "hosts",
        "mtime-wins",
        "host:text*",
        "port:integer",
        "0",
        "rows",
    ]
    assert zone("table", "put", "hosts", "host=ns1", f"port={2**70}").code == 0
    assert zone("table", "put", "hosts", "host=ns0", "port=-1").out == "hosts: row ns0 put\n"
    assert shown(zone, "hosts") == [{"host": "ns0", "port": -1}, {"host": "ns1", "port": 2**70}]
    assert zone("table", "put", "hosts", "host=ns1", f"port={2**70}").err == "hosts: nothing changed\n"
    assert zone("table", "put", "hosts", "host=ns1").code == 0
    assert zone("table", "rows", "hosts").out.splitlines()[1].split()[:2] == ["ns1", "-"]
    assert zone("table", "rm", "hosts", "ns0").out == "hosts: row ns0 removed\n"
    assert shown(zone, "hosts") == [{"host": "ns1"}]
    assert zone("table", "rm", "hosts", "ns0").code == 5
    assert zone("table", "rm", "hosts", "ns0", "--if-exists").code == 0
    assert zone("check").code == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("define", "a b", "--column", "k:text", "--key", "k"), 2, "cannot be the name"),
        (("define", "t'; DROP TABLE blob", "--column", "k:text", "--key", "k"), 2, "cannot be the name"),
        (("define", "t", "--column", "k", "--key", "k"), 2, "give NAME:TYPE"),
        (("define", "t", "--column", "k:varchar", "--key", "k"), 2, "is not a type"),
        (("define", "t", "--column", "k:text", "--key", "x"), 2, "a key is one or more"),
        (("define", "t", "--column", "k:text", "--key", "k", "--rule", "last"), 2, "--rule"),
        (("rows", "nosuch"), 5, "there is no table nosuch"),
        (("put", "nosuch", "a=1"), 5, "there is no table nosuch"),
        (("put", "hosts", "host"), 2, "give COLUMN=VALUE"),
        (("put", "hosts", "port=1"), 2, "needs a value for host"),
        (("put", "hosts", "host=a", "port=x"), 2, "is not an integer"),
        (("put", "hosts", "host=a", "x=1"), 2, "is not a column: there are host, port"),
        (("put", "hosts", "host=a", "host=b"), 2, "given twice"),
        (("rm", "hosts", "a", "b"), 2, "the key of table hosts is host"),
    ],
    ids=lambda part: str(part)[:40],
)
def test_what_cannot_be_meant_is_refused_with_a_remedy(
    zone: Run, words: tuple[str, ...], code: int, said: str
) -> None:
    zone(*HOSTS)
    done = zone("table", *words)
    assert (done.code, said in done.err) == (code, True), done.err


def test_a_rule_holds_here_too(zone: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    zone("table", "define", "own", "--column", "who:text", "--key", "who", "--rule", "self-write")
    monkeypatch.setenv("XFERZONE_USER", "ann")
    assert zone("table", "put", "own", "who=ann").code == 0
    refused = zone("table", "put", "own", "who=bob")
    assert (refused.code, "it is bob's, and ann asks" in refused.err) == (7, True)
    monkeypatch.setenv("XFERZONE_USER", "bob")
    assert zone("table", "rm", "own", "ann").code == 7


def test_a_definition_that_would_lose_rows_is_refused(zone: Run) -> None:
    zone(*HOSTS)
    zone("table", "put", "hosts", "host=a", "port=1")
    narrow = zone("table", "define", "hosts", "--column", "host:text", "--key", "host")
    assert (narrow.code, "would be lost everywhere" in narrow.err) == (7, True)
    assert zone(*HOSTS, "--column", "more:json").code == 0
    assert shown(zone, "hosts") == [{"host": "a", "port": 1}]


def test_the_registry_of_peers_is_begun_by_its_name_alone(zone: Run) -> None:
    assert zone("table", "define", "peers", "--column", "a:text", "--key", "a").code == 2
    assert zone("table", "define", "peers").code == 0
    assert "login:text* id:text* last_sync:integer version:text address:text" in zone("table", "list").out
    assert zone("table", "define", "t").code == 2


def test_a_mirror_takes_no_change(zone: Run, tmp_path: Path) -> None:
    make_mirror(tmp_path / "m.xferzone")
    with Store.open(tmp_path / "m.xferzone") as store, store.writer() as writer:
        writer.set_setting("project-code", "7e" * 20)
        writer.set_setting("role", schema.MIRROR)
    refused = zone("-R", str(tmp_path / "m.xferzone"), *HOSTS)
    assert refused.code != 0


def test_tables_go_with_clone_sync_and_push_and_not_without_them(zone: Run, tmp_path: Path) -> None:
    zone(*HOSTS)
    zone("table", "put", "hosts", "host=ns1", "port=53")
    with Store.open(tmp_path / "zones.xferzone") as store, store.writer() as writer:
        put_user(writer, "ann", "pw", "gio")
        put_user(writer, "eve", "pw", "go")
    with serving(tmp_path / "zones.xferzone", "serve") as server:
        url = server.url()
        at = url.replace("http://", "http://ann:pw@")
        assert zone("clone", at, "c.xferzone").code == 0
        assert zone("clone", "--no-tables", at, "n.xferzone").code == 0
        c, n = ("-R", "c.xferzone"), ("-R", "n.xferzone")
        assert json.loads(zone(*n, "table", "list", "--format", "json").out)["tables"] == []
        assert zone(*c, "table", "put", "hosts", "host=ns2").code == 0
        assert json.loads(zone(*c, "push", "--no-tables", at, "--format", "json").out)["rows_sent"] == 0
        pushed = json.loads(zone(*c, "push", at, "--format", "json").out)
        assert (pushed["rows_sent"], pushed["rows_received"]) == (1, 0)
        assert "received 2 rows, sent 0" in zone(*n, "pull", at).out
        eve = url.replace("http://", "http://eve:pw@")
        zone(*n, "table", "put", "hosts", "host=ns3")
        denied = zone(*n, "sync", eve)
        assert (denied.code, "takes no rows from this account" in denied.err) == (77, True)
    assert [each["host"] for each in shown(zone, "hosts")] == ["ns1", "ns2"]


def test_who_gives_a_login_again_is_told_of_the_rows_that_come_with_it(
    zone: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone("table", "define", "owned", "--column", "k:text", "--key", "k", "--rule", "owner-write")
    assert zone("user", "add", "bob").err == ""
    monkeypatch.setenv("XFERZONE_USER", "bob")
    assert zone("table", "put", "owned", "k=x").code == 0
    assert zone("user", "remove", "bob").code == 0
    again = zone("user", "add", "bob")
    assert (again.code, again.err) == (
        0,
        "1 row of synced tables, deleted ones included, came with the login\n",
    )
