"""What waits for its source: bounded, the oldest goes first, and what comes of it costs what it is."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from xferzone import delta
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.store import Store, Writer, incoming, orphans
from xferzone.store.check import faults
from xferzone.store.incoming import Received

NOWHERE = artifact_id(b"nowhere")


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    with Store.create(tmp_path / "z") as store, store.writer() as writer:
        yield writer


def literal(content: bytes, source: ArtifactId = NOWHERE) -> Received:
    """A delta of anything that makes `content` of its own bytes alone."""
    made = delta.create(b"", content)
    assert made is not None
    return Received(artifact_id(content), source, made)


def copies(source: bytes, times: int) -> Received:
    """A delta of a few bytes that makes `source` many times over."""
    digits = delta.create(b"", source * times)
    assert digits is not None
    head = digits[: digits.index(b"\n") + 1]
    length = delta.create(b"", source)
    assert length is not None
    step = length[: length.index(b"\n")] + b"@0,"
    return Received(artifact_id(source * times), artifact_id(source), head + step * times + b"0;")


def aside(writer: Writer) -> set[ArtifactId]:
    rows = writer.db.execute("SELECT hash FROM aside JOIN blob USING (rid)")
    return {ArtifactId(raw.hex()) for (raw,) in rows}


def test_over_the_bound_the_oldest_go_and_are_asked_for_again(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "MAX_ASIDE", 2)
    waiting = [literal(b"%d" % number) for number in range(4)]
    for each in waiting[:3]:
        writer.put_all([each])
    assert writer.crowded_out == 1
    assert aside(writer) == {each.artifact for each in waiting[1:3]}
    writer.put_all([waiting[1]])  # it comes again, and is the newest now
    before = writer.last_row()
    writer.put_all([waiting[3]])
    assert aside(writer) == {waiting[1].artifact, waiting[3].artifact}
    assert writer.phantoms(9, before) == [waiting[2].artifact]
    assert set(writer.phantoms(9)) == {NOWHERE, waiting[0].artifact, waiting[2].artifact}


@pytest.mark.parametrize(("bound", "most"), [("MAX_ASIDE_BYTES", 200), ("MAX_ASIDE_MADE", 40_000)])
def test_bytes_are_bounded_as_they_are_kept_and_as_they_become(
    writer: Writer, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
) -> None:
    monkeypatch.setattr(orphans, bound, most)
    waiting = [copies(b"%d is the source" % number, 900) for number in range(20)]
    for each in waiting:
        writer.put_all([each])
    kept = [each for each in waiting if each.artifact in aside(writer)]
    assert kept == waiting[-len(kept) :]
    assert 1 <= len(kept) < len(waiting)


def test_what_had_to_go_can_come_again_and_nothing_that_names_it_is_lost(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "MAX_ASIDE", 1)
    source = b"the source\n" * 50
    first, second = literal(b"first", artifact_id(source)), literal(b"second", artifact_id(source))
    hung = literal(b"third", first.artifact)
    for each in (first, hung, second):
        writer.put_all([each])
    assert aside(writer) == {second.artifact}
    writer.put_all([hung])
    assert aside(writer) == {hung.artifact}
    writer.put_all([Received(artifact_id(source), None, source), first])
    assert writer.present([first.artifact, hung.artifact]) == {first.artifact, hung.artifact}
    assert writer.phantoms(9) == [second.artifact]
    assert list(faults.faults(writer)) == []


def statements(path: Path, count: int) -> int:
    """How many statements it takes that a line of deltas comes, one at a time, the last one first."""
    texts = [b"a line that stays the same\n" * 40 + b"%d\n" % number for number in range(count)]
    line = []
    for old, new in pairwise(texts):
        made = delta.create(old, new)
        assert made is not None
        line.append(Received(artifact_id(new), artifact_id(old), made))
    asked = 0

    def count_one(_statement: str) -> None:
        nonlocal asked
        asked += 1

    with Store.create(path) as store, store.writer() as writer:
        writer.db.set_trace_callback(count_one)
        for each in reversed(line):
            writer.put_all([each])
        writer.put_all([Received(artifact_id(texts[0]), None, texts[0])])
        writer.db.set_trace_callback(None)
        assert writer.present(map(artifact_id, texts)) == set(map(artifact_id, texts))
    return asked


def test_deltas_on_each_other_that_come_in_reverse_cost_what_they_are(tmp_path: Path) -> None:
    assert statements(tmp_path / "twice", 200) < 2.3 * statements(tmp_path / "once", 100)


def test_a_source_that_many_wait_for_is_taken_in_with_all_of_them(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "AT_ONCE", 7)
    monkeypatch.setattr(incoming, "MAX_HELD", 300)
    source = b"the source of all\n" * 10
    many = [literal(b"number %d" % number, artifact_id(source)) for number in range(50)]
    many += [literal(b"on it %d" % number, many[number].artifact) for number in range(50)]
    many += [literal(b"on that %d" % number, many[50 + number].artifact) for number in range(50)]
    writer.put_all(many)
    assert len(aside(writer)) == 150
    writer.put_all([Received(artifact_id(source), None, source)])
    assert aside(writer) == set()
    assert writer.present(each.artifact for each in many) == {each.artifact for each in many}


def test_a_few_bytes_that_would_fill_the_memory_are_taken_in_one_by_one(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(orphans, "AT_ONCE_BYTES", 100_000)
    source = b"the source of all\n" * 100
    many = [copies(source, times) for times in range(20, 40)]
    writer.put_all(many)
    together: list[int] = []
    verify = incoming.Intake.verify

    def seen(intake: incoming.Intake, *how: Any) -> None:
        verify(intake, *how)
        together.append(sum(each.size for each in intake.verified))

    monkeypatch.setattr(incoming.Intake, "verify", seen)
    writer.put_all([Received(artifact_id(source), None, source)])
    assert max(together) <= 100_000
    assert writer.present(each.artifact for each in many) == {each.artifact for each in many}


@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "together"])
@pytest.mark.parametrize("size", [2, 3, 7])
def test_of_those_that_would_wait_in_a_circle_the_newest_stays(
    writer: Writer, size: int, at_once: bool
) -> None:
    contents = [b"%d of a circle" % number for number in range(size)]
    names = [artifact_id(content) for content in contents]
    circle = [literal(content, names[number - 1]) for number, content in enumerate(contents)]
    beside = literal(b"it waits for one of them", names[0])
    for some in [[beside], circle] if at_once else [[beside], *([each] for each in circle)]:
        writer.put_all(some)
    (kept,) = aside(writer) - {beside.artifact}
    assert set(writer.phantoms(9)) == set(names) - {kept}
    assert at_once or kept == names[-1]
    writer.put(contents[names.index(kept) - 1])  # what it waits for comes whole
    assert writer.content(kept) == contents[names.index(kept)]
    assert list(faults.faults(writer)) == []
