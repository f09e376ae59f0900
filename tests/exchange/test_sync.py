"""A clone, a sync and a repair called as functions, with both ends in this process."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live import within
from tests.publish.project import MAIN_BRANCH, NOW, Project, zone_text
from xferzone import exchange
from xferzone.cards.body import DEBUG
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.errors import Cancelled, PeerError, UsageError, XferzoneError
from xferzone.exchange import Options
from xferzone.hashing import ArtifactId
from xferzone.observer import Silent, Traffic
from xferzone.refs import Door, LocalRefs, Occasion
from xferzone.repository.promote import OLD_ORIGIN, promote
from xferzone.store import Reader, Store, Writer, schema
from xferzone.store.accounts import put_user
from xferzone.store.remotes import ORIGIN, Remote, put_remote, remotes, remove_remote
from xferzone.sync.client.options import Account
from xferzone.transport import Body, Canned, InProcess, Transport
from xferzone.zone.changes import parse_change

OPS = Account("ops", "pw-ops")
FROM = Remote(ORIGIN, "http://ops@dns.example.net/")
PROMOTION = Occasion(NOW, "ops", Door.CLI)


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[Project]:
    """A primary that serves version 3 of example.com; nobody may read it, ops may do anything."""
    project = Project(tmp_path)
    first = project.manifest(zone_text("www 300 A 192.0.2.1"))
    assert project.push(first) == []
    with project.store.writer() as writer:
        put_user(writer, "ops", "pw-ops", "s")
    for number in (2, 3):
        commit(project.store, f"192.0.2.{number}")
    yield project
    project.store.close()


def commit(store: Store, address: str) -> None:
    with store.writer() as writer:
        author = Author("ops", NOW + int(address.rpartition(".")[2]) * 1_000)
        change = parse_change("set", ["www.example.com.", "A", address])
        Edit(writer, LocalRefs(writer), MAIN_BRANCH, author).change([change], "set")


def to(store: Store, name: str = "http://dns.example.net/") -> InProcess:
    def answered(body: Body) -> Body:
        return exchange.answer(store, body).body

    return InProcess(answered, name)


def tip(store: Store) -> str:
    with store.reader() as reader:
        ref = LocalRefs(reader).get(MAIN_BRANCH)
        assert ref is not None
        return ref.checkin


def left_over(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def test_a_clone_stands_where_its_origin_does(primary: Project, tmp_path: Path) -> None:
    path = tmp_path / "c.xferzone"
    done = exchange.clone(path, to(primary.store), Options(account=OPS, remote=FROM))
    assert (done.errors, done.messages, done.is_denied, done.absent) == ((), (), False, ())
    with Store.open(path) as store, store.reader() as reader, primary.store.reader() as theirs:
        assert set(reader.artifacts()) == set(theirs.artifacts())
        assert (reader.role, reader.project_code) == (schema.CLONE, done.project_code)
        assert [(each.name, each.url) for each in remotes(reader)] == [(ORIGIN, FROM.url)]
        assert done.traffic.received == done.traffic.linked == len(set(reader.artifacts()))
    with Store.open(path) as store:
        assert tip(store) == tip(primary.store)
    assert [(str(moved.branch), moved.new) for moved in done.followed.moved] == [
        (str(MAIN_BRANCH), tip(primary.store))
    ]
    assert done.traffic.rounds >= 2
    assert done.traffic.bytes_in > 0 < done.traffic.bytes_out


def test_a_clone_has_every_index_although_some_are_made_last(primary: Project, tmp_path: Path) -> None:
    exchange.clone(tmp_path / "c.xferzone", to(primary.store), Options(account=OPS, remote=FROM))
    with (
        Store.open(tmp_path / "c.xferzone") as clone,
        clone.reader() as ours,
        primary.store.reader() as theirs,
    ):
        query = "SELECT name, sql FROM sqlite_schema WHERE type = 'index'"
        assert set(ours.db.execute(query)) == set(theirs.db.execute(query))
        assert ours.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_clone_that_is_refused_tells_why_and_leaves_no_file(primary: Project, tmp_path: Path) -> None:
    before = left_over(tmp_path)
    done = exchange.clone(tmp_path / "c.xferzone", to(primary.store), Options(account=Account("ops", "no")))
    assert done.errors == ("login failed",)
    assert exchange.clone(tmp_path / "c.xferzone", to(primary.store)).errors == ("not authorized to clone",)
    assert left_over(tmp_path) == before


class Waits:
    """A transport that answers the first requests, and then not until it is let go."""

    def __init__(self, inner: Transport, answers: int) -> None:
        self.name = inner.name
        self.waits, self._go_on = threading.Event(), threading.Event()
        self._inner, self._left, self._threads = inner, answers, threading.active_count()

    def exchange(self, body: Body) -> Body:
        self._left -= 1
        if self._left < 0:
            self.waits.set()
            assert self._go_on.wait(30)
        return self._inner.exchange(body)

    def go_on(self) -> None:
        """Answer, and wait until whoever asked has taken it."""
        self._go_on.set()
        assert within(30, lambda: threading.active_count() == self._threads)


@pytest.mark.parametrize("answers", [0, 1, 2])
def test_a_cancelled_clone_leaves_no_file(primary: Project, tmp_path: Path, answers: int) -> None:
    before = left_over(tmp_path)
    way = Waits(to(primary.store), answers)
    options = Options(account=OPS, cancelled=way.waits.is_set)
    with pytest.raises(Cancelled, match="was cancelled"):
        exchange.clone(tmp_path / "c.xferzone", way, options)
    way.go_on()
    assert left_over(tmp_path) == before


def test_a_cancelled_sync_keeps_what_earlier_rounds_brought(primary: Project, tmp_path: Path) -> None:
    path = tmp_path / "c.xferzone"
    exchange.clone(path, to(primary.store), Options(account=OPS, remote=FROM))
    old = tip(primary.store)
    commit(primary.store, "192.0.2.9")
    with Store.open(path) as store, store.reader() as reader:
        (known,) = remotes(reader)
    with Store.open(path) as store:
        way = Waits(to(primary.store), 1)
        options = Options(account=OPS, remote=known, cancelled=way.waits.is_set)
        with pytest.raises(Cancelled):
            exchange.sync(store, way, options)
        way.go_on()
        assert tip(store) == old
        assert exchange.sync(store, to(primary.store), Options(account=OPS, remote=known)).errors == ()
        assert tip(store) == tip(primary.store)


def test_a_sync_takes_and_sends_and_says_what_moved(primary: Project, tmp_path: Path) -> None:
    path = tmp_path / "c.xferzone"
    exchange.clone(path, to(primary.store), Options(account=OPS, remote=FROM))
    with Store.open(path) as store:
        commit(store, "192.0.2.20")
        with store.reader() as reader:
            (known,) = remotes(reader)
        done = exchange.sync(store, to(primary.store), Options(account=OPS, remote=known))
        assert (done.errors, done.unsent, done.beaten) == ((), 0, ())
        assert done.traffic.sent == 2  # the zone file and the check-in
        assert tip(store) == tip(primary.store)
        commit(primary.store, "192.0.2.21")
        commit(store, "192.0.2.22")
        pushed = exchange.sync(store, to(primary.store), Options(pull=False, account=OPS, remote=known))
        assert pushed.beaten == (str(MAIN_BRANCH),)
        pulled = exchange.sync(store, to(primary.store), Options(push=False, account=OPS, remote=known))
        ((lost),) = pulled.followed.diverged
        assert str(lost.branch) == str(MAIN_BRANCH)


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (lambda writer: put_remote(writer, Remote(ORIGIN, "http://new.example/")), {ORIGIN: "http://new.example/"}),
        (lambda writer: remove_remote(writer, FROM), {}),
        (lambda writer: promote(writer, LocalRefs(writer), PROMOTION), {OLD_ORIGIN: FROM.url}),
    ],
    ids=["another URL", "removed", "promoted"],
)  # fmt: skip
def test_what_people_do_to_a_remote_while_one_talks_to_it_stays(
    primary: Project, tmp_path: Path, change: Callable[[Writer], object], left: dict[str, str]
) -> None:
    exchange.clone(tmp_path / "c.xferzone", to(primary.store), Options(account=OPS, remote=FROM))
    commit(primary.store, "192.0.2.4")
    with Store.open(tmp_path / "c.xferzone") as store:
        with store.reader() as reader:
            (known,) = remotes(reader)

        def answered(body: Body) -> Body:
            reply = exchange.answer(primary.store, body).body
            with store.writer() as writer:
                if remotes(writer) == [known]:
                    change(writer)
            return reply

        way = InProcess(answered, "http://dns.example.net/")
        assert exchange.sync(store, way, Options(push=False, account=OPS, remote=known)).errors == ()
        with store.reader() as reader:
            assert {each.name: each.url for each in remotes(reader)} == left


def test_a_plain_copy_of_the_repository_is_not_synced_with(primary: Project, tmp_path: Path) -> None:
    path = tmp_path / "c.xferzone"
    exchange.clone(path, to(primary.store), Options(account=OPS, remote=FROM))
    with Store.open(path) as store:
        with store.writer() as writer:
            put_user(writer, "ops", "pw-ops", "s")
        with pytest.raises(XferzoneError, match="is this repository itself"):
            exchange.sync(store, to(store), Options(account=OPS, remote=FROM))


def test_the_bounds_that_the_caller_sets_hold(primary: Project, tmp_path: Path) -> None:
    path = tmp_path / "c.xferzone"
    exchange.clone(path, to(primary.store), Options(account=OPS, remote=FROM))
    for number in range(30, 40):
        commit(primary.store, f"192.0.2.{number}")
    with Store.open(path) as store:
        rounds = Rounds()
        options = Options(account=OPS, remote=FROM, gimmes=3, observer=rounds, cache=None, peer_id="a" * 40)
        done = exchange.sync(store, to(primary.store), options)
        assert done.errors == ()
        assert tip(store) == tip(primary.store)
        assert rounds.gimmes[1] == 3
        assert done.traffic.gimmes_out == sum(rounds.gimmes)
        for number in range(40, 46):
            commit(primary.store, f"192.0.2.{number}")
        with pytest.raises(PeerError, match="after 1 rounds"):
            exchange.sync(store, to(primary.store), Options(account=OPS, remote=FROM, rounds=1))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *((field, value) for field in ("budget", "rounds", "gimmes") for value in (0, -1)),
        *(("patience", value) for value in (0, -1.5, float("nan"))),
        ("cache", -1),
        *(("peer_id", value) for value in ("", "a b", "a\nb", "\x00", "\xe9", "a" * 101)),
    ],
)
def test_options_that_no_exchange_can_follow_are_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"^{field}="):
        Options(**{field: value})  # type: ignore[arg-type]  # a wrong value is what is tested


def test_an_account_has_a_login() -> None:
    with pytest.raises(UsageError, match="an account has a login"):
        Account("", "")


class Rounds(Silent):
    """Notes how many artifacts each round asked for."""

    def __init__(self) -> None:
        self.gimmes: list[int] = []

    def round_ended(self, _context: object, round_: Traffic, _so_far: Traffic, /) -> None:
        self.gimmes.append(round_.gimmes_out)


def test_what_a_server_once_said_can_be_played_again(tmp_path: Path) -> None:
    way = Canned([(DEBUG, b"push x %s\nerror not\\sauthorized\\sto\\sclone\n" % (b"0" * 40))])
    done = exchange.clone(tmp_path / "c.xferzone", way)
    assert done.errors == ("not authorized to clone",)
    with pytest.raises(PeerError, match="sends a card that means nothing here"):
        exchange.clone(tmp_path / "d.xferzone", Canned([(DEBUG, b"<html>\n")]))


def test_damaged_artifacts_are_fetched_anew(primary: Project, tmp_path: Path) -> None:
    path = tmp_path / "c.xferzone"
    exchange.clone(path, to(primary.store), Options(account=OPS, remote=FROM))
    with Store.open(path) as store:
        nothing = exchange.repair(store, to(primary.store), Options(account=OPS))
        assert (nothing.repaired, nothing.damaged) == ((), ())
        with store.writer() as writer:
            rid = writer.rid(writer.files(writer.checkin(tip_of(writer)).parents[0])["example.com.zone"])
            writer.db.execute("UPDATE blob SET content = x'00' WHERE rid = ?", (rid,))
            writer.db.execute("DELETE FROM large WHERE rid = ?", (rid,))
    with Store.open(path) as store:
        done = exchange.repair(store, to(primary.store), Options(account=OPS))
        assert len(done.repaired) == 1
        assert (done.damaged, done.errors) == ((), ())


def tip_of(reader: Reader) -> ArtifactId:
    ref = LocalRefs(reader).get(MAIN_BRANCH)
    assert ref is not None
    return ref.checkin
