"""Whatever reads artifacts does not come upon a private one: not even a check-in and a tag of a zone that is served."""

import json

from tests.replicate.peer import ask, batch, pull, walk
from xferzone.artifacts import CheckIn, Control, FileCard, Tag
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.publish.publish import publish
from xferzone.refs import BranchName, Door, LocalRefs, Occasion
from xferzone.replicate.batch import Unsent, Why
from xferzone.repository import check
from xferzone.repository.rebuild import rebuild
from xferzone.store import Store, clusters, outgoing, places, private, unsent
from xferzone.store.check import faults

MAIN = BranchName("example.com", "main")
NOW = 1_800_000_000_000  # milliseconds since 1970, later than what is in the repository
WHEN = Occasion(NOW, "ops", Door.START)


def tip(store: Store) -> ArtifactId:
    with store.reader() as reader:
        ref = LocalRefs(reader).get(MAIN)
        assert ref is not None
        return ref.checkin


def secluded(store: Store) -> list[bytes]:
    """A version of the zone above what is served, its file, and a control that moves what is served away; private."""
    parent = tip(store)
    with store.reader() as reader:
        text = reader.content(reader.files(parent)["example.com.zone"]) + b"hush 300 A 192.0.2.99\n"
    version = CheckIn(
        comment="hush",
        date_ms=NOW,
        user="ann",
        files=(FileCard("example.com.zone", artifact_id(text)),),
        parents=(parent,),
    ).encode()
    away = Control(date_ms=NOW, tags=(Tag("*", "branch", parent, "elsewhere"),), user="ann").encode()
    made = [text, version, away]
    with store.writer() as writer:
        for each in made:
            private.put(writer, artifact_id(each), each)
        publish(writer, LocalRefs(writer), WHEN)
    return made


def told(store: Store) -> list[object]:
    """What the roads of artifacts tell, and what is served."""
    at = tip(store)
    with store.reader() as reader:
        cloned = outgoing.clone_batch(reader, 1, 10**9)
        return [
            at,
            walk(store, [at]),
            pull(store, [at]),
            json.loads(ask(store, "GET", "/v0/refs").body),
            cloned,
            outgoing.since(reader, 0, 10_000),
            list(reader.artifacts()),
            reader.unclustered(),
            reader.phantoms(10),
            clusters.clusters(reader),
            unsent.artifacts(reader),
            places.placed(reader, at),
            faults.stats(reader),
        ]


def test_no_road_leads_to_what_is_private(zones: Store) -> None:
    with zones.writer() as writer:  # an older release has made the file
        rebuild(writer, LocalRefs(writer), WHEN)
    before = told(zones)
    made = secluded(zones)
    names = [artifact_id(each) for each in made]
    assert told(zones) == before
    assert batch(zones, names) == [Unsent(name, Why.ABSENT) for name in names]
    assert [ask(zones, "GET", f"/v0/objects/{name}").status for name in names] == [404] * 3
    with zones.reader() as reader:
        assert reader.present(names) == set()
        assert reader.matching(names[1][:8], 10) == []
        assert not reader.sizes(names)
        assert not outgoing.kept(reader, names)
    with zones.writer() as writer:
        writer.make_clusters()
        rebuild(writer, LocalRefs(writer), WHEN)
    assert told(zones) == before
    with zones.reader() as reader:
        assert set(private.ids(reader)) == set(names)
        assert list(faults.faults(reader)) == list(check.faults(reader, LocalRefs(reader))) == []


def test_what_is_published_then_is_served_and_found_by_who_had_passed_it(zones: Store) -> None:
    text, version, _ = secluded(zones)
    with zones.reader() as reader:
        passed = reader.last_row()
    with zones.writer() as writer:
        writer.put(text)
        writer.put(version)
        publish(writer, LocalRefs(writer), WHEN)
    assert tip(zones) == artifact_id(version)
    assert artifact_id(text) in walk(zones, [tip(zones)])
    with zones.reader() as reader:
        news = [each.id for each in outgoing.clone_batch(reader, passed + 1, 10**9).sendables]
        assert news[:2] == [artifact_id(text), artifact_id(version)]
        assert len(list(private.ids(reader))) == 1
        assert list(faults.faults(reader)) == []


def test_damage_is_found(zones: Store) -> None:
    text, version, away = secluded(zones)
    with zones.writer() as writer:
        writer.db.execute(
            "UPDATE private SET content = x'00' WHERE hash = ?", (bytes.fromhex(artifact_id(text)),)
        )
        writer.db.execute(
            "UPDATE private SET size = 1 WHERE hash = ?", (bytes.fromhex(artifact_id(version)),)
        )
        writer.db.execute("UPDATE blob SET hash = ? WHERE rid = 1", (bytes.fromhex(artifact_id(away)),))
    with zones.reader() as reader:
        found = list(faults.faults(reader))
    assert any(f"private artifact {artifact_id(text)} is damaged" in line for line in found)
    assert any(f"private artifact {artifact_id(version)} has" in line for line in found)
    assert any(line.startswith("table private") for line in found)
