"""Card text about synced tables, as a server takes it from an account, and as a client takes it for a reply.

server       a reply that can be parsed, or PeerError, and then nothing is stored
client       PeerError, or what came is kept, and the next request can be parsed
either       no row gets older, all rows are of their tables, and no table has another rule than its definition says

Each input meets the same repository: its transactions are rolled back.
"""

import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final

from tests.fuzz.harms import OF_LINES
from tests.fuzz.kind import Harm, Kind, Shape, appended, holds, kind_of_error, scratch, undone
from xferzone.cards import Card, XDelete, XHave, XList, XRow, XTable, XWant, parse_cards
from xferzone.cards.extension import TablesAsked, TablesTold, introduced
from xferzone.env import Env
from xferzone.errors import PeerError
from xferzone.store import Reader, Store, Writer, tables
from xferzone.store.tables import MAX_MTIME, Head, Row
from xferzone.sync.client.options import Account, Options, Purpose
from xferzone.sync.client.session import ClientSession
from xferzone.sync.server.login import Rights
from xferzone.sync.server.request import Request
from xferzone.sync.server.round import Round
from xferzone.sync.server.terms import Terms
from xferzone.tables.canonical import Value
from xferzone.tables.definition import made

_NOW: Final = 1_700_000_000_000
_RIGHTS: Final = Rights("ann", frozenset("ois"))
_BOTH_WAYS: Final = Purpose(pull=False, push=False, tables_pull=True, tables_push=True)
_ENV: Final = Env(clock_ms=lambda: _NOW, monotonic=lambda: 0.0, token=bytes)
_TABLES: Final = tuple(
    made(name, (("k", "text"), ("v", "json")), ("k",), rule)
    for name, rule in (("pairs", "mtime-wins"), ("mine", "self-write"), ("owned", "owner-write"))
)
_KEYS: Final = ("ann", "bob", "x")
_VALUES: Final[Sequence[Value]] = (1, 2**70, 1.5, "a", [1, {"b": None}], None)
_TIMES: Final = (0, 1, _NOW - 1, _NOW, _NOW + 1, _NOW + 10**9, MAX_MTIME, 2**63 - 1)


@cache
def _store() -> Store:
    store = scratch("tables.xferzone")
    with store.writer() as writer:
        for definition in _TABLES:
            tables.define(writer, definition, _NOW - 10)
            for key in _KEYS[:2]:
                values: dict[str, Value] = {"k": key, "v": 1}
                content = definition.content(values)
                row = Row(definition.key_hash(values), _NOW - 5, key, content)
                tables.put(writer, definition.name, row)
    return store


def _row(name: str, key: str, value: Value, mtime: int) -> XRow:
    definition = next(each for each in _TABLES if each.name == name)
    values: dict[str, Value] = {"k": key, "v": value}
    return XRow(name, definition.key_hash(values), mtime, "ann", definition.content(values))


def _seeds() -> list[bytes]:
    pairs = _TABLES[0]
    wider = made("pairs", (*pairs.columns, ("w", "text")), ("k",), "mtime-wins")
    row = _row("pairs", "x", 1, _NOW)
    gone = XDelete("pairs", row.key, _NOW + 1, "", b'{"k":"x"}')
    zeros = "0" * 64
    met = introduced().encode()
    return [
        met + TablesAsked("").pragma().encode(),
        met + TablesAsked(zeros).pragma().encode() + XTable("pairs", 1, pairs.hash, zeros).encode(),
        TablesTold(zeros, "ois").pragma().encode(),
        TablesTold(zeros, "ois").pragma().encode()
        + XTable("pairs", _NOW - 10, pairs.hash, zeros, pairs.encode()).encode()
        + XHave("pairs", row.key, _NOW, zeros).encode()
        + XList("pairs", None).encode(),
        XTable("pairs", _NOW, wider.hash, zeros, wider.encode()).encode(),
        XWant("pairs", row.key).encode() + XList("pairs", row.key).encode(),
        row.encode(),
        row.encode() + gone.encode(),
        _row("owned", "bob", 2, _NOW).encode(),
        _row("mine", "ann", 2, _NOW).encode(),
    ]


def _carded(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """One more card behind it, which is well formed."""
    definition, mtime = chance.choice(_TABLES), chance.choice(_TIMES)
    name = definition.name
    row = _row(name, chance.choice(_KEYS), chance.choice(_VALUES), mtime)
    key = "0" * 64 if chance.random() < 0.1 else row.key
    told = row.key if chance.random() < 0.7 else None
    text = definition.encode() if chance.random() < 0.5 else b""
    card: Card = chance.choice((
        XRow(name, key, mtime, chance.choice(_KEYS), row.content),
        XDelete(name, key, mtime, chance.choice(_KEYS), b'{"k":"%s"}' % chance.choice(_KEYS).encode()),
        XHave(name, key, mtime, told),
        XList(name, told),
        XWant(name, key),
        XTable(name, mtime, definition.hash, key, text),
    ))  # fmt: skip
    return appended(octets, card)


def _check(octets: bytes) -> Shape:
    return _tried(octets, _served), _tried(octets, _received)


def _tried(octets: bytes, take: Callable[[Writer, bytes], Shape]) -> Shape:
    """What `take` makes of them, in a transaction that is not kept."""
    shape: Shape = None
    with undone(_store()) as writer:
        before = _states(writer)
        shape = take(writer, octets)
        # What a server sends back where it has not taken a row stands, also if it is older.
        _look(writer, before, may_lose=take is _received or b"xtable" in octets)
    return shape


def _served(writer: Writer, octets: bytes) -> Shape:
    owners = {key: head.owner for key, head in _states(writer).items() if key[0] == "owned"}
    round_ = Round(writer, Request(octets), Terms(_RIGHTS, now_ms=_NOW))
    round_.receive()
    reply = round_.finish()
    cards = list(parse_cards(reply.text))
    after = _states(writer)
    if b"xtable" not in octets:
        holds(all(after[key].owner == owner for key, owner in owners.items()), "a row has another owner")
    return reply.outcome, reply.rows, tuple(sorted({type(card).__name__ for card in cards}))


def _received(writer: Writer, octets: bytes) -> Shape:
    options = Options(_BOTH_WAYS, Account("ann", "pw"), env=_ENV)
    session = ClientSession(writer.project_code, options)
    session.request(writer)
    # A server of our kind that has other tables: the client asks, and then these come.
    asked = [introduced().encode() + TablesTold("0" * 64, "ois").pragma().encode(), octets, octets]
    cards: list[Card] = []
    try:
        for reply in asked:
            session.receive(reply)
            session.keep(writer)
            asks = session.request(writer)
            cards += [] if asks is None else list(parse_cards(asks))
            if asks is None:
                break
    except PeerError as exc:
        return kind_of_error(exc)
    return bool(session.errors), tuple(sorted({type(card).__name__ for card in cards}))


def _states(reader: Reader) -> Mapping[tuple[str, str], Head]:
    return {
        (each.name, head.key): head
        for each in tables.tables(reader)
        for head in tables.heads(reader, each.name)
    }


def _look(reader: Reader, before: Mapping[tuple[str, str], Head], *, may_lose: bool) -> None:
    """Hold what is there now against what was; rows that do not fit a new definition go."""
    after = _states(reader)
    wrong = list(tables.faults(reader))
    holds(wrong == [], f"a fault: {wrong[:1]}")
    newer = all(key in after and after[key].rank >= was.rank for key, was in before.items())
    holds(newer or may_lose, "older than it was")
    holds(all(0 <= each.mtime <= _NOW + 86_400_000 for each in after.values()), "a date beyond bounds")


_HARMS: Final[Sequence[Harm]] = (*OF_LINES, *[_carded] * 12)

TABLES: Final = Kind(
    name="tables",
    code=("cards/table.py", "store/tables.py", "sync/tables.py", "sync/server/tables.py", "sync/client/tables.py",
          "tables/definition.py", "tables/canonical.py"),
    seeds=_seeds,
    harms=_HARMS,
    check=_check,
    memory=lambda size: 40_000_000 + 200 * size,
    largest=6_000,
)  # fmt: skip
