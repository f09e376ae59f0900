"""A directory of repositories behind one app: who is told what, and what one of them does to the others."""

import contextlib
import logging
import os
import re
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import falcon.testing
import pytest

from tests.live import within
from tests.web.asking import Mirror
from xferzone import metrics
from xferzone.cards.session import login_card
from xferzone.counters import Counters
from xferzone.errors import Busy
from xferzone.logline import Text
from xferzone.repository import make
from xferzone.root import Absent, found, names
from xferzone.store import Store, accounts, schema
from xferzone.store import pool as connections
from xferzone.web import hosted
from xferzone.web.hosted import Hosted, Hosting
from xferzone.web.hosted_counts import Counts
from xferzone.web.limits import MAX_CROWD_OF_REPOSITORY, MAX_OF_REPOSITORY, MAX_REQUESTS, Places
from xferzone.web.owners import FORM

XFER = "application/x-fossil-uncompressed"
HOST = "falconframework.org"  # as falcon's test client says
STATUS = ("127.0.0.9", 9000)


class Site:
    """A directory with repositories, and the app over it."""

    def __init__(self, path: Path, most_open: int = hosted.MOST_OPEN) -> None:
        self.root = path / "root"
        self.root.mkdir()
        nobodys = path / "nobodys.xferzone"
        make.make(nobodys, admin="nobodys", project_code=None, now_ms=1)
        self.counts = Counts()
        self.app = Hosted(
            Hosting(
                self.root,
                nobodys,
                Counters(metrics.SIZE),
                self.counts,
                status=[STATUS],
                most_open=most_open,
            )
        )
        self.client = falcon.testing.TestClient(self.app)

    def add(self, name: str, password: str = "pw-ann", caps: str = "gio") -> Path:
        """A repository with an account, ann."""
        path = self.root / f"{name}.xferzone"
        make.make(path, admin="ops", project_code=None, now_ms=1)
        with Store.open(path) as store, store.writer() as writer:
            accounts.put_user(writer, "ann", password, caps)
        return path

    def code(self, name: str) -> str:
        with Store.open(self.root / f"{name}.xferzone") as store, store.reader() as reader:
            return reader.project_code

    def refs(
        self, name: str, code: str, password: str = "pw-ann", address: str = "127.0.0.1"
    ) -> falcon.testing.Result:
        """What ann gets of /NAME/v0/refs, from that address."""
        headers = Mirror(code, "ann", password, HOST).headers("/v0/refs")
        return self.client.simulate_get(f"/{name}/v0/refs", headers=dict(headers), remote_addr=address)

    def status(self, path: str) -> falcon.testing.Result:
        there = {"SERVER_NAME": STATUS[0], "SERVER_PORT": str(STATUS[1])}
        return self.client.simulate_get(path, extras=there)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.app.close()


def signed(body: bytes, login: str, code: str) -> bytes:
    return login_card(body, code, login, "wrong").encode() + b"\n" + body


#: What strangers may ask, as method, rest of the target, headers and body.
ASKED: list[tuple[str, str, dict[str, str], bytes]] = [
    *(("GET", path, {}, b"") for path in ("", "/", "/status", "/readyz", "/healthz", "/metrics", "/x/y?z=1", "/v0")),
    *(("GET", path, {}, b"") for path in ("/v0/refs", "/v0/auth", "/v0/objects/" + "0" * 40, "/..", "/%2e%2e/b")),
    ("HEAD", "/v0/refs", {}, b""),
    ("GET", "/v0/refs", {"X-Forwarded-Proto": "https", "Authorization": "Basic YW5uOnB3"}, b""),
    ("GET", "/v0/refs", {"Authorization": "XFERZONE-HMAC key=ann, expires=9, signature=" + "0" * 64}, b""),
    ("GET", "/v0/refs", {"Authorization": "nonsense"}, b""),
    ("PUT", "/", {}, b"x"),
    ("POST", "/", {"Content-Type": "text/plain"}, b"x"),
    ("POST", "/v0/copies", {"Content-Type": "application/json"}, b"{}"),
    ("POST", "/v0/objects/walk", {"Content-Type": "application/json"}, b"{}"),
    ("POST", "/xfer", {"Content-Type": XFER}, b"clone 3 1\n"),
    ("POST", "/xfer", {"Content-Type": XFER}, b"pull " + b"a" * 40 + b" " + b"b" * 40 + b"\n"),
    ("POST", "/xfer", {"Content-Type": XFER}, b"push " + b"a" * 40 + b" " + b"b" * 40 + b"\nigot " + b"c" * 40 + b"\n"),
    ("POST", "/xfer", {"Content-Type": XFER}, signed(b"clone 3 1\n", "ann", "a" * 40)),
    ("POST", "/xfer", {"Content-Type": XFER}, signed(b"pull a b\n", "nosuch", "a" * 40)),
    ("POST", "/xfer", {"Content-Type": XFER}, b"pragma xferzone 1\npragma ci-lock " + b"a" * 40 + b" x\n"),
    ("POST", "/xfer", {"Content-Type": XFER}, b"reqconfig /all\n"),
    ("POST", "/xfer", {"Content-Type": XFER}, b"nonsense\n"),
    ("POST", "/xfer", {"Content-Type": "application/x-fossil"}, b"nonsense"),
    ("POST", "/xfer", {"Content-Type": XFER}, b"file x\n" * 400),
    ("OPTIONS", "/v0/refs", {}, b""),
    ("GET", "/login", {}, b""),
    ("POST", "/login", {"Content-Type": FORM}, b"u=ann&p=wrong&n1=abcdefgh&n2=abcdefgh"),
    ("POST", "/invite", {"Content-Type": FORM}, b"t=abcdefgh&u=zoe&n1=abcdefgh&n2=abcdefgh"),
]  # fmt: skip


def _answer(site: Site, name: str, asked: tuple[str, str, dict[str, str], bytes]) -> tuple[object, ...]:
    """All of the answer, with what names the repository in it made the same for all."""
    method, rest, headers, body = asked
    secure = {"wsgi.url_scheme": "https"} if "X-Forwarded-Proto" in headers else {}
    made = site.client.simulate_request(
        method, f"/{name}{rest}", headers=headers, body=body, extras={**secure, "RAW_URI": f"/{name}{rest}"}
    )
    told = [(field, re.sub(r"[0-9a-f]{40}", "CODE", value)) for field, value in made.headers.items()]
    told = [(field, value) for field, value in told if field not in ("date",)]
    content = made.content.replace(name.encode(), b"NAME")
    content = re.sub(rb"\b[0-9a-f]{40}\b", b"CODE", content)
    content = re.sub(rb"timestamp [0-9T:.-]+", b"timestamp", content)
    return made.status, told, content


def _nothing(site: Site) -> None:
    """Nothing is there."""


def _link(site: Site) -> None:
    outside = site.root.parent / "outside.xferzone"
    make.make(outside, admin="ops", project_code=None, now_ms=1)
    (site.root / "n-gone.xferzone").symlink_to(outside)


def _directory(site: Site) -> None:
    (site.root / "n-gone.xferzone").mkdir()


def _fifo(site: Site) -> None:
    os.mkfifo(site.root / "n-gone.xferzone")


def _rubbish(site: Site) -> None:
    (site.root / "n-gone.xferzone").write_bytes(b"rubbish" * 1000)


def _empty(site: Site) -> None:
    (site.root / "n-gone.xferzone").touch()


def _newer(site: Site) -> None:
    with sqlite3.connect(site.add("n-gone")) as db:
        db.execute("UPDATE alembic_version SET version_num = '9999'")


def _cut(site: Site) -> None:
    path = site.add("n-gone")
    os.truncate(path, 5_000)


def _member(site: Site) -> None:
    with Store.open(site.add("n-gone")) as store, store.writer() as writer:
        writer.set_setting("role", schema.MEMBER)


def _mirror(site: Site) -> None:
    make.make_mirror(site.root / "n-gone.xferzone")


def _second_name(site: Site) -> None:
    os.link(site.add("elsewhere"), site.root / "n-gone.xferzone")


NOT_SERVED: list[Callable[[Site], None]] = [
    _nothing, _link, _directory, _fifo, _rubbish, _empty, _newer, _cut, _member, _mirror, _second_name,
]  # fmt: skip


@pytest.mark.parametrize("made", NOT_SERVED, ids=lambda made: made.__name__[1:])
def test_what_is_not_served_answers_as_one_that_may_not_be_seen(
    site: Site, made: Callable[[Site], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xferzone.store.held._LINK_TRIES", 1)
    site.add("n-here")
    made(site)
    for asked in ASKED:
        assert _answer(site, "n-gone", asked) == _answer(site, "n-here", asked), asked
    # Neither an account of theirs nor the operator's shows there.
    assert site.refs("n-here", site.code("n-here")).status_code == 200


def test_a_name_that_is_not_there_has_a_project_of_its_own_at_every_start(site: Site) -> None:
    def told(name: str) -> str:
        return site.client.simulate_get(f"/{name}/v0/refs").headers["www-authenticate"]

    assert told("a") != told("b")
    assert told("a") == f"XFERZONE-HMAC project={Absent(site.root).code('a')}"
    assert (site.root / ".xferzone-names").stat().st_mode & 0o777 == 0o600


NAMES = ["../root/n-here", "..", ".n-here", "%6e-here", "n-here.xferzone", "n-here%2F", "n-here%00", "n" * 65, "-",
         "_a", "n-h\u00e9", ""]  # fmt: skip


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_is_taken_as_it_is_written_and_leads_nowhere_else(site: Site, name: str) -> None:
    code = (site.add("n-here"), site.code("n-here"))[1]
    shutil.copy(site.root / "n-here.xferzone", site.root / ".n-here.xferzone")
    path = f"/{name}/v0/refs"
    headers = dict(Mirror(code, "ann", "pw-ann", HOST).headers("/v0/refs"))
    told = site.client.simulate_get(path, headers=headers, extras={"RAW_URI": path})
    assert told.status_code in (401, 404)
    assert code not in told.text + str(told.headers)


def test_files_beside_repositories_are_not_served(site: Site) -> None:
    path = site.add("n-here")
    for ending in ("-wal", "-shm", "-wal.of", ".partial", ".toml", "-1.run", ".bak"):
        path.with_name(path.name + ending).touch()
    path.with_name("n-here").touch()
    assert names(site.root) == ["n-here"]
    inside = site.root / ".kept" / "v2.xferzone"
    inside.parent.mkdir()
    shutil.copy(path, inside)
    (site.root / "linked.xferzone").symlink_to(inside)
    (site.root / "loop.xferzone").symlink_to("loop.xferzone")
    assert names(site.root) == ["linked", "n-here"]
    assert found(site.root, "../root/n-here") is None


def test_a_login_of_one_has_no_right_in_another(site: Site) -> None:
    site.add("a")
    site.add("b", password="pw-another")
    assert site.refs("a", site.code("a")).status_code == 200
    assert site.refs("b", site.code("b")).status_code == 401
    assert site.refs("b", site.code("a")).status_code == 401
    assert site.refs("b", site.code("b"), "pw-another").status_code == 200


def test_repositories_come_go_and_are_replaced_while_they_are_served(site: Site) -> None:
    assert site.refs("a", "0" * 40).status_code == 401
    path = site.add("a")
    first = site.code("a")
    assert site.refs("a", first).status_code == 200
    path.rename(path.with_suffix(".old"))
    site.app.look()
    assert site.refs("a", first).status_code == 401
    assert within(30, lambda: _open_ones(site.root) == set())
    site.add("made").rename(path)
    second = site.code("a")
    assert second != first
    assert site.refs("a", second).status_code == 200  # of another project, and without a pause
    fresh = site.root / ".fresh"
    with Store.open(path) as store:
        store.back_up(fresh)
    with Store.open(fresh) as store, store.writer() as writer:
        accounts.put_user(writer, "ann", "pw-new", "gio")
    fresh.rename(path)
    assert site.refs("a", second, "pw-new").status_code == 200


def test_a_sick_one_is_told_to_the_operator_once_and_heals_by_itself(
    site: Site, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hosted, "SICK_S", 0.0)
    path, sound = site.add("a"), site.add("b")
    code, sound_code = site.code("a"), site.code("b")
    good = path.read_bytes()
    path.write_bytes(b"rubbish" * 1000)
    for _ in range(3):
        assert site.refs("a", code).status_code == 401
        assert site.refs("b", sound_code).status_code == 200
    told = [each.getMessage() for each in caplog.records if "not-served" in each.getMessage()]
    assert len(told) == 1
    answer = site.status("/status")
    assert answer.json["not_served"] == {"a": answer.json["not_served"]["a"]}
    assert "not an xferzone repository" in answer.json["not_served"]["a"] or "database" in told[0]
    assert (answer.status_code, answer.json["repositories"]) == (200, 2)
    path.write_bytes(good)
    assert site.refs("a", code).status_code == 200
    assert site.status("/status").json["not_served"] == {}
    assert sound.exists()


def test_one_that_is_locked_keeps_few_threads_and_no_other_repository(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "BUSY_TIMEOUT", 1)
    monkeypatch.setattr("xferzone.web.hosted_one.WAIT_S", 0.2)
    path = site.add("a")
    site.add("b")
    code, codes = site.code("b"), []
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode=DELETE")
        db.execute("BEGIN EXCLUSIVE")
        crowd = [
            threading.Thread(
                target=lambda number: codes.append(
                    site.refs("a", code, address=f"192.0.2.{number}").status_code
                ),
                args=(number,),
            )
            for number in range(12)
        ]
        for each in crowd:
            each.start()
        assert site.refs("b", code).status_code == 200
        for each in crowd:
            each.join(30)
        db.rollback()
    assert codes == [401] * 12


def test_those_that_were_not_asked_for_longest_are_closed(tmp_path: Path) -> None:
    site = Site(tmp_path, most_open=3)
    codes = {name: (site.add(name), site.code(name))[1] for name in ("a", "b", "c", "d", "e")}
    before = _files(site.root)
    for name, code in codes.items():
        assert site.refs(name, code).status_code == 200
    assert within(30, lambda: _open_ones(site.root) == {"c", "d", "e"})
    assert len(_files(site.root)) - len(before) <= 3 * 6
    assert site.refs("a", codes["a"]).status_code == 200
    assert within(30, lambda: _open_ones(site.root) == {"d", "e", "a"})
    for number in range(20):  # names that are not there close nothing
        assert site.refs(f"no{number}", "0" * 40).status_code == 401
    assert _open_ones(site.root) == {"d", "e", "a"}
    site.app.close()
    assert _open_ones(site.root) == set()


def _files(root: Path) -> list[str]:
    """What this process has open below a directory."""
    found = []
    for each in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(each.readlink()))
        except OSError:
            continue
    return [name for name in found if name.startswith(f"{root}/")]


def _open_ones(root: Path) -> set[str]:
    return {Path(name).name.partition(".")[0] for name in _files(root)}


def test_a_request_under_way_outlives_its_repository_in_the_process(site: Site) -> None:
    path = site.add("a")
    environ = falcon.testing.create_environ("/a/")
    octets: Any = site.app(environ, lambda *_: lambda _: None)
    path.unlink()
    site.app.look()
    assert b"".join(octets).startswith(b"<!DOCTYPE html>")
    octets.close()
    assert within(30, lambda: _open_ones(site.root) == set())


def test_only_the_operators_address_tells_of_all(site: Site) -> None:
    site.add("a")
    code = site.code("a")
    assert site.refs("a", code).status_code == 200
    assert site.refs("nosuch", code).status_code == 401
    for path in ("/", "/metrics", "/a/metrics", "/nosuch/metrics"):
        assert "xferzone_" not in site.client.simulate_get(path).text
    told = site.status("/metrics")
    assert 'xferzone_repository_requests_total{repository="a",status="2xx"} 1.0' in told.text
    assert 'xferzone_repository_requests_total{repository="_none",status="4xx"}' in told.text
    assert "nosuch" not in told.text
    assert site.status("/a/v0/refs").status_code == 404
    assert site.status("/healthz").status_code == 200


def test_lines_of_the_log_name_the_repository(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(Text())
    log = logging.getLogger("xferzone.web")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    try:
        site.add("a")
        body = signed(b"pull a b\n", "ann", "0" * 40)
        site.client.simulate_post("/a/", headers={"Content-Type": XFER}, body=body)
        log.warning("of none")
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)
    err = capsys.readouterr().err.splitlines()
    assert any("xfer kind=other" in line and line.endswith(" repository=a") for line in err)
    assert err[-1].endswith("WARNING of none")


def test_a_crowd_at_one_repository_leaves_places_to_others() -> None:
    places, busy = Places(Counters(metrics.SIZE)), []
    with contextlib.ExitStack() as stack:
        for number in range(MAX_OF_REPOSITORY):
            visitor = stack.enter_context(places.place(f"192.0.2.{number}", None, "a"))
            visitor.know()
            visitor.received()

        def come() -> None:
            try:
                with places.place("192.0.2.99", None, "a"):
                    pass
            except Busy:
                busy.append(time.monotonic())

        crowd = [threading.Thread(target=come) for _ in range(MAX_CROWD_OF_REPOSITORY)]
        for each in crowd:
            each.start()
        assert within(30, lambda: len(busy) >= MAX_OF_REPOSITORY)  # but for a few, which wait
        for _ in range(MAX_REQUESTS - MAX_OF_REPOSITORY):
            stack.enter_context(places.place("192.0.2.98", None, "b"))
        for each in crowd:
            each.join(30)
