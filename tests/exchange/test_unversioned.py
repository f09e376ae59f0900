"""Unversioned files between two stores of this process: which way they go, what is counted, and what a cut leaves."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from xferzone import exchange
from xferzone.cards.body import UNCOMPRESSED, decode_body
from xferzone.errors import PeerError
from xferzone.exchange import Options, Terms
from xferzone.observer import Answered, Silent, Traffic
from xferzone.repository import make
from xferzone.store import Store, schema, unversioned
from xferzone.store.accounts import put_user
from xferzone.sync.client.options import Account
from xferzone.transport import Body, InProcess

DEV = Options(account=Account("dev", "pw"))
CODE = "7e" * 20


class Watching(Silent):
    """Notes the totals of sessions and what came of requests."""

    def __init__(self) -> None:
        self.rounds: list[Traffic] = []
        self.totals: list[Traffic] = []
        self.answered: list[Answered] = []

    def round_ended(self, _context: object, round_: Traffic, _so_far: Traffic, /) -> None:
        self.rounds.append(round_)

    def session_ended(self, _context: object, so_far: Traffic, /) -> None:
        self.totals.append(so_far)

    def request_ended(self, _context: object, answered: Answered, /) -> None:
        self.answered.append(answered)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Store]:
    make.make(tmp_path / "there.xferzone", admin="ops", project_code=CODE, now_ms=1_790_000_000_000)
    with Store.open(tmp_path / "there.xferzone") as store:
        with store.writer() as writer:
            put_user(writer, "dev", "pw", "gioy")
        yield store


@pytest.fixture
def here(there: Store, tmp_path: Path) -> Iterator[Store]:
    there.back_up(tmp_path / "here.xferzone")
    with Store.open(tmp_path / "here.xferzone") as store:
        with store.writer() as writer:
            writer.set_setting("role", schema.CLONE)
        yield store


def way(store: Store, terms: Terms | None = None) -> InProcess:
    return InProcess(lambda body: exchange.answer(store, body, terms).body, "http://dns.example.net/")


def put(store: Store, **files: bytes | None) -> None:
    with store.writer() as writer:
        for name, content in files.items():
            unversioned.put_own(writer, name, content, 1_000)


def held(store: Store) -> dict[str, bytes]:
    with store.reader() as reader:
        return {each.name: unversioned.content(reader, each.name) for each in unversioned.files(reader)}


BOTH = {"own": b"own\n", "theirs": b"theirs\n"}


@pytest.mark.parametrize(
    ("pull", "push", "ours", "others"),
    [
        (True, True, BOTH, BOTH),
        (True, False, BOTH, {"theirs": b"theirs\n"}),
        (False, True, {"own": b"own\n"}, BOTH),
    ],
)
@pytest.mark.parametrize("alone", [True, False])
def test_files_go_the_ways_that_are_asked_for(
    here: Store, there: Store, alone: bool, pull: bool, push: bool, ours: object, others: object
) -> None:
    put(here, own=b"own\n")
    put(there, theirs=b"theirs\n")
    options = replace(DEV, pull=pull, push=push, unversioned=True)
    done = (exchange.sync_unversioned if alone else exchange.sync)(here, way(there), options)
    assert (done.errors, done.uv_is_denied, done.uv_absent, done.uv_left_out) == ((), False, (), ())
    assert (held(here), held(there)) == (ours, others)
    assert (done.traffic.uv_received, done.traffic.uv_sent) == (int(pull), int(push))


@pytest.mark.parametrize("alone", [True, False])
def test_a_mirror_only_takes(here: Store, there: Store, alone: bool) -> None:
    put(here, own=b"own\n")
    put(there, theirs=b"theirs\n")
    with here.writer() as writer:
        writer.set_setting("role", schema.MIRROR)
    run = exchange.sync_unversioned if alone else exchange.sync
    done = run(here, way(there), replace(DEV, unversioned=True))
    assert (held(here), held(there)) == (BOTH, {"theirs": b"theirs\n"})
    assert not done.uv_is_denied


def test_a_plain_sync_has_none_of_them(here: Store, there: Store) -> None:
    put(there, theirs=b"theirs\n")
    exchange.sync(here, way(there), DEV)
    assert held(here) == {}


def test_a_clone_takes_them_if_asked(there: Store, tmp_path: Path) -> None:
    put(there, theirs=b"theirs\n", gone=b"x")
    put(there, gone=None)
    for name, wants, expected in (("with", True, {"theirs": b"theirs\n"}), ("without", False, {})):
        exchange.clone(tmp_path / name, way(there), replace(DEV, unversioned=wants))
        with Store.open(tmp_path / name) as store:
            assert held(store) == expected


def test_observers_of_both_ends_count_them(here: Store, there: Store) -> None:
    put(here, one=b"1", two=b"2")
    put(there, three=b"3")
    watching, server = Watching(), Watching()
    done = exchange.sync_unversioned(
        here, way(there, Terms(observer=server)), replace(DEV, observer=watching)
    )
    counts = [(each.uv_sent, each.uv_received, each.uv_gimmes) for each in watching.rounds]
    assert counts == [(0, 0, 0), (2, 1, 1)]
    assert watching.totals == [done.traffic]
    assert [(each.uv_sent, each.uv_received, each.uv_gimmes) for each in server.answered] == [
        (0, 0, 0),
        (1, 2, 1),
    ]


def test_who_lacks_the_right_is_told_once_all_else_is_done(here: Store, there: Store) -> None:
    with there.writer() as writer:
        put_user(writer, "dev", "pw", "gio")
    put(here, own=b"own\n")
    put(there, theirs=b"theirs\n")
    done = exchange.sync_unversioned(here, way(there), DEV)
    assert done.uv_is_denied
    assert (held(here), held(there)) == (BOTH, {"theirs": b"theirs\n"})


@pytest.mark.parametrize("round_", [1, 2])
def test_a_cut_leaves_what_was_there(here: Store, there: Store, round_: int) -> None:
    """The reply of that round never comes, then half of it does."""
    with here.writer() as writer:
        unversioned.put_own(writer, "f", b"old\n", 500)
    put(there, f=b"new, and longer\n")
    for keeps in (0.0, 0.5):
        asked: list[Body] = []

        def cut(body: Body, keeps: float = keeps, asked: list[Body] = asked) -> Body:
            asked.append(body)
            reply = exchange.answer(there, body).body
            if len(asked) < round_:
                return reply
            with reply:
                text = decode_body(reply.content_type, reply.octets.read(), limit=10_000, coded=reply.coding)
            if not keeps:
                raise PeerError("the connection was closed")
            return Body.of(UNCOMPRESSED, text[: int(len(text) * keeps)])

        with pytest.raises(PeerError):
            exchange.sync_unversioned(here, InProcess(cut), DEV)
        assert held(here) == {"f": b"old\n"}
    exchange.sync_unversioned(here, way(there), DEV)
    assert held(here) == {"f": b"new, and longer\n"}


def test_a_large_file_goes_both_ways(here: Store, there: Store) -> None:
    large = bytes(range(256)) * 40_000  # beyond the budgets of requests, replies and small requests
    put(here, own=large)
    put(there, theirs=large)
    done = exchange.sync_unversioned(here, way(there), DEV)
    assert done.errors == ()
    assert held(here) == held(there) == {"own": large, "theirs": large}
