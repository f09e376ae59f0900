"""Bodies in zstd between two xferzones: who gets them and when, and what proxies between them may do."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

import pytest

from tests.exchange.test_sync import FROM, OPS, commit
from tests.publish.project import MAIN_BRANCH, NOW, Project, zone_text
from xferzone import exchange
from xferzone.cards import CFile, CloneSeqno, Error, File, parse_cards
from xferzone.cards.body import COMPRESSED, UNCOMPRESSED, decode_body
from xferzone.cards.coding import pack
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.errors import PeerError
from xferzone.exchange import Budget, Options, Terms
from xferzone.refs import LocalRefs
from xferzone.store import Store
from xferzone.store.accounts import put_user
from xferzone.transport import Body, InProcess
from xferzone.zone.changes import parse_change

RECORDS = 300
OURS = b"pragma xferzone 1\n"


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path)
    hosts = (f"h{number} 300 A 192.0.2.{number % 250}" for number in range(RECORDS))
    assert project.push(project.manifest(zone_text("www 300 A 192.0.2.1", *hosts))) == []
    with project.store.writer() as writer:
        put_user(writer, "ops", "pw-ops", "s")
        put_user(writer, "nobody", "", "go")
    yield project
    project.store.close()


@dataclass
class Line:
    """To a store, past somebody who changes headers; remembers the codings and sizes there and back."""

    store: Store
    terms: Terms = field(default_factory=Terms)
    there: Callable[[Body], Body] = lambda body: body
    back: Callable[[Body], Body] = lambda body: body
    codings: list[tuple[str, str]] = field(default_factory=list)
    size: int = 0

    def transport(self) -> InProcess:
        return InProcess(self._answered, "http://dns.example.net/")

    def _answered(self, body: Body) -> Body:
        body = self.there(body)
        reply = exchange.answer(self.store, body, self.terms)
        self.codings.append((body.coding, reply.body.coding))
        self.size += reply.size + body.octets.seek(0, 2)
        return self.back(reply.body)


def clone(line: Line, path: Path) -> None:
    done = exchange.clone(path, line.transport(), Options(account=OPS, remote=FROM))
    assert not done.errors
    with Store.open(path) as store, store.reader() as reader, line.store.reader() as other:
        assert set(reader.artifacts()) == set(other.artifacts())
        assert LocalRefs(reader).get(MAIN_BRANCH) is not None


def sync(line: Line, path: Path) -> None:
    with Store.open(path) as store:
        assert not exchange.sync(store, line.transport(), Options(account=OPS, remote=FROM)).errors


@dataclass
class Said:
    """A reply, read to its end."""

    content_type: str
    coding: str
    size: int
    cards: list[object]


def said(store: Store, text: bytes, coding: str = "", *, takes_zstd: bool = False) -> Said:
    reply = exchange.answer(store, Body.of(UNCOMPRESSED, text, coding, takes_zstd=takes_zstd))
    with reply.body as body:
        text = decode_body(body.content_type, reply.octets(), limit=10**8, coded=body.coding)
        return Said(body.content_type, body.coding, reply.size, list(parse_cards(text)))


def test_a_clone_comes_in_zstd_from_its_first_reply_on(primary: Project, tmp_path: Path) -> None:
    line = Line(primary.store)
    clone(line, tmp_path / "c.xferzone")
    assert {back for _, back in line.codings} == {"zstd"}
    # The server has sent no pragma of ours while it was cloned from: the first request that may be zstd is after that.
    assert line.codings[0][0] == ""


def test_requests_are_in_zstd_once_the_server_has_shown_that_it_reads_it(
    primary: Project, tmp_path: Path
) -> None:
    line = Line(primary.store, Terms(budget=Budget(bytes=1_000)))
    clone(line, tmp_path / "c.xferzone")
    for number in range(2, 30):
        commit(primary.store, f"192.0.2.{number}")
    line.codings.clear()
    sync(line, tmp_path / "c.xferzone")
    assert line.codings[0] == ("", "zstd")
    assert len(line.codings) > 2
    assert set(line.codings[1:]) == {("zstd", "zstd")}


def test_rounds_of_a_clone_end_within_the_budget(primary: Project, tmp_path: Path) -> None:
    for number in range(2, 100):
        commit(primary.store, f"192.0.2.{number}")
    line = Line(primary.store, Terms(budget=Budget(bytes=5_000)))
    clone(line, tmp_path / "c.xferzone")
    assert len(line.codings) > 3


@pytest.mark.parametrize("pragma", [b"", b"pragma client-version 22100 20230226 192424\n"])
@pytest.mark.parametrize("takes_zstd", [True, False])
def test_stock_never_sees_it(primary: Project, pragma: bytes, takes_zstd: bool) -> None:
    # A proxy may say for it that it does.
    reply = said(primary.store, pragma + b"clone 3 1\n", takes_zstd=takes_zstd)
    assert (reply.content_type, reply.coding) == (UNCOMPRESSED, "")
    kinds = {type(card) for card in reply.cards}
    assert {CFile, CloneSeqno} <= kinds
    assert File not in kinds


def test_ours_get_it_where_http_says_that_they_read_it(primary: Project) -> None:
    text = OURS + b"clone 3 1\n"
    plain = said(primary.store, text)
    assert plain.coding == ""
    reply = said(primary.store, text, takes_zstd=True)
    assert (reply.content_type, reply.coding) == (UNCOMPRESSED, "zstd")
    assert reply.size < plain.size
    assert CFile not in {type(card) for card in reply.cards}


def _stripped(body: Body) -> Body:
    return replace(body, takes_zstd=False)


def _unpacked(body: Body) -> Body:
    """What a proxy passes on that reads zstd for those behind it."""
    with body:
        octets = body.octets.read()
    return Body.of(body.content_type, decode_body(body.content_type, octets, limit=10**8, coded=body.coding))


def _packed(body: Body) -> Body:
    """What a proxy passes on that packs every plain reply."""
    if body.coding or body.content_type == COMPRESSED:
        return body
    into = BytesIO()
    with body:
        pack([body.octets.read()], into)
    into.seek(0)
    return Body(body.content_type, into, "zstd")


@pytest.mark.parametrize(
    ("there", "back"),
    [
        (_stripped, lambda body: body),
        (lambda body: body, _unpacked),
        (_stripped, _packed),
    ],
)
def test_a_proxy_in_between_does_no_harm(
    primary: Project, tmp_path: Path, there: Callable[[Body], Body], back: Callable[[Body], Body]
) -> None:
    line = Line(primary.store, Terms(budget=Budget(bytes=1_000)), there, back)
    clone(line, tmp_path / "c.xferzone")
    for number in range(2, 30):
        commit(primary.store, f"192.0.2.{number}")
    sync(line, tmp_path / "c.xferzone")


@pytest.mark.parametrize("user", ["nobody", "ops"])
@pytest.mark.parametrize(
    "octets", [b"pull x y\n", b"", bytes(2_000_000), b"\x28\xb5\x2f\xfd" + b"\xff" * 100]
)
def test_a_request_that_is_not_what_it_says_is_refused(primary: Project, octets: bytes, user: str) -> None:
    with primary.store.writer() as writer:
        put_user(writer, "nobody", "", "go" if user == "ops" else "")
    (card,) = said(primary.store, octets, "zstd").cards
    assert isinstance(card, Error)
    assert "said to be in zstd" in card.text


def test_a_request_that_grows_too_large_is_refused(primary: Project) -> None:
    into = BytesIO()
    pack([b"pull x y\n", b"#\n" * 10_000_000], into)
    assert len(into.getvalue()) < 100_000
    (card,) = said(primary.store, into.getvalue(), "zstd").cards
    assert isinstance(card, Error)
    assert "when expanded" in card.text


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        (b"clone_seqno 0\n", "said to be in zstd"),
        (b"", "said to be in zstd"),
        (bytes(40), "said to be in zstd"),
    ],
)
def test_a_reply_that_is_not_what_it_says_ends_the_clone(tmp_path: Path, octets: bytes, words: str) -> None:
    transport = InProcess(lambda _: Body.of(UNCOMPRESSED, octets, "zstd"))
    with pytest.raises(PeerError, match=words):
        exchange.clone(tmp_path / "c.xferzone", transport)
    assert not (tmp_path / "c.xferzone").exists()


def test_a_reply_that_grows_too_large_ends_the_clone(tmp_path: Path) -> None:
    into = BytesIO()
    pack([bytes(1_000_000)] * 90, into)
    transport = InProcess(lambda _: Body.of(UNCOMPRESSED, into.getvalue(), "zstd"))
    with pytest.raises(PeerError, match="too large: over"):
        exchange.clone(tmp_path / "c.xferzone", transport)


def test_a_change_of_one_record_in_a_large_zone_costs_under_4_kb_both_ways(tmp_path: Path) -> None:
    rng = random.Random(7)
    project = Project(tmp_path)
    hosts = [
        f"h{n} 300 A 10.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}"
        for n in range(100_000)
    ]
    with project.store.writer() as writer:
        put_user(writer, "ops", "pw-ops", "s")
    assert project.push(project.manifest(zone_text("www 300 A 192.0.2.1", *hosts))) == []
    _change(project.store, "h1", "192.0.2.1", 1)  # brings the zone into its own form, in files
    line = Line(project.store)
    clone(line, tmp_path / "c.xferzone")
    costs = []
    for number in range(2, 5):
        _change(project.store, f"h{number * 30_000}", f"192.0.2.{number}", number)
        line.size = 0
        sync(line, tmp_path / "c.xferzone")
        costs.append(line.size)
    assert max(costs) < 4_000, costs
    project.store.close()


def _change(store: Store, host: str, address: str, number: int) -> None:
    with store.writer() as writer:
        change = parse_change("set", [f"{host}.example.com.", "A", address])
        Edit(writer, LocalRefs(writer), MAIN_BRANCH, Author("ops", NOW + number * 1_000)).change(
            [change], "set"
        )
