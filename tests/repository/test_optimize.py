"""What `optimize` does to a repository: the same artifacts in less room, at any moment whole."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.publish.project import Project, zone_text
from xferzone.faults import Faults
from xferzone.hashing import ArtifactId
from xferzone.refs import LocalRefs
from xferzone.repository.check import everything
from xferzone.repository.optimize import optimize
from xferzone.store import Store, frames, repacking, training
from xferzone.store.incoming import Received
from xferzone.store.outgoing import clone_batch

VERSIONS = 40


class Crash(BaseException):
    """The process ends here, as by kill -9."""


def dying(site: str) -> Faults:
    """The process dies at a place."""

    def dies(at: str, _p: float) -> None:
        if at == site:
            raise Crash

    return Faults(dies, lambda _site, _p: False)


@pytest.fixture
def pushed(tmp_path: Path) -> Path:
    """Versions of a zone that came whole, out of order and with their chains not turned round; and random bytes."""
    project = Project(tmp_path)
    rng = random.Random(5)
    lines = [f"h{number} 300 A 192.0.2.{rng.randrange(256)}" for number in range(200)]
    parents: tuple[ArtifactId, ...] = ()
    with project.store.writer() as writer:
        writer.rechains_later = True
        for _ in range(VERSIONS):
            lines[rng.randrange(len(lines))] = f"h{rng.randrange(200)} 300 A 192.0.2.{rng.randrange(256)}"
        writer.put(rng.randbytes(50_000))
    for _ in range(VERSIONS):
        lines[rng.randrange(len(lines))] = f"n{rng.randrange(900)} 300 A 192.0.2.{rng.randrange(256)}"
        manifest = project.manifest(zone_text(*lines), *parents)
        with project.store.writer() as writer:
            writer.rechains_later = True
            parents = (writer.put(manifest),)
    assert project.push() == []
    project.store.close()
    return project.path


def held(path: Path) -> tuple[object, ...]:
    """Everything that must stay: contents by position, refs, and that nothing is wrong."""
    with Store.open(path) as store, store.reader() as reader:
        query = "SELECT rid, hash, size FROM blob ORDER BY rid"
        contents = {artifact: reader.content(artifact) for artifact in reader.artifacts()}
        refs = [(str(ref.branch), ref.checkin, ref.serial) for ref in LocalRefs(reader).list()]
        assert list(everything(reader, LocalRefs(reader))) == []
        assert len(clone_batch(reader, 1, 10**9).sendables) == len(contents)
        return reader.db.execute(query).fetchall(), contents, refs, reader.last_row()


def test_the_file_gets_smaller_and_holds_the_same(pushed: Path) -> None:
    before = held(pushed)
    done = optimize(pushed)
    assert held(pushed) == before
    assert done.after < done.before * 0.9
    assert done.after == pushed.stat().st_size
    again = optimize(pushed)
    assert again.after <= done.after
    assert again.repacked.smaller == 0


def dictionaries(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as db:
        query = "SELECT name FROM setting WHERE name GLOB 'dictionary-*' ORDER BY name"
        return [name for (name,) in db.execute(query)]


@pytest.fixture
def peculiar(pushed: Path) -> Path:
    """The same, with many artifacts of words that no other repository has."""
    rng = random.Random(6)
    words = [rng.randbytes(12).hex() for _ in range(200)]
    with Store.open(pushed) as store, store.writer() as writer:
        for number in range(3_000):
            writer.put(f"{number} {' '.join(rng.choices(words, k=8))}\n".encode())
    return pushed


def test_a_dictionary_of_its_own_makes_it_smaller_where_that_is_worth_it(
    peculiar: Path, tmp_path: Path
) -> None:
    before = held(peculiar)
    alone = tmp_path / "alone.xferzone"
    with Store.open(peculiar) as store:
        store.back_up(alone)
    with Store.open(alone) as store:
        interrupted(store)
        store.vacuum()
    optimize(peculiar)
    assert len(dictionaries(peculiar)) == 1
    assert held(peculiar) == before
    assert peculiar.stat().st_size < 0.8 * alone.stat().st_size
    with Store.open(peculiar) as store:
        store.back_up(tmp_path / "backup.xferzone")
    assert held(tmp_path / "backup.xferzone")[1] == before[1]
    again = optimize(peculiar)
    assert (again.after, again.repacked.smaller) == (again.before, 0)


def test_one_that_no_frame_needs_goes(pushed: Path) -> None:
    with Store.open(pushed) as store, store.writer() as writer:
        training.keep(writer, frames.numbered(random.Random(1).randbytes(5_000)))
    assert len(dictionaries(pushed)) == 1
    optimize(pushed)
    assert dictionaries(pushed) == []


@pytest.mark.parametrize(
    ("damage", "told"),
    [("DELETE FROM setting", "is missing: "), ("UPDATE setting SET value = x'00ff'", "is damaged: ")],
    ids=["missing", "damaged"],
)
def test_a_dictionary_that_frames_need_and_that_is_not_sound_is_told(
    peculiar: Path, damage: str, told: str
) -> None:
    optimize(peculiar)
    (name,) = dictionaries(peculiar)
    with closing(sqlite3.connect(peculiar)) as db, db:
        db.execute(f"{damage} WHERE name = ?", (name,))
    with Store.open(peculiar) as store, store.reader() as reader:
        assert [each for each in everything(reader, LocalRefs(reader)) if name in each and told in each]


def interrupted(store: Store, dictionary: bytes | None = None) -> None:
    """What `optimize` does, in one go."""
    with store.writer(in_parts=True) as writer:
        repacking.note_all(writer)
        writer.let_go()
        repacking.rechain(writer)
        if dictionary is not None:
            training.keep(writer, dictionary)
        repacking.recompress(writer, dictionary)
        repacking.recompress_compiled(writer)


@pytest.mark.parametrize(
    "site",
    [
        "store.rechained",
        "store.chains-turned",
        "store.repacked",
        "store.part-committed",
        "store.before-commit",
    ],
)
def test_a_kill_at_any_step_leaves_it_whole(pushed: Path, site: str) -> None:
    before = held(pushed)
    with Store.open(pushed) as store:
        killed = store.with_faults(dying(site))
        with pytest.raises(Crash):
            interrupted(killed)
    assert held(pushed) == before
    optimize(pushed)
    assert held(pushed) == before


def test_a_kill_while_frames_get_a_dictionary_leaves_it_whole(peculiar: Path) -> None:
    before = held(peculiar)
    with Store.open(peculiar) as store:
        with store.reader() as reader:
            dictionary = training.trained(reader)
        with pytest.raises(Crash):
            interrupted(store.with_faults(dying("store.part-committed")), dictionary)
    assert held(peculiar) == before


def test_what_is_damaged_stays_as_it_is(pushed: Path) -> None:
    with closing(sqlite3.connect(pushed)) as db, db:
        (rid,) = db.execute("SELECT rid FROM large ORDER BY length(content) DESC LIMIT 1").fetchone()
        db.execute("UPDATE large SET content = zeroblob(length(content)) WHERE rid = ?", (rid,))
    assert optimize(pushed).repacked.damaged == 1


def test_artifacts_may_come_after_it(pushed: Path) -> None:
    optimize(pushed)
    with Store.open(pushed) as store, store.writer() as writer:
        row = writer.last_row()
        name = writer.put(b"after it")
        assert writer.rid(name) == row + 1
        assert writer.put_all([Received(name, None, b"after it")]) == 0
