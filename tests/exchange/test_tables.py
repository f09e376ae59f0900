"""Synced tables between two stores of this process: which way rows go, who may write them, and what a peer may not."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.statements import noted
from tests.sync.recorded import signed
from xferzone import __version__, exchange
from xferzone.cards import Card, Error, Message, Pragma, Pull, XDelete, XRow, XTable, XWant, encode_cards
from xferzone.cards.body import UNCOMPRESSED, decode_body
from xferzone.cards.extension import TablesAsked, introduced
from xferzone.env import SYSTEM
from xferzone.errors import PeerError
from xferzone.exchange import Options, Terms
from xferzone.observer import Answered, Silent
from xferzone.repository import make
from xferzone.repository import tables as own
from xferzone.store import Store, schema, tables
from xferzone.store.accounts import User, put_stored, put_user, user
from xferzone.store.check import faults
from xferzone.sync.client import registry
from xferzone.sync.client.options import Account
from xferzone.sync.server.budget import Budget
from xferzone.tables.canonical import Value
from xferzone.tables.definition import Definition, made
from xferzone.transport import Body, InProcess

CODE = "7e" * 20
ANN, BOB, ROOT, EVE = (Options(account=Account(login, "pw")) for login in ("ann", "bob", "root", "eve"))
CAPS = {"ann": "gio", "bob": "gio", "root": "s", "eve": "go"}

PAIRS = made("pairs", (("k", "text"), ("v", "integer")), ("k",), "mtime-wins")
SELF = made("mine", (("who", "text"), ("v", "integer")), ("who",), "self-write")
OWNED = made("owned", (("k", "text"), ("v", "integer")), ("k",), "owner-write")
PEERS = made("peers", (("login", "text"), ("v", "integer")), ("login",), "self-write")
ALL = (PAIRS, SELF, OWNED)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[Store]:
    make.make(tmp_path / "there.xferzone", admin="ops", project_code=CODE, now_ms=1_790_000_000_000)
    with Store.open(tmp_path / "there.xferzone") as store:
        with store.writer() as writer:
            for login, caps in CAPS.items():
                put_user(writer, login, "pw", caps)
        yield store


@pytest.fixture
def here(there: Store, tmp_path: Path) -> Iterator[Store]:
    yield from copy_of(there, tmp_path / "here.xferzone")


@pytest.fixture
def third(there: Store, tmp_path: Path) -> Iterator[Store]:
    yield from copy_of(there, tmp_path / "third.xferzone")


def copy_of(there: Store, path: Path) -> Iterator[Store]:
    there.back_up(path)
    with Store.open(path) as store:
        with store.writer() as writer:
            writer.set_setting("role", schema.CLONE)
        yield store


def way(store: Store, terms: Terms | None = None) -> InProcess:
    return InProcess(lambda body: exchange.answer(store, body, terms).body, "http://dns.example.net/")


def define(*stores: Store, definitions: Sequence[Definition] = ALL) -> None:
    for store in stores:
        with store.writer() as writer:
            for each in definitions:
                tables.define(writer, each, 5)


def put(store: Store, login: str, name: str, key: str, value: int | None, later: int = 0) -> None:
    with store.writer() as writer:
        definition = tables.needed(writer, name).definition
        values: dict[str, Value] = {definition.key[0]: key, "v": value}
        now_ms = SYSTEM.clock_ms() + later
        if value is None:
            own.remove(writer, name, values, login, now_ms)
        else:
            own.put(writer, name, values, login, now_ms)


def held(store: Store, name: str = "pairs") -> dict[object, object]:
    with store.reader() as reader:
        table = tables.table(reader, name)
        if table is None:
            return {}
        rows = [values for _, values in tables.rows(reader, table.definition)]
        return {values[table.definition.key[0]]: values.get("v") for values in rows}


def catalogue(store: Store) -> str:
    with store.reader() as reader:
        assert list(faults.faults(reader)) == []
        return tables.catalogue_hash(tables.tables(reader))


def sync(here: Store, there: Store, options: Options = ROOT, terms: Terms | None = None) -> exchange.Outcome:
    done = exchange.sync(here, way(there, terms), options)
    assert done.errors == ()
    return done


def row(definition: Definition, key: str, value: int, mtime: int | None = None) -> XRow:
    values: dict[str, Value] = {definition.key[0]: key, "v": value}
    now = SYSTEM.clock_ms() if mtime is None else mtime
    return XRow(definition.name, definition.key_hash(values), now, "", definition.content(values))


def asked(store: Store, login: str, *cards: Card) -> list[Card]:
    """What the server answers to these cards of an account."""
    text = signed(login, "pw", encode_cards([introduced(), *cards]), CODE)
    with exchange.answer(store, Body.of(UNCOMPRESSED, text)).body as reply:
        octets = decode_body(reply.content_type, reply.octets.read(), limit=10**7, coded=reply.coding)
    from xferzone.cards import parse_cards

    return list(parse_cards(octets))


def messages(cards: Sequence[Card]) -> str:
    return "\n".join(card.text for card in cards if isinstance(card, Message | Error))


NARROW = made("pairs", (("k", "text"),), ("k",), "mtime-wins")


# -- which way


@pytest.mark.parametrize(
    ("pull", "push", "ours", "others"),
    [
        (True, True, {"a": 1, "b": 2}, {"a": 1, "b": 2}),
        (True, False, {"a": 1, "b": 2}, {"b": 2}),
        (False, True, {"a": 1}, {"a": 1, "b": 2}),
    ],
)
def test_rows_go_the_ways_that_artifacts_go(
    here: Store, there: Store, pull: bool, push: bool, ours: object, others: object
) -> None:
    define(here, there)
    put(here, "root", "pairs", "a", 1)
    put(there, "root", "pairs", "b", 2)
    done = sync(here, there, replace(ROOT, pull=pull, push=push))
    assert (held(here), held(there)) == (ours, others)
    assert (done.traffic.rows_received, done.traffic.rows_sent) == (int(pull), int(push))
    assert (done.tables_are_denied, done.tables_left_out) == (False, ())


def test_definitions_travel_and_a_clone_has_all(here: Store, there: Store, tmp_path: Path) -> None:
    define(here)
    put(here, "root", "pairs", "a", 2**80)
    sync(here, there)
    assert held(there) == {"a": 2**80}
    exchange.clone(tmp_path / "clone", way(there), ANN)
    with Store.open(tmp_path / "clone") as clone:
        assert held(clone) == {"a": 2**80}
        assert catalogue(clone) == catalogue(there)
    exchange.clone(tmp_path / "without", way(there), replace(ANN, tables=False))
    with Store.open(tmp_path / "without") as clone:
        assert catalogue(clone) == ""


def test_without_the_option_nothing_is_told(here: Store, there: Store) -> None:
    define(here, there)
    put(here, "root", "pairs", "a", 1)
    sync(here, there, replace(ROOT, tables=False))
    assert held(there) == {}


def test_what_is_equal_ends_at_once(here: Store, there: Store) -> None:
    define(here, there)
    put(here, "root", "pairs", "a", 1)
    assert sync(here, there).traffic.rounds == 3
    assert sync(here, there).traffic.rounds == 1


def test_three_peers_come_to_the_same(here: Store, there: Store, third: Store) -> None:
    define(there)
    for store in (here, third):
        sync(store, there)
    for number in range(30):
        put(here, "root", "pairs", f"h{number}", number)
        put(third, "root", "pairs", f"t{number}", number)
        put(third, "root", "pairs", "both", number)
    put(here, "root", "pairs", "both", -1)
    put(here, "root", "pairs", "h0", None)
    for store in (here, third, here, third):
        sync(store, there)
    assert len({catalogue(store) for store in (here, there, third)}) == 1
    assert len(held(there)) == 60


def test_a_mirror_only_takes(here: Store, there: Store) -> None:
    define(here, there)
    with here.writer() as writer:
        writer.set_setting("role", schema.MIRROR)
    put(here, "root", "pairs", "a", 1)
    put(there, "root", "pairs", "b", 2)
    assert not sync(here, there).tables_are_denied
    assert (held(here), held(there)) == ({"a": 1, "b": 2}, {"b": 2})


def test_a_deleted_row_is_deleted_everywhere_and_may_come_back(here: Store, there: Store) -> None:
    define(here, there)
    put(here, "root", "pairs", "a", 1)
    sync(here, there)
    put(there, "root", "pairs", "a", None)
    sync(here, there)
    assert held(here) == {}
    put(here, "root", "pairs", "a", 7)
    sync(here, there)
    assert held(there) == {"a": 7}


@pytest.mark.parametrize("budget", [1, 1_000, 20_000])
def test_many_rows_go_within_the_budget_of_each_round(here: Store, there: Store, budget: int) -> None:
    define(here, there)
    for store, name in ((here, "h"), (there, "t")):
        with store.writer() as writer:
            for number in range(120):
                own.put(writer, "pairs", {"k": f"{name}{number}", "v": number}, "root", SYSTEM.clock_ms())
    sizes: list[int] = []
    bounded = Terms(budget=Budget(bytes=budget))

    def carried(body: Body) -> Body:
        reply = exchange.answer(there, body, bounded)
        sizes.append(
            len(decode_body(reply.body.content_type, reply.octets(), limit=10**7, coded=reply.body.coding))
        )
        reply.body.octets.seek(0)
        return reply.body

    done = exchange.sync(here, InProcess(carried), replace(ROOT, budget=budget))
    assert done.errors == ()
    assert catalogue(here) == catalogue(there)
    assert len(held(here)) == 240
    assert max(sizes) < budget + 2_000


# -- who may


def test_who_may_only_read_is_told_so_once_all_else_is_done(here: Store, there: Store) -> None:
    define(here, there)
    put(here, "eve", "pairs", "a", 1)
    put(there, "root", "pairs", "b", 2)
    done = sync(here, there, EVE)
    assert done.tables_are_denied
    assert (held(here), held(there)) == ({"a": 1, "b": 2}, {"b": 2})


def test_a_writer_defines_no_table(here: Store, there: Store) -> None:
    define(here)
    put(here, "ann", "pairs", "a", 1)
    assert sync(here, there, ANN).tables_are_denied
    assert catalogue(there) == ""
    (told,) = asked(there, "ann", XTable("pairs", 5, PAIRS.hash, "0" * 64, PAIRS.encode()))
    assert "needs the capability s" in messages([told])
    assert catalogue(there) == ""


def test_each_login_writes_its_own_row(here: Store, there: Store) -> None:
    define(here, there)
    put(here, "ann", "mine", "ann", 1)
    sync(here, there, ANN)
    assert held(there, "mine") == {"ann": 1}
    told = asked(there, "bob", row(SELF, "ann", 666))
    assert "is not taken: it is ann's, and bob asks" in messages(told)
    told = asked(there, "root", row(SELF, "ann", 666))
    assert "is not taken" in messages(told)
    assert held(there, "mine") == {"ann": 1}


def test_who_wrote_a_row_first_owns_it_also_when_it_is_deleted(here: Store, there: Store) -> None:
    define(here, there)
    put(here, "ann", "owned", "a", 1)
    sync(here, there, ANN)
    assert "it is ann's, and bob asks" in messages(asked(there, "bob", row(OWNED, "a", 666)))
    put(here, "ann", "owned", "a", None)
    sync(here, there, ANN)
    assert "it is ann's, and bob asks" in messages(asked(there, "bob", row(OWNED, "a", 666)))
    put(here, "ann", "owned", "a", 3)
    sync(here, there, ANN)
    assert held(there, "owned") == {"a": 3}


def test_who_names_another_owner_is_the_owner_itself(there: Store) -> None:
    define(there)
    asked(there, "bob", replace(row(OWNED, "a", 1), owner="ann"))
    with there.reader() as reader:
        assert [each.owner for each in tables.heads(reader, "owned")] == ["bob"]


def test_of_two_who_make_one_row_the_first_at_the_server_owns_it(
    here: Store, there: Store, third: Store
) -> None:
    define(here, there, third)
    put(here, "ann", "owned", "a", 1)
    put(third, "bob", "owned", "a", 2, later=1_000)
    sync(here, there, ANN)
    done = sync(third, there, BOB)
    assert "it is ann's, and bob asks" in "".join(done.messages)
    assert held(third, "owned") == {"a": 1}
    assert catalogue(third) == catalogue(there)


def test_who_is_held_to_zones_brings_only_its_own_rows(there: Store) -> None:
    define(there)
    with there.writer() as writer:
        known = user(writer, "ann")
        assert known is not None
        put_stored(writer, User("ann", known.secret, known.caps, ("example.com",)))
    assert "held to zones" in messages(asked(there, "ann", row(PAIRS, "a", 1)))
    assert asked(there, "ann", row(SELF, "ann", 1)) == []
    assert (held(there), held(there, "mine")) == ({}, {"ann": 1})


def test_rows_of_the_registry_are_for_setup_logins(here: Store, there: Store, third: Store) -> None:
    define(there, definitions=[PEERS])
    for store in (here, third):
        sync(store, there, ANN)
    put(here, "ann", "peers", "ann", 1)
    put(third, "bob", "peers", "bob", 2)
    sync(here, there, ANN)
    sync(third, there, BOB)
    assert held(there, "peers") == {"ann": 1, "bob": 2}
    assert sync(here, there, ANN).traffic.rounds == 1
    assert held(here, "peers") == {"ann": 1}
    key = PEERS.key_hash({"login": "bob"})
    assert [card for card in asked(there, "ann", XWant("peers", key)) if isinstance(card, XRow)] == []
    sync(here, there, ROOT)
    assert held(here, "peers") == {"ann": 1, "bob": 2}


def test_a_definition_that_would_lose_rows_at_the_server_is_refused_and_both_keep_theirs(
    here: Store, there: Store
) -> None:
    define(here, there)
    put(there, "root", "pairs", "a", 1)
    put(there, "root", "pairs", "b", 2)
    put(there, "root", "pairs", "b", None)
    with here.writer() as writer:
        own.define(writer, NARROW, SYSTEM.clock_ms())
    done = sync(here, there)
    assert "table pairs keeps its definition here: 1 of its rows do not fit" in "\n".join(done.messages)
    assert held(there) == {"a": 1}
    put(there, "root", "pairs", "a", None)
    assert sync(here, there).messages == ()
    assert catalogue(here) == catalogue(there)
    with there.reader() as reader:
        assert tables.needed(reader, "pairs").definition == NARROW


def test_rows_that_a_newer_definition_drops_at_the_client_are_counted(here: Store, there: Store) -> None:
    define(here, there)
    for key in ("a", "b"):
        put(here, "root", "pairs", key, 1)
    with there.writer() as writer:
        own.define(writer, NARROW, SYSTEM.clock_ms())
    done = sync(here, there)
    told = "table pairs has a newer definition: 2 rows of it do not fit it and are gone from this end"
    assert done.tables_left_out == (told,)
    assert (held(here), held(there)) == ({}, {})


def test_no_login_fills_a_table_alone(here: Store, there: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_ROWS", 8)
    define(there)
    for number in range(2):
        assert messages(asked(there, "ann", row(PAIRS, f"a{number}", 1))) == ""
    many = [row(PAIRS, f"a{number}", 1) for number in range(2, 6)]
    assert messages(asked(there, "ann", *many)).count("4 rows of it, deleted ones included, are ann's") == 2
    deleted = XDelete("pairs", many[0].key, SYSTEM.clock_ms() + 1, "", PAIRS.key_content({"k": "a2"}))
    assert messages(asked(there, "ann", deleted, row(PAIRS, "a1", 7))) == "", "what is there may change"
    assert "ann's, and nobody may have more" in messages(asked(there, "ann", row(PAIRS, "a6", 1)))
    bobs = [row(PAIRS, f"b{number}", 1) for number in range(4)]
    assert messages(asked(there, "bob", *bobs)).count("2 rows of it, deleted ones included, are bob's") == 2
    assert messages(asked(there, "root", row(PAIRS, "r0", 1), row(PAIRS, "r1", 1))) == ""
    assert "8 rows already" in messages(asked(there, "root", row(PAIRS, "r2", 1)))
    assert catalogue(there) != ""


def test_who_syncs_enters_itself_in_the_registry_once_an_hour(
    here: Store, there: Store, third: Store
) -> None:
    define(there, definitions=[PAIRS, registry.PEERS])
    code = "5e" * 20
    for store, own_code in ((here, code), (third, "6e" * 20)):
        with store.writer() as writer:
            writer.set_setting("server-code", own_code)
    ann = replace(ANN, address="laptop")
    sync(here, there, ann)  # brings the definition
    sync(here, there, ann)
    with there.reader() as reader:
        (found,) = (values for _, values in tables.rows(reader, registry.PEERS))
        assert found.pop("last_sync") == pytest.approx(SYSTEM.clock_ms(), abs=600_000)
        assert found == {"login": "ann", "id": code, "version": __version__, "address": "laptop"}
    assert sync(here, there, ann).traffic.rounds == 1
    later = SYSTEM.clock_ms() + registry.AGE_MS
    sync(here, there, replace(ann, env=replace(SYSTEM, clock_ms=lambda: later)))
    with there.reader() as reader:
        ((row_, values),) = tables.rows(reader, registry.PEERS)
        assert (row_.owner, values["last_sync"]) == ("ann", later)
    for _ in range(2):
        sync(third, there, BOB)
    with third.reader() as reader:
        assert [values["login"] for _, values in tables.rows(reader, registry.PEERS)] == ["bob"]
    with there.reader() as reader:
        assert [values["login"] for _, values in tables.rows(reader, registry.PEERS)] == ["ann", "bob"]


# -- what a peer may not


@pytest.mark.parametrize(
    "card",
    [
        replace(row(PAIRS, "a", 1, 5), key="0" * 64),
        replace(row(PAIRS, "a", 1, 5), content=b'{"k":"b","v":1}'),
        XDelete("pairs", "0" * 64, 5, "", b'{"k":"a"}'),
    ],
)
def test_a_forged_key_hash_is_refused_and_nothing_of_the_request_is_kept(there: Store, card: XRow) -> None:
    define(there)
    told = asked(there, "ann", row(PAIRS, "good", 1), card)
    assert "KEY is not the hash of its key" in messages(told)
    assert held(there) == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"k": "a","v":1}', "not canonical"),
        (b'{"k":"a","v":1.0}', "is of type integer"),
        (b'{"k":"a","x":1}', "is not a column"),
        (b'{"v":1}', "needs a value for k"),
        (b'{"k":"a","v":null}', "is of type integer"),
        (b"\xff", "utf-8"),
        (b"[" * 60_000, "deep"),
    ],
    ids=lambda part: str(part)[:20],
)
def test_a_row_that_is_not_one_of_the_table_is_left_out(there: Store, content: bytes, said: str) -> None:
    define(there)
    told = asked(there, "ann", replace(row(PAIRS, "a", 1), content=content), row(PAIRS, "good", 1))
    assert said in messages(told)
    assert held(there) == {"good": 1}


@pytest.mark.parametrize(
    "line",
    [
        b"xrow pairs');DROP 5 a 0\n",
        b"xwant ../etc %s\n" % (b"0" * 64),
        b"xtable a'b 5 %s %s 2\n{}" % (b"0" * 64, b"0" * 64),
        b"xlist \xff -\n",
    ],
)
def test_hostile_names_are_refused(there: Store, line: bytes) -> None:
    text = signed("root", "pw", line, CODE)
    with exchange.answer(there, Body.of(UNCOMPRESSED, text)).body as reply:
        assert b"error" in reply.octets.read()
    assert catalogue(there) == ""


@pytest.mark.parametrize("text", [b"{}", PAIRS.encode() + b" ", PAIRS.encode().replace(b'"k"', b'"k;"')])
def test_a_bad_definition_is_refused(there: Store, text: bytes) -> None:
    from hashlib import sha3_256

    card = XTable("pairs", 5, sha3_256(text).hexdigest(), "0" * 64, text)
    assert "in xtable line" in messages(asked(there, "root", card))
    assert "HASH does not match" in messages(
        asked(there, "root", XTable("pairs", 5, "0" * 64, "0" * 64, PAIRS.encode()))
    )
    assert catalogue(there) == ""


def test_the_far_future_is_not_taken_by_either_end(here: Store, there: Store) -> None:
    define(here, there)
    far = SYSTEM.clock_ms() + 2 * 86_400_000
    assert "over a day ahead" in messages(asked(there, "ann", row(PAIRS, "a", 1, far)))
    late = XTable("pairs", far, PAIRS.hash, "0" * 64, PAIRS.encode())
    assert "over a day ahead" in messages(asked(there, "root", late))
    with there.writer() as writer:
        content = PAIRS.content({"k": "x", "v": 1})
        tables.put(writer, "pairs", tables.Row(PAIRS.key_hash({"k": "x"}), far, "root", content))
    put(there, "root", "pairs", "b", 2)
    done = sync(here, there)
    assert "over a day ahead" in "".join(done.tables_left_out)
    assert held(here) == {"b": 2}


def test_an_hour_ahead_is_overtaken_by_the_next_change(here: Store, there: Store) -> None:
    define(here, there)
    asked(there, "ann", row(PAIRS, "a", 1, SYSTEM.clock_ms() + 3_600_000))
    sync(here, there)
    put(here, "root", "pairs", "a", 2)
    sync(here, there)
    assert held(there) == {"a": 2}


def test_who_may_not_read_is_told_of_no_table(there: Store) -> None:
    define(there)
    with there.writer() as writer:
        put_user(writer, "eve", "pw", "g")
    assert asked(there, "eve", TablesAsked("").pragma(), XWant("pairs", "0" * 64)) == []


def test_a_server_that_sends_what_was_not_asked_for_changes_nothing(here: Store, there: Store) -> None:
    define(here, there)
    put(there, "root", "pairs", "a", 1)
    extra = encode_cards([row(PAIRS, "evil", 666)])

    def carried(body: Body) -> Body:
        with exchange.answer(there, body).body as reply:
            text = decode_body(reply.content_type, reply.octets.read(), limit=10**7, coded=reply.coding)
        return Body.of(UNCOMPRESSED, text + extra)

    exchange.sync(here, InProcess(carried), ROOT)
    assert held(here) == {"a": 1}


def test_a_server_that_forges_a_key_hash_ends_the_session(here: Store, there: Store) -> None:
    define(here, there)
    put(there, "root", "pairs", "a", 1)

    def carried(body: Body) -> Body:
        with exchange.answer(there, body).body as reply:
            text = decode_body(reply.content_type, reply.octets.read(), limit=10**7, coded=reply.coding)
        return Body.of(UNCOMPRESSED, text.replace(b'{"k":"a"', b'{"k":"b"'))

    with pytest.raises(PeerError, match="KEY is not the hash"):
        exchange.sync(here, InProcess(carried), ROOT)
    assert held(here) == {}


# -- what it costs, and who is told


def test_stock_is_told_of_no_table(here: Store, there: Store) -> None:
    """The first request, which may go to anybody, and the reply to who does not say that it is of our kind."""
    define(here, there)
    put(here, "root", "pairs", "a", 1)
    sent: list[bytes] = []

    def carried(body: Body) -> Body:
        text = decode_body(body.content_type, body.octets.read(), limit=10**7, coded=body.coding)
        body.octets.seek(0)
        sent.append(text)
        with exchange.answer(there, body).body as reply:
            told = decode_body(reply.content_type, reply.octets.read(), limit=10**7, coded=reply.coding)
        kept = [line for line in told.splitlines(keepends=True) if b"xferzone" not in line]
        return Body.of(UNCOMPRESSED, b"".join(kept))

    exchange.sync(here, InProcess(carried), ROOT)
    assert sent
    assert not [text for text in sent if b"xtable" in text or b"tables" in text or b"xrow" in text]
    text = signed("root", "pw", encode_cards([Pull("x", CODE), Pragma("client-version", ("22100",))]), CODE)
    with exchange.answer(there, Body.of(UNCOMPRESSED, text)).body as reply:
        assert b"table" not in reply.octets.read()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements of all transactions."""
    return noted(monkeypatch)


def test_without_tables_they_cost_one_look_at_either_end(here: Store, there: Store, said: list[str]) -> None:
    done = sync(here, there)
    assert done.traffic.rounds == 1
    assert [each.split()[0] for each in said if "synced_" in each] == ["SELECT", "SELECT"]
    said.clear()
    sync(here, there, replace(ROOT, tables=False))
    assert len([each for each in said if "synced_" in each]) == 1


class Watching(Silent):
    """Notes what is told of tables, and what came of requests."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []
        self.answered: list[Answered] = []

    def table_started(self, _context: object, name: str, rows: int, /) -> object:
        self.told.append(("started", name, rows))
        return name

    def table_ended(self, context: object, sent: int, received: int, /) -> None:
        self.told.append(("ended", context, sent, received))

    def request_ended(self, _context: object, answered: Answered, /) -> None:
        self.answered.append(answered)


def test_observers_are_told_of_the_tables_that_differ(here: Store, there: Store) -> None:
    define(here, there)
    for number in range(3):
        put(here, "root", "pairs", f"h{number}", number)
    put(there, "root", "pairs", "t", 1)
    client, server = Watching(), Watching()
    sync(here, there, replace(ROOT, observer=client), Terms(observer=server))
    assert client.told == [("started", "pairs", 3), ("ended", "pairs", 3, 1)]
    assert [(each.rows_received, each.rows_sent) for each in server.answered] == [(0, 0), (0, 0), (3, 1)]
