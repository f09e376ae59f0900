"""Unversioned files as they are stored: of all states that replicas hear of, in any order, the same one stays."""

import json
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xferzone.errors import CorruptArtifact, NotFound, PeerError, Refused
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.store import Store, unversioned
from xferzone.store.check import faults
from xferzone.store.unversioned import MAX_MTIME, Unversioned

CODE = "c0" * 20
VECTOR = json.loads((Path(__file__).parents[1] / "vectors" / "uvhash.json").read_bytes())
CONTENTS = (b"", b"one\n", b"two\n", None)
STATES = st.lists(
    st.tuples(st.sampled_from(["a", "b/c"]), st.integers(1, 3), st.sampled_from(CONTENTS)), max_size=6
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "r.xferzone", CODE) as store:
        yield store


def state(name: str, mtime: int, content: bytes | None) -> Unversioned:
    artifact = None if content is None else artifact_id(content)
    return Unversioned(name, mtime, artifact, len(content or b""))


def kept(store: Store, heard: Sequence[tuple[str, int, bytes | None]]) -> list[Unversioned]:
    """What is kept of these states, heard in this order by a replica that had nothing."""
    with store.writer() as writer:
        writer.db.execute("DELETE FROM unversioned")
        for name, mtime, content in heard:
            unversioned.put(writer, state(name, mtime, content), content)
        return unversioned.files(writer, deleted=True)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STATES)
def test_replicas_keep_the_same_in_whatever_order_they_hear(
    store: Store, heard: list[tuple[str, int, bytes | None]]
) -> None:
    orders = [heard, heard[::-1], sorted(heard, key=repr), heard + heard]
    found = {tuple(kept(store, order)) for order in orders}
    assert len(found) == 1


def test_the_newer_wins_a_tie_goes_to_the_larger_hash_and_a_deletion_is_less_than_any(store: Store) -> None:
    larger = max(b"one\n", b"two\n", key=artifact_id)
    heard: list[tuple[str, int, bytes | None]] = [
        ("tie", 5, b"one\n"),
        ("tie", 5, b"two\n"),
        ("tie", 5, None),
        ("gone", 5, b"one\n"),
        ("gone", 6, None),
        ("back", 6, None),
        ("back", 7, b"two\n"),
    ]
    expected = [state("back", 7, b"two\n"), state("gone", 6, None), state("tie", 5, larger)]
    for order in list(permutations(heard))[:: 5040 // 20]:
        assert kept(store, order) == expected


def test_a_newer_time_alone_keeps_the_content(store: Store) -> None:
    with store.writer() as writer:
        assert unversioned.put(writer, state("a", 5, b"one\n"), b"one\n")
        assert unversioned.put(writer, state("a", 9, b"one\n"))
        assert not unversioned.put(writer, state("a", 8, b"one\n"))
        assert unversioned.file(writer, "a") == state("a", 9, b"one\n")
        assert unversioned.content(writer, "a") == b"one\n"


def test_the_catalogue_hash_is_the_recorded_one(store: Store) -> None:
    with store.writer() as writer:
        for name, mtime, digits, size in VECTOR["rows"]:
            raw = None if digits is None else bytes.fromhex(digits)
            frame = None if raw is None else b"x"
            writer.db.execute(
                "INSERT INTO unversioned VALUES (?, ?, ?, ?, ?)", (name, mtime, raw, size or 0, frame)
            )
        assert unversioned.catalogue_hash(writer) == VECTOR["recorded_pragma_uv_hash"]


def test_without_files_the_hash_is_that_of_nothing(store: Store) -> None:
    with store.writer() as writer:
        unversioned.put(writer, state("gone", 6, None))
        assert unversioned.catalogue_hash(writer) == "da39a3ee5e6b4b0d3255bfef95601890afd80709"


def test_a_content_that_is_not_what_it_says_is_not_stored(store: Store) -> None:
    with store.writer() as writer, pytest.raises(PeerError, match="HASH does not match"):
        unversioned.put(writer, state("a", 5, b"one\n"), b"two\n")


def test_own_changes_are_newer_than_what_they_replace_whatever_the_clock_says(store: Store) -> None:
    with store.writer() as writer:
        unversioned.put(writer, state("a", 10_000, b"one\n"), b"one\n")
        assert unversioned.put_own(writer, "a", b"two\n", 500)
        assert unversioned.file(writer, "a") == state("a", 10_001, b"two\n")
        assert not unversioned.put_own(writer, "a", b"two\n", 20_000)
        assert unversioned.put_own(writer, "a", None, 20_000)
        assert unversioned.file(writer, "a") == state("a", 20_000, None)
        with pytest.raises(NotFound):
            unversioned.put_own(writer, "a", None, 20_001)
        unversioned.put(writer, state("a", MAX_MTIME, None))
        with pytest.raises(Refused, match="9999"):
            unversioned.put_own(writer, "a", b"two\n", 20_000)


def test_the_names_are_bounded_and_the_oldest_deletions_make_room(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unversioned, "MAX_FILES", 4)
    with store.writer() as writer:
        for number in range(4):
            unversioned.put(writer, state(f"f{number}", 5 + number, b"%d" % number), b"%d" % number)
        with pytest.raises(Refused, match="4 unversioned files already"):
            unversioned.put(writer, state("more", 5, b"x"), b"x")
        unversioned.put(writer, state("f0", 20, b"y"), b"y")  # one that is there already is not one more
        unversioned.put(writer, state("f1", 30, None))
        unversioned.put(writer, state("f2", 29, None))
        unversioned.put(writer, state("more", 5, b"x"), b"x")
        names = [each.name for each in unversioned.files(writer, deleted=True)]
        assert names == ["f0", "f1", "f3", "more"]


def test_check_reads_every_file_back(store: Store) -> None:
    with store.writer() as writer:
        unversioned.put(writer, state("sound", 5, b"one\n"), b"one\n")
        unversioned.put(writer, state("bad", 5, b"two\n"), b"two\n")
        unversioned.put(writer, state("gone", 5, None))
        assert list(faults.faults(writer)) == []
        writer.db.execute("UPDATE unversioned SET hash = ? WHERE name = 'bad'", (b"\1" * 32,))
        (told,) = faults.faults(writer)
        assert "unversioned file bad is damaged" in told
        assert "xferzone uv put" in told
        with pytest.raises(CorruptArtifact):
            unversioned.content(writer, "bad")
        assert unversioned.content(writer, "sound") == b"one\n"


def test_a_backup_has_them(store: Store, tmp_path: Path) -> None:
    with store.writer() as writer:
        unversioned.put(writer, state("a", 5, b"one\n"), b"one\n")
    store.back_up(tmp_path / "backup.xferzone")
    with Store.open(tmp_path / "backup.xferzone") as copy, copy.reader() as reader:
        assert unversioned.content(reader, "a") == b"one\n"


def test_an_id_is_of_either_kind(store: Store) -> None:
    sha1 = ArtifactId("c7059bb19433cc3cabaa6236c83d56668a843dd2")  # of "one\n", as `sha1sum` has it
    with store.writer() as writer:
        unversioned.put(writer, Unversioned("a", 5, sha1, 4), b"one\n")
        assert unversioned.content(writer, "a") == b"one\n"
