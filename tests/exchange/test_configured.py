"""The recorded rounds of configuration, replayed: our server answers as stock's, our client asks and takes so.

What is ours alone is left out of both: accounts, whose passwords stay where they are, and the policy of hashes.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sync import recorded
from xferzone import exchange
from xferzone.cards import Config, Message, ReqConfig, parse_cards
from xferzone.cards.body import UNCOMPRESSED, decode_body
from xferzone.cards.rows import parse
from xferzone.exchange import Options, sync_configuration
from xferzone.store import Store, accounts
from xferzone.sync.client.options import Account
from xferzone.sync.configuration import ALL, AREAS, rows_of
from xferzone.transport import Body, Canned

PUSHED = {"config-push-skin": "skin", "config-push-all": "all", "config-push-older": "skin"}
PULLED = {"config-pull-skin": "skin", "config-pull-reader": "all", "config-pull-all": "all"}
DEV = Account("dev", recorded.PASSWORDS["dev"])

Told = tuple[str, str, int, bytes]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty repository of the recorded project, with its users."""
    with Store.create(tmp_path / "r.xferzone", recorded.project_of("config-push-all")) as store:
        with store.writer() as writer:
            accounts.put_user(writer, "dev", recorded.PASSWORDS["dev"], "s")
            accounts.put_user(writer, "ro", recorded.PASSWORDS["ro"], "go")
        yield store


def bodies(name: str) -> tuple[bytes, bytes]:
    """Request and reply of the one round of a scenario."""
    ((request, reply),) = recorded.scenario(name)
    return request, reply


def rows(body: bytes) -> set[Told]:
    """The rows that a body carries."""
    parsed = [parse(card) for card in parse_cards(body) if isinstance(card, Config)]
    found = [row for row in parsed if row is not None and row.table != "user" and row.key != "hash-policy"]
    return {(row.table, row.key, row.mtime, row.written()) for row in found}


def held(store: Store) -> set[Told]:
    """The rows that are here."""
    with store.reader() as reader:
        found = [row for row in rows_of(reader, ALL, with_accounts=False) if row.key != "hash-policy"]
    return {(row.table, row.key, row.mtime, row.written()) for row in found}


def wished(body: bytes) -> frozenset[object]:
    """The areas that a request asks for."""
    cards = [card for card in parse_cards(body) if isinstance(card, ReqConfig)]
    return frozenset(area for card in cards for area in AREAS[card.area.removeprefix("/")])


def answer(store: Store, request: bytes) -> bytes:
    with exchange.answer(store, Body.of(UNCOMPRESSED, request)).body as reply:
        return decode_body(reply.content_type, reply.octets.read(), limit=10**6, coded=reply.coding)


def asked(store: Store, reply: bytes, area: str, *, pulls: bool) -> bytes:
    """What our client asks a server that answers so; what came is taken."""
    way = Canned([(UNCOMPRESSED, reply)])
    done = sync_configuration(store, way, [area], Options(pull=pulls, push=not pulls, account=DEV))
    assert done.errors == ()
    ((content_type, octets),) = way.requests
    return decode_body(content_type, octets, limit=10**6)


@pytest.mark.parametrize("name", ["config-push-skin", "config-push-all"])
def test_our_server_takes_what_stock_pushes(store: Store, name: str) -> None:
    request, reply = bodies(name)
    ours = answer(store, request)
    messages = [card for card in parse_cards(ours) if isinstance(card, Message)]
    assert recorded.said(ours, {}) - recorded.said(reply, {}) == recorded.words(messages)
    assert [card.text for card in messages] == (
        ["what nobody, anonymous, reader and developer may is left as it is"] if "all" in name else []
    )
    assert held(store) == rows(request) != set()


def test_our_server_keeps_the_newer_row_as_stock_did(store: Store) -> None:
    request, reply = bodies("config-push-older")
    answer(store, bodies("config-push-all")[0])
    newer = {row for row in rows(bodies("config-pull-skin")[1]) if row[1] == "css"}
    asked(store, bodies("config-pull-skin")[1], "skin", pulls=True)
    before = held(store)
    assert recorded.said(answer(store, request), {}) == recorded.said(reply, {})
    assert held(store) == before >= newer
    assert not newer & rows(request)


def test_our_server_refuses_whom_stock_refused(store: Store) -> None:
    request, reply = bodies("config-push-refused")
    assert recorded.said(answer(store, request), {}) == recorded.said(reply, {}) != {}
    assert held(store) == set()


@pytest.mark.parametrize("name", PULLED)
def test_our_server_gives_what_stock_gave(store: Store, name: str) -> None:
    asked(store, bodies("config-pull-all")[1], "all", pulls=True)
    request, reply = bodies(name)
    assert rows(reply) != set()
    assert recorded.said(answer(store, request), {}) == recorded.said(reply, {})


@pytest.mark.parametrize(("name", "area"), PULLED.items())
def test_our_client_asks_as_stock_and_takes_all_that_it_gets(store: Store, name: str, area: str) -> None:
    request, reply = bodies(name)
    assert wished(asked(store, reply, area, pulls=True)) == wished(request) != frozenset()
    assert held(store) == rows(reply) != set()


@pytest.mark.parametrize(("name", "area"), PUSHED.items())
def test_our_client_gives_the_rows_that_stock_gave(store: Store, name: str, area: str) -> None:
    answer(store, bodies("config-push-all")[0])
    request, reply = bodies(name)
    assert rows(asked(store, reply, area, pulls=False)) == rows(request) != set()
