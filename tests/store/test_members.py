"""Clusters that are kept by the rows of their members: the same text comes back, whatever becomes of the members."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from xferzone.artifacts import Cluster
from xferzone.errors import CorruptArtifact
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.repository.optimize import optimize
from xferzone.store import Store, chains, frames, members, shunned
from xferzone.store.check import faults
from xferzone.store.clusters import clusters
from xferzone.store.incoming import Received

MANY = 300


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "z.xferzone") as store:
        yield store


def contents(number: int = MANY) -> list[bytes]:
    return [b"artifact %d\n" % each for each in range(number)]


def cluster_of(texts: list[bytes]) -> bytes:
    return Cluster(tuple(map(artifact_id, texts))).encode()


def kept(store: Store, cluster: ArtifactId) -> bytes:
    with store.reader() as reader:
        rid = reader.rid(cluster)
        assert rid is not None
        return chains.stored(reader.db, rid)


def read(store: Store, artifact: ArtifactId) -> bytes:
    store.forget()
    with store.reader() as reader:
        return reader.content(artifact)


def put(store: Store, *texts: bytes) -> None:
    with store.writer() as writer:
        writer.put_all([Received(artifact_id(text), None, text) for text in texts])


@pytest.mark.parametrize("is_together", [False, True])
def test_it_takes_an_octet_or_two_for_a_member_and_comes_back(store: Store, *, is_together: bool) -> None:
    texts = contents()
    text = cluster_of(texts)
    if is_together:
        put(store, text, *texts)
    else:
        put(store, *texts)
        put(store, text)
    assert kept(store, artifact_id(text))[:1] == members.MARK
    assert len(kept(store, artifact_id(text))) < 2 * MANY
    assert read(store, artifact_id(text)) == text
    with store.reader() as reader:
        assert list(faults.faults(reader)) == []
        assert artifact_id(text) in clusters(reader)


def test_one_that_names_sha1_too_comes_back(store: Store) -> None:
    old = ArtifactId(hashlib.sha1(b"old\n", usedforsecurity=False).hexdigest())
    with store.writer() as writer:
        names = [*(writer.put(text) for text in contents()), writer.put(b"old\n", old)]
        text = Cluster(tuple(names)).encode()
        name = writer.put(text)
    assert kept(store, name)[:1] == members.MARK
    assert read(store, name) == text


def test_while_a_member_is_missing_it_is_kept_as_text(store: Store) -> None:
    texts = contents()
    text = cluster_of([*texts, b"one more\n"])
    put(store, text, *texts)
    assert kept(store, artifact_id(text))[:1] != members.MARK
    put(store, b"one more\n")
    assert read(store, artifact_id(text)) == text
    store.close()
    optimize(store.path)
    with Store.open(store.path) as again:
        assert kept(again, artifact_id(text))[:1] == members.MARK
        assert read(again, artifact_id(text)) == text


def test_a_member_that_is_shunned_and_comes_again_leaves_it_readable(store: Store) -> None:
    texts = contents()
    text, gone = cluster_of(texts), artifact_id(texts[7])
    put(store, text, *texts)
    with store.reader() as reader:
        before = reader.rid(gone)
    with store.writer() as writer:
        shunned.add(writer, [gone], 0, "a leak")
    assert read(store, artifact_id(text)) == text
    with store.writer() as writer:
        shunned.remove(writer, [gone])
    put(store, texts[7])
    with store.reader() as reader:
        assert reader.rid(gone) != before
        assert list(faults.faults(reader)) == []
    assert read(store, artifact_id(text)) == text


def test_one_that_is_shunned_itself_goes(store: Store) -> None:
    texts = contents()
    text = cluster_of(texts)
    put(store, text, *texts)
    with store.writer() as writer:
        shunned.add(writer, [artifact_id(text), artifact_id(texts[7])], 0, "")
    with store.reader() as reader:
        assert not reader.has(artifact_id(text))


@pytest.mark.parametrize(
    "frame",
    [
        b"\x09",
        b"\x09\x80",
        b"\x09\x01\x01",
        b"\x09\x00",
        b"\x09" + 20 * b"\xff" + b"\x01",
        b"\x09" + 400 * b"\x7f",
    ],
    ids=["no members", "cut off", "too few", "row 0", "a number without end", "rows that are not there"],
)
def test_a_damaged_one_is_named_and_others_can_be_shunned(store: Store, frame: bytes) -> None:
    texts = contents()
    text = cluster_of(texts)
    put(store, text, *texts)
    with store.writer() as writer:
        rid = writer.rid(artifact_id(text))
        assert rid is not None
        chains.keep(writer.db, rid, frame, None)
    with pytest.raises(CorruptArtifact):
        read(store, artifact_id(text))
    with store.writer() as writer:
        shunned.add(writer, [artifact_id(texts[0])], 0, "")


def test_without_the_repository_it_is_refused(store: Store) -> None:
    texts = contents()
    text = cluster_of(texts)
    put(store, text, *texts)
    with pytest.raises(ValueError, match="frame"):
        frames.expand(kept(store, artifact_id(text)), 10**6)
    with store.reader() as reader, pytest.raises(ValueError, match="bytes"):
        frames.expand(kept(store, artifact_id(text)), len(text) - 1, reader.db)
