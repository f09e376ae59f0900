"""Rows of synced tables come to mirrors by the walk: which, when, at what cost, and who may ask for them."""

from dataclasses import replace

import pytest

from tests.exchange.mirror.test_follower import (
    FIRST,
    OPS,
    SECOND,
    Make,
    Network,
    commit,
    mirror,
    network,
    primary,
)
from tests.publish.project import Project
from tests.replicate.peer import ask
from xferzone.cards import Card, Pragma, UVGimme, XRow, XTable, XWant, encode_cards
from xferzone.cards.extension import TablesAsked, introduced
from xferzone.cards.session import shared_secret
from xferzone.env import SYSTEM
from xferzone.errors import PeerError
from xferzone.exchange.mirror.following import Following
from xferzone.replicate.messages import TABLES_HEADER, TABLES_TYPE
from xferzone.replicate.server import Terms, respond
from xferzone.replicate.signing import Signed, Signer, body_hash
from xferzone.repository import tables as changes
from xferzone.store import Store, tables, unversioned
from xferzone.store.accounts import put_user
from xferzone.store.check import faults
from xferzone.sync.client.options import Account
from xferzone.tables.definition import Definition, made
from xferzone.transport.walk import WalkReply, WalkRequest

__all__ = ["mirror", "network", "primary"]  # fixtures

PAIRS = made("pairs", (("k", "text"), ("v", "integer")), ("k",), "mtime-wins")
OWNED = made("owned", (("k", "text"), ("v", "integer")), ("k",), "owner-write")
PEERS = made("peers", (("login", "text"), ("v", "integer")), ("login",), "self-write")
ANN = Account("ann", "pw-ann")
TABLES = "/v0/tables"


def write(store: Store, definition: Definition, login: str, key: str, value: int | None) -> None:
    """A row is written, or deleted where `value` is None."""
    with store.writer() as writer:
        if tables.table(writer, definition.name) is None:
            tables.define(writer, definition, 5)
        values = {definition.key[0]: key, "v": value}
        if value is None:
            changes.remove(writer, definition.name, values, login, SYSTEM.clock_ms())
        else:
            changes.put(writer, definition.name, values, login, SYSTEM.clock_ms())


def rows(store: Store, name: str = "pairs") -> dict[object, tuple[object, str]]:
    """Value and owner of each, by key."""
    with store.reader() as reader:
        assert list(faults.faults(reader)) == []
        table = tables.table(reader, name)
        found = [] if table is None else list(tables.rows(reader, table.definition))
        return {values[table.definition.key[0]]: (values["v"], row.owner) for row, values in found if table}


def asked(network: Network) -> list[str]:
    """The targets that were asked for since the last call."""
    targets = [target for _, _, target in network.asked]
    network.asked.clear()
    return targets


def test_a_mirror_has_the_rows_of_its_primary(primary: Project, mirror: Make) -> None:
    write(primary.store, PAIRS, "ann", "a", 2**70)
    write(primary.store, OWNED, "bob", "x", 3)
    copy = mirror()
    assert copy.pull().rows == 2
    assert (rows(copy.store), rows(copy.store, "owned")) == ({"a": (2**70, "ann")}, {"x": (3, "bob")})
    write(primary.store, PAIRS, "carl", "b", 1)
    write(primary.store, PAIRS, "ann", "a", None)
    pulled = copy.pull()
    assert (pulled.is_new, pulled.rows) == (False, 2)
    assert rows(copy.store) == {"b": (1, "carl")}


def test_a_poll_with_the_same_rows_is_one_request(primary: Project, mirror: Make, network: Network) -> None:
    copy = mirror()
    copy.pull()
    assert TABLES not in asked(network), "there are none"
    write(primary.store, PAIRS, "ann", "a", 1)
    copy.pull()
    assert TABLES in asked(network)
    copy.pull()
    assert asked(network) == ["/v0/refs"]
    mirror().pull()  # another program, which knows nothing yet
    assert asked(network) == ["/v0/refs"]
    commit(primary.store, "192.0.2.9")
    copy.pull()
    assert TABLES not in asked(network)


def test_a_mirror_of_a_mirror_has_them_too(primary: Project, mirror: Make, network: Network) -> None:
    write(primary.store, OWNED, "bob", "x", 3)
    first = mirror()
    first.pull()
    with first.store.writer() as writer:
        put_user(writer, "ops", "pw-ops", "o")
    network.serve(SECOND, first.store)
    second = mirror(SECOND, name="second.xferzone")
    assert second.pull().rows == 1
    assert rows(second.store, "owned") == {"x": (3, "bob")}


def test_without_the_option_none_are_taken(primary: Project, mirror: Make, network: Network) -> None:
    write(primary.store, PAIRS, "ann", "a", 1)
    copy = mirror(options=Following(account=OPS, tables=False))
    assert copy.pull().rows == 0
    assert rows(copy.store) == {}
    by_xfer = mirror(options=Following(account=OPS, tables=False, via="xfer"), name="by_xfer.xferzone")
    assert (by_xfer.pull().rows, rows(by_xfer.store)) == (0, {})


def test_both_roads_bring_the_same(primary: Project, mirror: Make) -> None:
    for number in range(30):
        write(primary.store, PAIRS, "ann", f"k{number}", number)
    walked, by_xfer = mirror(), mirror(options=Following(account=OPS, via="xfer"), name="by_xfer.xferzone")
    assert walked.pull().rows == by_xfer.pull().rows == 30
    assert rows(walked.store) == rows(by_xfer.store) == rows(primary.store)


def test_unversioned_files_stay_where_they_are(primary: Project, mirror: Make) -> None:
    with primary.store.writer() as writer:
        unversioned.put_own(writer, "notes.txt", b"notes\n", 1_000)
    write(primary.store, PAIRS, "ann", "a", 1)
    copy = mirror()
    copy.pull()
    with copy.store.reader() as reader:
        assert unversioned.files(reader) == []


def test_of_the_registry_an_account_gets_its_own_rows(
    primary: Project, mirror: Make, network: Network
) -> None:
    with primary.store.writer() as writer:
        put_user(writer, "ann", "pw-ann", "o")
    for login in ("ann", "bob"):
        write(primary.store, PEERS, login, login, 1)
    ann = mirror(options=Following(account=ANN))
    ann.pull()
    assert set(rows(ann.store, "peers")) == {"ann"}
    asked(network)
    ann.pull()
    write(primary.store, PEERS, "bob", "bob", 2)
    ann.pull()
    assert asked(network) == ["/v0/refs"] * 2, "what she does not see is no news"
    ops = mirror(name="ops.xferzone")
    ops.pull()
    assert set(rows(ops.store, "peers")) == {"ann", "bob"}


def test_tables_that_do_not_come_keep_no_zone_back(primary: Project, mirror: Make, network: Network) -> None:
    write(primary.store, PAIRS, "ann", "a", 1)
    answer = network.walks[FIRST]

    def fails(request: WalkRequest) -> WalkReply:
        if request.target == TABLES:
            raise PeerError("the line is cut")
        return answer(request)

    network.walks[FIRST] = fails
    copy = mirror()
    pulled = copy.pull()
    assert copy.tips()
    assert (pulled.rows, len(pulled.notes), rows(copy.store)) == (0, 1, {})
    assert "rows of synced tables do not come: the line is cut" in pulled.notes[0]
    assert copy.pull().notes == (), "told once"
    network.walks[FIRST] = answer
    assert copy.pull().rows == 1


def test_a_row_that_was_damaged_on_the_way_is_not_taken(
    primary: Project, mirror: Make, network: Network
) -> None:
    write(primary.store, PAIRS, "ann", "a", 1)
    answer = network.walks[FIRST]

    def forged(request: WalkRequest) -> WalkReply:
        if request.target != TABLES:
            return answer(request)
        plain = {name: value for name, value in request.headers.items() if name != "accept-encoding"}
        reply = answer(replace(request, headers=plain))
        octets = b"".join(reply.body).replace(b'{"k":"a"', b'{"k":"b"')
        headers = {**reply.headers, "x-content-sha256": body_hash(octets)}
        return WalkReply(200, headers, (each for each in [octets]))

    network.walks[FIRST] = forged
    copy = mirror()
    assert any("KEY is not the hash" in note for note in copy.pull().notes)
    assert rows(copy.store) == {}


# -- one request


@pytest.fixture
def store(primary: Project) -> Store:
    with primary.store.writer() as writer:
        put_user(writer, "ann", "pw-ann", "o")
        put_user(writer, "none", "pw-none", "g")
    write(primary.store, PAIRS, "ann", "a", 1)
    return primary.store


def signed(store: Store, method: str, target: str, octets: bytes, login: str) -> dict[str, str]:
    with store.reader() as reader:
        code = reader.project_code
    stated = body_hash(octets)
    signer = Signer(login, shared_secret(code, login, f"pw-{login}"))
    what = Signed(code, "localhost", method, target, stated)
    return {
        "authorization": signer.authorization(what, int(SYSTEM.clock_ms() / 1000) + 60),
        "x_content_sha256": stated,
    }


def send(store: Store, login: str, *cards: Card, content_type: str = TABLES_TYPE) -> tuple[int, bytes]:
    octets = encode_cards(list(cards))
    headers = signed(store, "POST", TABLES, octets, login)
    answer = ask(store, "POST", TABLES, octets, Terms("localhost"), content_type=content_type, **headers)
    return answer.status, answer.body


def test_who_may_read_is_told_and_nobody_else(store: Store) -> None:
    question = (introduced(), TablesAsked("").pragma())
    status, told = send(store, "ann", *question)
    assert (status, b"xtable pairs " in told) == (200, True)
    assert send(store, "none", *question)[0] == 403
    assert ask(store, "POST", TABLES, b"", Terms("localhost"), content_type=TABLES_TYPE).status == 401
    assert send(store, "ann", *question, content_type="application/json")[0] == 415
    headers = signed(store, "GET", "/v0/refs", b"", "ann")
    answer = ask(store, "GET", "/v0/refs", b"", Terms("localhost"), authorization=headers["authorization"])
    assert TABLES_HEADER in answer.headers


@pytest.mark.parametrize(
    "card",
    [
        XRow("pairs", PAIRS.key_hash({"k": "b"}), 9, "", PAIRS.content({"k": "b", "v": 1})),
        XTable("pairs", 9, PAIRS.hash, "0" * 64, PAIRS.encode()),
        UVGimme("notes.txt"),
        Pragma("uv-hash", ("0" * 40,)),
        Pragma("send-private"),
    ],
    ids=lambda card: str(card.encode()[:20]),
)
def test_what_brings_something_or_asks_for_something_else_is_refused_whole(store: Store, card: Card) -> None:
    before = rows(store)
    status, told = send(store, "ops", XWant("pairs", PAIRS.key_hash({"k": "a"})), card)
    assert (status, b"only questions about synced tables" in told) == (400, True)
    assert rows(store) == before


def test_a_primary_without_tables_names_none(primary: Project) -> None:
    headers = signed(primary.store, "GET", "/v0/refs", b"", "ops")
    own = {"authorization": headers["authorization"]}
    answer = respond(primary.store, WalkRequest("GET", "/v0/refs", own, b""), Terms("localhost"))
    assert (answer.status, TABLES_HEADER in answer.headers) == (200, False)
