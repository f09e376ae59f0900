"""Synced tables as they are stored: of all states that replicas hear of, in any order, the same one stays."""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xferzone.errors import NotFound, Refused
from xferzone.store import Store, tables
from xferzone.store.check import faults
from xferzone.store.tables import MAX_MTIME, Row
from xferzone.tables.definition import Definition, made

CODE = "c0" * 20
PAIRS = made("pairs", (("k", "text"), ("v", "integer")), ("k",), "mtime-wins")
WIDER = made("pairs", (("k", "text"), ("v", "integer"), ("w", "text")), ("k",), "mtime-wins")
NARROW = made("pairs", (("k", "text"),), ("k",), "mtime-wins")
Heard = tuple[str, int, int | None]
HEARD = st.lists(
    st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 3), st.sampled_from([1, 2, None])), max_size=6
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "r.xferzone", CODE) as store:
        yield store


@pytest.fixture
def defined(store: Store) -> Store:
    with store.writer() as writer:
        tables.define(writer, PAIRS, 1)
    return store


def row(key: str, mtime: int, value: int | None, definition: Definition = PAIRS, owner: str = "ann") -> Row:
    values = {"k": key, "v": value}
    content = definition.key_content(values) if value is None else definition.content(values)
    return Row(definition.key_hash(values), mtime, owner, content, deleted=value is None)


def held(store: Store) -> list[dict[str, object]]:
    with store.reader() as reader:
        return [json.loads(each.content) for each, _ in tables.rows(reader, PAIRS)]


def kept(store: Store, heard: Sequence[Heard]) -> tuple[str, list[tables.Head]]:
    """What is kept of these states, heard in this order by a replica that had nothing."""
    with store.writer() as writer:
        writer.db.execute("DELETE FROM synced_row")
        tables.count_anew(writer)
        for each in heard:
            tables.put(writer, "pairs", row(*each))
        assert list(tables.faults(writer)) == []
        return tables.needed(writer, "pairs").digest, list(tables.heads(writer, "pairs"))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(HEARD)
def test_replicas_keep_the_same_in_whatever_order_they_hear(defined: Store, heard: list[Heard]) -> None:
    orders = [heard, heard[::-1], sorted(heard, key=repr), heard + heard]
    found = {repr(kept(defined, order)) for order in orders}
    assert len(found) == 1


def test_the_newer_wins_a_tie_goes_to_the_larger_hash_and_a_deletion_is_less_than_any(defined: Store) -> None:
    larger = max(1, 2, key=lambda value: row("tie", 5, value).head.hash or "")
    heard: list[Heard] = [("tie", 5, 1), ("tie", 5, 2), ("tie", 5, None), ("gone", 5, 1), ("gone", 6, None)]
    for order in (heard, heard[::-1]):
        _, found = kept(defined, order)
        assert set(found) == {row("tie", 5, larger).head, row("gone", 6, None).head}
        assert held(defined) == [{"k": "tie", "v": larger}]


def test_a_deleted_row_comes_back_with_a_newer_one_only(defined: Store) -> None:
    with defined.writer() as writer:
        assert tables.put(writer, "pairs", row("a", 5, None))
        assert not tables.put(writer, "pairs", row("a", 4, 1))
        assert tables.put(writer, "pairs", row("a", 6, 1))
    assert held(defined) == [{"k": "a", "v": 1}]


def test_what_stands_replaces_a_newer_one(defined: Store) -> None:
    with defined.writer() as writer:
        tables.put(writer, "pairs", row("a", 9, 1))
        assert tables.put(writer, "pairs", row("a", 5, 2, owner="bob"), stands=True)
        assert not tables.put(writer, "pairs", row("a", 5, 2, owner="bob"), stands=True)
        assert tables.row(writer, "pairs", PAIRS.key_hash({"k": "a"})) == row("a", 5, 2, owner="bob")
        assert list(faults.faults(writer)) == []


def test_the_newest_definition_counts_and_rows_that_do_not_fit_it_go(defined: Store) -> None:
    with defined.writer() as writer:
        tables.put(writer, "pairs", row("a", 5, 1))
        tables.put(writer, "pairs", row("gone", 5, None))
        assert not tables.define(writer, WIDER, 0)
        assert tables.define(writer, WIDER, 2)
        assert not tables.define(writer, PAIRS, 1)
        assert tables.needed(writer, "pairs").rows == 2
        assert tables.unfit(writer, NARROW) == [PAIRS.key_hash({"k": "a"})]
        assert tables.define(writer, NARROW, 3)
        assert [head.hash for head in tables.heads(writer, "pairs")] == [None]
        assert list(faults.faults(writer)) == []


def test_a_tie_of_definitions_goes_to_the_larger_hash(store: Store) -> None:
    for order in ((PAIRS, WIDER), (WIDER, PAIRS)):
        with store.writer() as writer:
            writer.db.execute("DELETE FROM synced_table")
            for each in order:
                tables.define(writer, each, 7)
            found = tables.needed(writer, "pairs").definition
        assert found == max(order, key=lambda each: each.hash)


def test_digests_are_what_the_formats_say(defined: Store) -> None:
    import hashlib

    with defined.writer() as writer:
        for each in (row("a", 5, 1), row("b", 6, None)):
            tables.put(writer, "pairs", each)
        found = tables.needed(writer, "pairs")
        (a, b) = (row("a", 5, 1).head, row("b", 6, None).head)
        lines = [
            f"table pairs 1 {PAIRS.hash}\n",
            f"row pairs {a.key} 5 {a.hash}\n",
            f"row pairs {b.key} 6 -\n",
        ]
        total = sum(int(hashlib.sha3_256(line.encode()).hexdigest(), 16) for line in lines) % 2**256
        assert found.digest == f"{total:064x}"
        whole = hashlib.sha3_256(f"pairs {total:064x}\n".encode()).hexdigest()
        assert tables.catalogue_hash(tables.seen_by(writer, None)) == whole


def test_without_tables_there_is_no_catalogue_hash(store: Store) -> None:
    with store.reader() as reader:
        assert tables.catalogue_hash(tables.tables(reader)) == ""


def test_of_the_registry_each_sees_its_own_rows(store: Store) -> None:
    registry = made(tables.REGISTRY, (("k", "text"), ("v", "integer")), ("k",), "self-write")
    with store.writer() as writer:
        tables.define(writer, registry, 1)
        tables.define(writer, PAIRS, 1)
        alone = tables.catalogue_hash(tables.seen_by(writer, None))
        for login in ("ann", "bob"):
            tables.put(writer, "peers", row(login, 5, 1, registry, owner=login))
        seen = {
            login: tables.catalogue_hash(tables.seen_by(writer, login)) for login in ("ann", "bob", "carl")
        }
        assert len({*seen.values(), tables.catalogue_hash(tables.seen_by(writer, None))}) == 4
        assert seen["carl"] == alone
        assert [each.owner for each in tables.heads(writer, "peers", login="ann")] == ["ann"]


def test_rows_are_listed_in_order_of_keys_from_anywhere(defined: Store) -> None:
    with defined.writer() as writer:
        for number in range(20):
            tables.put(writer, "pairs", row(str(number), 5, number))
        keys = [head.key for head in tables.heads(writer, "pairs")]
        assert keys == sorted(keys)
        assert [head.key for head in tables.heads(writer, "pairs", after=keys[7])] == keys[8:]


def test_rows_are_bounded_and_the_oldest_deletions_make_room_in_their_time(
    defined: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever makes and deletes many rows would let others' deletions be forgotten, and their rows come back."""
    monkeypatch.setattr(tables, "MAX_ROWS", 4)
    with defined.writer() as writer:
        for number in range(4):
            tables.put(writer, "pairs", row(str(number), 5 + number, number))
        with pytest.raises(Refused, match="4 rows already"):
            tables.put(writer, "pairs", row("more", 5, 1))
        tables.put(writer, "pairs", row("0", 20, 9))  # one that is there already is not one more
        tables.put(writer, "pairs", row("1", 30, None))
        tables.put(writer, "pairs", row("2", 29, None))
        for now_ms in (0, 31, tables.KEPT_MS + 29):
            with pytest.raises(Refused, match="makes room 30 days after"):
                tables.put(writer, "pairs", row("more", 5, 1), now_ms=now_ms)
        assert not tables.put(writer, "pairs", row("older", 28, None), now_ms=tables.KEPT_MS + 30)
        assert tables.put(writer, "pairs", row("more", 5, 1), now_ms=tables.KEPT_MS + 30)
        assert list(faults.faults(writer)) == []
    assert held(defined) == [{"k": "0", "v": 9}, {"k": "3", "v": 3}, {"k": "more", "v": 1}]


def test_tables_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "MAX_TABLES", 2)
    with store.writer() as writer:
        for name in ("a", "b"):
            tables.define(writer, made(name, (("k", "text"),), ("k",), "mtime-wins"), 1)
        with pytest.raises(Refused, match="2 tables already"):
            tables.define(writer, made("c", (("k", "text"),), ("k",), "mtime-wins"), 1)
        with pytest.raises(NotFound, match="no table c"):
            tables.needed(writer, "c")


def test_a_change_made_here_is_newer_than_what_it_replaces(defined: Store) -> None:
    key = PAIRS.key_hash({"k": "a"})
    with defined.writer() as writer:
        assert tables.next_mtime(writer, "pairs", key, 500) == 500
        tables.put(writer, "pairs", row("a", 10_000, 1))
        assert tables.next_mtime(writer, "pairs", key, 500) == 10_001
        assert tables.next_mtime(writer, "pairs", key, 20_000) == 20_000
        tables.put(writer, "pairs", row("a", MAX_MTIME, 1))
        with pytest.raises(Refused, match="9999"):
            tables.next_mtime(writer, "pairs", key, 20_000)


def test_check_finds_rows_that_are_not_what_they_should_be(defined: Store) -> None:
    with defined.writer() as writer:
        for number in range(3):
            tables.put(writer, "pairs", row(str(number), 5, number))
        assert list(faults.faults(writer)) == []
        key = bytes.fromhex(PAIRS.key_hash({"k": "1"}))
        writer.db.execute("UPDATE synced_row SET content = ? WHERE key = ?", (b'{"k":"2","v":1}', key))
        (told,) = faults.faults(writer)
        assert f"row {key.hex()[:16]} of table pairs is damaged" in told
        writer.db.execute("DELETE FROM synced_row WHERE key = ?", (key,))
        (told,) = faults.faults(writer)
        assert "does not add up" in told
        tables.count_anew(writer)
        assert list(faults.faults(writer)) == []
        writer.db.execute("UPDATE synced_table SET definition = ?", (b"{}",))
        (told,) = faults.faults(writer)
        assert "definition of table pairs is damaged" in told


def test_no_name_and_no_value_is_part_of_a_statement(defined: Store) -> None:
    """Hostile values are kept as they are, and hostile names have no table."""
    hostile = "'); DROP TABLE synced_row; --"
    said: list[str] = []
    with defined.writer() as writer:
        writer.db.set_trace_callback(None)
        tables.put(writer, "pairs", row(hostile, 5, 1, owner=hostile))
        connection: sqlite3.Connection = writer.db
        connection.set_trace_callback(said.append)
        assert tables.table(writer, hostile) is None
        assert list(tables.heads(writer, hostile)) == []
        connection.set_trace_callback(None)
    assert held(defined) == [{"k": hostile, "v": 1}]
    assert all(statement.startswith("SELECT") for statement in said)
