"""The repository file: artifacts in and out, chains, phantoms, deltas before their source, clusters, damage."""

import os
import random
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xferzone import delta
from xferzone.artifacts import CheckIn, Cluster, Control, FileCard, Tag
from xferzone.errors import Busy, CorruptArtifact, Exists, MalformedDelta, NotFound, UsageError, XferzoneError
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.store import Store, Writer, chains, outgoing, places, pool, schema
from xferzone.store.check import faults
from xferzone.store.check.relink import relink
from xferzone.store.incoming import Received
from xferzone.store.opened import MAX_WAL

# What `openssl dgst -sha3-256` prints for the three bytes "abc".
SHA3_OF_ABC = ArtifactId("3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532")
SHA1_OF_ABC = ArtifactId("a9993e364706816aba3e25717850c26c9cd0d89d")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "z.xferzone") as store:
        yield store


def count(store: Store) -> int:
    with store.reader() as reader:
        return faults.stats(reader).artifacts


def versions(number: int, lines: int = 400, seed: int = 1) -> list[bytes]:
    """Texts of some 10 kB, each with one line changed from the one before."""
    rng = random.Random(seed)
    text = [f"host{n} 300 A 192.0.2.{rng.randrange(256)}\n" for n in range(lines)]
    made = []
    for _ in range(number):
        text[rng.randrange(lines)] = f"new{rng.randrange(10**6)} 300 A 192.0.2.7\n"
        made.append("".join(text).encode())
    return made


def history(writer: Writer, texts: list[bytes]) -> list[ArtifactId]:
    """A line of check-ins of one file, put in."""
    line: list[ArtifactId] = []
    for number, text in enumerate(texts):
        card = FileCard("example.com.zone", writer.put(text))
        begins = (Tag("*", "branch", None, "example.com/main"),)
        checkin = CheckIn(
            comment=f"version {number}",
            date_ms=1_700_000_000_000 + number,
            user="ops",
            files=(card,),
            parents=tuple(line[-1:]),
            tags=() if line else begins,
        )
        line.append(writer.put(checkin.encode()))
    return line


def test_content_is_named_by_sha3_and_stored_once(store: Store) -> None:
    with store.writer() as writer:
        assert writer.put(b"abc") == SHA3_OF_ABC
    assert count(store) == 1
    with store.writer() as writer:
        writer.put(b"abc")
    assert count(store) == 1


def test_a_sha1_name_is_taken_in_and_is_another_artifact(store: Store) -> None:
    with store.writer() as writer:
        writer.put(b"abc", SHA1_OF_ABC)
        writer.put(b"abc")
        assert writer.content(SHA1_OF_ABC) == writer.content(SHA3_OF_ABC) == b"abc"
    assert count(store) == 2


def test_content_that_is_not_what_its_name_says_is_refused(store: Store) -> None:
    with store.writer() as writer, pytest.raises(CorruptArtifact):
        writer.put(b"abd", SHA3_OF_ABC)
    assert count(store) == 0


def test_a_rolled_back_transaction_leaves_nothing(store: Store) -> None:
    with pytest.raises(CorruptArtifact), store.writer() as writer:
        _put_two(writer)
    with store.reader() as reader:
        assert not reader.has(SHA3_OF_ABC)
        with pytest.raises(NotFound):
            reader.content(artifact_id(b"never"))


def _put_two(writer: Writer) -> None:
    writer.put(b"abc")
    writer.put(b"abd", SHA1_OF_ABC)


def test_every_version_reads_back_and_the_newest_is_whole(store: Store) -> None:
    texts = versions(250)
    with store.writer() as writer:
        history(writer, texts)
    with Store.open(store.path) as again, again.reader() as reader:
        for text in texts:
            assert reader.content(artifact_id(text)) == text
        newest = reader.db.execute(
            "SELECT source FROM blob WHERE size = ? ORDER BY rid DESC", (len(texts[-1]),)
        )
        assert newest.fetchone() == (None,)
        (deepest,) = reader.db.execute("SELECT max(stack) FROM blob").fetchone()
        assert deepest <= 100
        found = faults.stats(reader)
    assert found.deltas > 200
    assert found.stored < found.content / 40


@pytest.mark.parametrize("seed", range(3))
def test_versions_that_came_in_any_order_are_kept_as_deltas_too(
    store: Store, tmp_path: Path, seed: int
) -> None:
    texts = versions(230)
    with store.writer() as writer:
        history(writer, texts)
        contents = [writer.content(artifact) for artifact in writer.artifacts()]
    if seed:
        random.Random(seed).shuffle(contents)
    with Store.create(tmp_path / "other") as other:
        with other.writer() as writer:
            for content in contents:
                writer.put(content)
        with Store(other.path) as again, again.reader() as reader:
            assert list(faults.faults(reader)) == []
            assert faults.stats(reader).deltas > 180
            (deepest,) = reader.db.execute("SELECT max(stack) FROM blob").fetchone()
            assert deepest <= 100


def test_fifty_commits_to_a_100_kb_zone_add_less_than_100_kb(store: Store) -> None:
    texts = versions(51, lines=4_000)
    sizes = []
    for batch in (texts[:1], texts):
        with store.writer() as writer:
            history(writer, batch)
        with sqlite3.connect(store.path) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()
        sizes.append(store.path.stat().st_size)
    assert sizes[1] - sizes[0] < 100_000


def test_a_delta_before_its_source_waits_and_then_is_the_artifact(store: Store) -> None:
    old, new, newest = versions(3)
    with store.writer() as writer:
        made = delta.create(old, new)
        then = delta.create(new, newest)
        assert made is not None
        assert then is not None
        writer.put_all([Received(artifact_id(newest), artifact_id(new), then)])
        assert not writer.has(artifact_id(newest))
        writer.put_all([Received(artifact_id(new), artifact_id(old), made)])
        assert not writer.has(artifact_id(new))
        assert writer.phantoms(10) == [artifact_id(old)]
        writer.put(old)
        assert writer.content(artifact_id(newest)) == newest
        assert writer.phantoms(10) == []


def test_a_bad_delta_is_refused_or_dropped(store: Store) -> None:
    old, new = versions(2)
    made = delta.create(old, new)
    assert made is not None
    with store.writer() as writer:
        writer.put_all([Received(artifact_id(new), artifact_id(old), made[:-10])])
        assert not writer.has(artifact_id(new))
        writer.put(old)
        assert not writer.has(artifact_id(new))
        assert writer.phantoms(10) == [artifact_id(new)]
        with pytest.raises((MalformedDelta, CorruptArtifact)):
            writer.put_all([Received(artifact_id(new), artifact_id(old), made[:-10])])
        with pytest.raises(CorruptArtifact):
            writer.put_all([Received(artifact_id(b"other"), artifact_id(old), made)])


@pytest.mark.parametrize("budget", [1, 5_000, 10**9])
def test_a_clone_in_batches_delivers_everything_once(store: Store, budget: int) -> None:
    texts = versions(30)
    with store.writer() as writer:
        history(writer, texts)
        expected = set(writer.artifacts())
    held: dict[ArtifactId, bytes] = {}
    waiting = []
    position = 1
    with store.reader() as reader:
        while position:
            batch = outgoing.clone_batch(reader, position, budget)
            assert batch.sendables
            waiting += batch.sendables
            position = batch.position
    while waiting:
        sent = waiting.pop(0)
        if sent.source is None:
            held[sent.id] = sent.payload
        elif sent.source in held:
            held[sent.id] = delta.apply(held[sent.source], sent.payload)
        else:
            waiting.append(sent)
            continue
        assert artifact_id(held[sent.id]) == sent.id
        assert len(held[sent.id]) == sent.size
    assert set(held) == expected


@pytest.mark.parametrize(("loose", "sizes"), [(99, []), (100, [100]), (900, [900]), (1201, [800, 401])])
def test_clusters_are_made_as_stock_makes_them(store: Store, loose: int, sizes: list[int]) -> None:
    with store.writer() as writer:
        for number in range(loose):
            writer.put(b"blob %d" % number)
        writer.make_clusters()
        left = writer.unclustered()
        members = [parsed for a in left if (parsed := _cluster(writer.content(a))) is not None]
    assert sorted((len(cluster.members) for cluster in members), reverse=True) == sizes
    assert len(left) == (loose if not sizes else len(sizes))


def _cluster(content: bytes) -> Cluster | None:
    from xferzone import artifacts

    parsed = artifacts.parse(content)
    return parsed if isinstance(parsed, Cluster) else None


def test_a_cluster_before_its_members_takes_them_out(store: Store) -> None:
    contents = [b"one", b"two"]
    with store.writer() as writer:
        cluster = writer.put(Cluster(tuple(sorted(map(artifact_id, contents)))).encode())
        assert len(writer.phantoms(10)) == 2
        for content in contents:
            writer.put(content)
        assert writer.unclustered() == [cluster]


def test_a_branch_is_inherited_moved_and_cut_off(store: Store) -> None:
    with store.writer() as writer:
        line = history(writer, versions(4))

        def branches() -> list[str | None]:
            placed = [places.placed(writer, checkin) for checkin in line]
            return [each.branch for each in placed if each is not None]

        main = "example.com/main"
        assert branches() == [main] * 4
        writer.put(
            Control(date_ms=1_700_000_001_000, tags=(Tag("*", "branch", line[2], "x"),), user="a").encode()
        )
        assert branches() == [main, main, "x", "x"]
        writer.put(
            Control(date_ms=1_700_000_000_500, tags=(Tag("*", "branch", line[2], "y"),), user="a").encode()
        )
        assert branches() == [main, main, "x", "x"], "an older tag does not count"
        writer.put(
            Control(date_ms=1_700_000_002_000, tags=(Tag("+", "branch", line[1], "z"),), user="a").encode()
        )
        assert branches() == [main, "z", "x", "x"]
        writer.put(
            Control(date_ms=1_700_000_003_000, tags=(Tag("-", "branch", line[2], None),), user="a").encode()
        )
        assert branches() == [main, "z", None, None]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    max_examples=25,
    deadline=None,
)
@given(order=st.randoms(use_true_random=False))
def test_any_order_of_arrival_derives_the_same(
    tmp_path_factory: pytest.TempPathFactory, order: random.Random
) -> None:
    directory = tmp_path_factory.mktemp("any")
    with Store.create(directory / "a") as first, Store.create(directory / "b") as second:
        with first.writer() as writer:
            line = history(writer, versions(5))
            writer.put(Control(date_ms=1, tags=(Tag("*", "branch", line[2], "x"),), user="a").encode())
            contents = [writer.content(artifact) for artifact in writer.artifacts()]
        order.shuffle(contents)
        with second.writer() as writer:
            for content in contents:
                writer.put(content)
        with first.reader() as one, second.reader() as two:
            for checkin in line:
                assert places.placed(one, checkin) == places.placed(two, checkin)
            assert two.phantoms(10) == []
            assert [placed.id for placed in places.unplaced(one)] == sorted(
                (placed.id for placed in places.unplaced(two)), key=line.index
            )


def test_a_rebuild_derives_the_same_rows(store: Store) -> None:
    with store.writer() as writer:
        line = history(writer, versions(120))
        writer.put(Control(date_ms=1, tags=(Tag("*", "branch", line[50], "x"),), user="a").encode())
        writer.expect(artifact_id(b"never came"))
        writer.make_clusters()

        def rows() -> dict[str, list[tuple[object, ...]]]:
            tables = [table for table in schema.DERIVED if table not in ("serial", "zone_index", "invalid")]
            # A table's name cannot be a parameter; these are our own.
            return {table: sorted(writer.db.execute(f"SELECT * FROM {table}")) for table in tables}  # noqa: S608 the test names the tables

        before = rows()
        relink(writer)
        assert rows() == before


@pytest.mark.parametrize(
    ("damage", "where"),
    [
        ("UPDATE blob SET content = x'28b52ffd00' WHERE rid = 3", "is damaged"),
        ("UPDATE blob SET source = rid WHERE rid = 3", "a loop"),
        ("UPDATE blob SET source = 999 WHERE rid = 3", "is not here"),
        ("UPDATE blob SET hash = zeroblob(32) WHERE rid = 3", "does not hash"),
    ],
)
@pytest.mark.parametrize("alone", [False, True])
def test_damage_is_named_and_never_served(store: Store, damage: str, where: str, *, alone: bool) -> None:
    texts = versions(3)
    with store.writer() as writer:
        history(writer, texts)
        writer.db.execute("PRAGMA foreign_keys=OFF")
        writer.db.execute(damage)
    with Store.open(store.path) as again, again.reader() as reader:
        raw = reader.db.execute("SELECT hash FROM blob WHERE rid = 3").fetchone()[0]
        with pytest.raises(CorruptArtifact, match=where):
            reader.content(ArtifactId(raw.hex()), alone=alone)
        assert any(raw.hex() in fault for fault in faults.faults(reader))
        assert raw.hex() not in [sent.id for sent in outgoing.clone_batch(reader, 1, 10**9).sendables]


def test_what_is_read_alone_is_verified_once_and_nothing_on_the_way_to_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = versions(30)
    with store.writer() as writer:
        history(writer, texts)
    hashed: list[ArtifactId] = []

    def is_named(artifact: ArtifactId, made: bytes) -> bool:
        hashed.append(artifact)
        return artifact_id(made) == artifact

    monkeypatch.setattr(chains, "is_named", is_named)
    first = artifact_id(texts[0])
    with Store.open(store.path) as again, again.reader() as reader:
        assert reader.content(first, alone=True) == texts[0]
        assert hashed == [first]
        assert reader.content(first) == texts[0]
        assert len(hashed) == 1 + len(texts)


def test_a_sound_repository_has_no_faults(store: Store) -> None:
    with store.writer() as writer:
        history(writer, versions(10))
    with store.reader() as reader:
        assert list(faults.faults(reader)) == []


@pytest.mark.parametrize("code", ["", "a" * 39, "A" * 40, "g" * 40])
def test_a_bad_project_code_leaves_no_file(tmp_path: Path, code: str) -> None:
    with pytest.raises(UsageError, match="40 lower-case hex digits"):
        Store.create(tmp_path / "z", code)
    assert list(tmp_path.iterdir()) == []


def test_what_exists_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "z").write_text("mine")
    with pytest.raises(Exists, match="exists already"):
        Store.create(tmp_path / "z")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("ending", ["-wal", "-shm"])
def test_what_is_left_beside_a_new_file_is_not_taken_for_its_own(tmp_path: Path, ending: str) -> None:
    left = tmp_path / f"zones.xferzone{ending}"
    left.write_bytes(b"")
    with pytest.raises(
        XferzoneError, match=rf"{ending} is left over .*: put it back beside its file, or remove it"
    ):
        Store.create(tmp_path / "zones.xferzone")
    assert list(tmp_path.iterdir()) == [left]


def test_what_is_no_repository_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="init"):
        Store.open(tmp_path / "none")
    (tmp_path / "text").write_text("not a database, but long enough to be one")
    with pytest.raises(XferzoneError, match="is not an xferzone repository"):
        Store.open(tmp_path / "text")
    sqlite3.connect(tmp_path / "other").execute("CREATE TABLE t (x)").connection.close()
    with pytest.raises(XferzoneError, match="is not an xferzone repository"):
        Store.open(tmp_path / "other")


def test_a_newer_schema_is_refused_by_name(store: Store) -> None:
    with store.writer() as writer:
        writer.db.execute("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(XferzoneError, match="newer xferzone"):
        Store.open(store.path)


def test_the_schema_is_the_newest_that_the_migrations_make(store: Store) -> None:
    versions_made = Path(schema.__file__).parents[1] / "migrations" / "versions"
    newest = max(path.name.partition("_")[0] for path in versions_made.glob("[0-9]*.py"))
    assert newest == schema.HEAD


def test_a_writer_that_waits_too_long_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "BUSY_TIMEOUT", 0.1)
    with store.writer(), Store(store.path) as other:
        for _ in range(3):
            with pytest.raises(Busy, match="another process"), other.writer():
                pass
    with Store(store.path) as other, other.writer() as writer:
        writer.put(b"abc")


def test_a_file_that_cannot_be_opened_is_not_called_a_stranger_s(tmp_path: Path) -> None:
    path = tmp_path / "z.xferzone"
    Store.create(path).close()
    (tmp_path / "z.xferzone-wal").mkdir()  # as root the tests cannot be denied anything
    with pytest.raises(XferzoneError, match=r"cannot be opened: unable to open .* its directory"):
        Store.open(path)


def test_a_full_disk_is_named_and_nothing_is_stored(store: Store) -> None:
    before = count(store)

    def write() -> None:
        with store.writer() as writer:
            writer.db.execute("PRAGMA max_page_count = 1")
            writer.put(random.Random(1).randbytes(1_000_000))

    with pytest.raises(XferzoneError, match="cannot be written: its disk is full: make room"):
        write()
    assert count(store) == before


def test_what_comes_has_a_position_that_no_clone_has_passed(store: Store) -> None:
    # The newer version is announced first, and comes when a clone is past its announcement.
    old, new = versions(2)
    with store.writer() as writer:
        announced = writer.expect(artifact_id(new))
        writer.put(b"what the clone began with")
    with store.writer() as writer:
        history(writer, [old, new])
        sent = outgoing.clone_batch(writer, announced + 2, 10**9).sendables
    ids = {one.id for one in sent}
    assert {artifact_id(old), artifact_id(new)} <= ids
    assert all(one.source is None or one.source in ids for one in sent)


def test_the_wal_begins_anew_however_many_read(tmp_path: Path) -> None:
    path, stop = tmp_path / "z.xferzone", threading.Event()
    wal = path.with_name("z.xferzone-wal")
    Store.create(path).close()

    def read(store: Store) -> None:
        while not stop.is_set():
            with store.reader() as reader:
                places.unplaced(reader)
                stop.wait(0.1)

    def written(store: Store) -> int:
        """The most bytes of the WAL while more than its bound is written."""
        largest = 0
        for _ in range(3 * MAX_WAL // 2 // 2**20):
            with store.writer() as writer:
                writer.put(os.urandom(2**20))
            largest = max(largest, wal.stat().st_size)
        return largest

    with Store.open(path) as store:
        readers = [threading.Thread(target=read, args=(store,), daemon=True) for _ in range(4)]
        for reader in readers:
            reader.start()
        assert written(store) < 1.25 * MAX_WAL
        stop.set()
        for reader in readers:
            reader.join(30)
        with store.reader() as long:  # it stays open
            places.unplaced(long)
            assert written(store) > 1.25 * MAX_WAL
        written(store)
        assert wal.stat().st_size < 1.25 * MAX_WAL
