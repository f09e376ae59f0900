"""Shunning: what may go goes for good, and is on no road and taken from nobody; what hangs on it stays."""

import hashlib
import itertools
import json
from pathlib import Path

import pytest

from tests.publish.project import MAIN_BRANCH, Project, zone_text
from tests.replicate.conftest import may
from tests.replicate.peer import ask as get
from tests.replicate.peer import batch, walk
from tests.sync.rounds import ask, body, cards
from xferzone import delta, exchange
from xferzone.artifacts import CheckIn, Cluster, Control, FileCard, Tag
from xferzone.cards import CFile, Clone, File, Gimme, IGot, Message, Pragma, Private, Pull, Push
from xferzone.errors import Refused
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.publish import kept_waiting
from xferzone.refs import Door, LocalRefs, Occasion
from xferzone.replicate.batch import Unsent, Why
from xferzone.repository import check, shunning
from xferzone.repository.rebuild import rebuild
from xferzone.repository.rollover import roll_over
from xferzone.store import Store, closure, outgoing, private, shunned
from xferzone.store.check import faults
from xferzone.store.incoming import Received
from xferzone.transport.in_process import InProcess

LEAK = b"".join(b"password of line %d\n" % number for number in range(60))
OLDER = LEAK.replace(b"line 30\n", b"line THIRTY\n")
OLDEST = OLDER.replace(b"line 40\n", b"line FORTY\n")
NEWER = LEAK.replace(b"line 20\n", b"line TWENTY\n")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A zone that is served in its second version; anybody may read, clone and write."""
    project = Project(tmp_path)
    first = project.manifest(zone_text("www 300 A 192.0.2.1"))
    project.push(first)
    project.push(project.manifest(zone_text("www 300 A 192.0.2.2"), artifact_id(first)))
    may(project.store, "nobody", "giox")
    return project


def shun(project: Project, *wanted: ArtifactId, comment: str = "") -> list[ArtifactId]:
    with project.writing() as (writer, refs):
        return shunning.shun(writer, refs, wanted, comment, project.occasion(Door.START))


def put(project: Project, *contents: bytes) -> list[ArtifactId]:
    with project.store.writer() as writer:
        return [writer.put(each) for each in contents]


def chain(project: Project) -> list[ArtifactId]:
    """OLDEST as a delta of OLDER, that as one of LEAK, and that as one of NEWER."""
    versions = [NEWER, LEAK, OLDER, OLDEST]
    with project.store.writer() as writer:
        writer.put(NEWER)
        for newer, older in itertools.pairwise(versions):
            made = delta.create(newer, older)
            assert made is not None
            writer.put_all([Received(artifact_id(older), artifact_id(newer), made)])
    return [artifact_id(each) for each in versions]


def is_sound(store: Store) -> bool:
    with store.reader() as reader:
        found = [*faults.faults(reader), *check.faults(reader, LocalRefs(reader))]
    assert found == []
    return True


def test_what_is_kept_as_a_delta_of_it_is_read_as_before(project: Project) -> None:
    names = chain(project)
    with project.store.reader() as reader:
        kept = outgoing.kept(reader, names)
        assert [kept[name].source for name in names] == [None, *names[:3]]
    assert shun(project, names[1], comment="a password") == [names[1]]
    with project.store.reader() as reader:
        assert [reader.has(name) for name in names] == [True, False, True, True]
        assert [reader.content(names[at]) for at in (0, 2, 3)] == [NEWER, OLDER, OLDEST]
        assert outgoing.kept(reader, names)[names[2]].source == names[0]
        assert [(each.id, each.comment) for each in shunned.listed(reader)] == [(names[1], "a password")]
    assert is_sound(project.store)
    # Two that hang on each other, and what is whole.
    assert set(shun(project, names[0], names[2])) == {names[0], names[2]}
    with project.store.reader() as reader:
        assert reader.content(names[3]) == OLDEST
    assert is_sound(project.store)


def test_its_bytes_are_gone_from_the_file_and_from_a_backup(project: Project, tmp_path: Path) -> None:
    secret = b"".join(
        hashlib.sha3_512(bytes([number])).digest() for number in range(20)
    )  # nothing packs that
    (name,) = put(project, secret)
    with project.store.reader() as reader:
        assert any(secret[:100] in frame for (frame,) in reader.db.execute("SELECT content FROM large"))
    shun(project, name)
    project.store.back_up(tmp_path / "backup")
    project.store.close()
    for path in (project.path, tmp_path / "backup"):
        assert secret[:100] not in path.read_bytes()
        with Store.open(path) as store, store.reader() as reader:
            assert not reader.has(name)
            assert len(shunned.listed(reader)) == 1


def test_it_is_on_no_road(project: Project) -> None:
    at, _ = project.served()
    (name,) = put(project, LEAK)
    with project.store.reader() as reader:
        assert reader.content(name) == LEAK  # the process has it in its cache from now on
    shun(project, name)
    store = project.store
    with store.reader() as reader:
        code = reader.project_code
        assert name not in {*reader.artifacts(), *reader.unclustered(), *reader.phantoms(100)}
        assert name not in {each.id for each in outgoing.clone_batch(reader, 1, 10**9).sendables}
    pulled = cards(ask(store, body(Pull("x", code), Gimme(name), Pragma("send-catalog"))))
    assert not any(isinstance(card, IGot | File) and card.artifact == name for card in pulled)
    cloned = cards(ask(store, body(Clone(3, 1))))
    assert name not in {card.artifact for card in cloned if isinstance(card, CFile)}
    assert name not in walk(store, [at])
    assert batch(store, [name]) == [Unsent(name, Why.ABSENT)]
    assert get(store, "GET", f"/v0/objects/{name}").status == 404
    with store.writer() as writer:
        writer.make_clusters()
        rebuild(writer, LocalRefs(writer), project.occasion(Door.START))
        assert not writer.has(name)
    assert json.loads(get(store, "GET", "/v0/refs").body)["branches"][0]["hash"] == at


def test_it_is_taken_from_nobody_and_nobody_is_asked_for_it(project: Project) -> None:
    (name,) = put(project, LEAK)
    shun(project, name)
    store = project.store
    with store.reader() as reader:
        push = Push("x", reader.project_code)
    told = Message(f"artifact {name} was left out: it is shunned here, or came as a delta of what is")
    assert cards(ask(store, body(push, File(name, LEAK)))) == [told]
    assert cards(ask(store, body(push, IGot(name)))) == []
    assert cards(ask(store, body(push, IGot(name, private=True)))) == []
    assert cards(ask(store, body(push, Private(), File(name, LEAK)))) == []
    newer = delta.create(LEAK, NEWER)
    assert newer is not None
    late = File(artifact_id(NEWER), newer, name)
    assert len(cards(ask(store, body(push, late)))) == 1
    with store.reader() as reader:
        assert not reader.has(name)
        assert list(private.ids(reader)) == []
        assert reader.phantoms(100) == []
        assert not reader.has(late.artifact)
    # What names it is kept, and nobody is asked for it.
    named = CheckIn("x", project.now, "ann", (FileCard("a.txt", name),), ()).encode()
    assert not any(
        isinstance(card, Gimme) for card in cards(ask(store, body(push, File(artifact_id(named), named))))
    )
    with pytest.raises(Refused, match="shunned here, and this would make it again"):
        put(project, LEAK)
    assert is_sound(store)


def test_a_name_can_be_shunned_before_it_comes_and_removed_again(project: Project) -> None:
    name = artifact_id(LEAK)
    assert shun(project, name) == []
    with project.store.writer() as writer:
        assert writer.put_all([Received(name, None, LEAK)]) == 0
        shunned.remove(writer, [name])
    assert put(project, LEAK) == [name]
    with project.store.reader() as reader:
        assert reader.content(name) == LEAK
        assert shunned.listed(reader) == []


def test_a_private_one_goes_too(project: Project) -> None:
    name = artifact_id(LEAK)
    with project.store.writer() as writer:
        private.put(writer, name, LEAK)
    shun(project, name)
    with project.store.reader() as reader:
        assert list(private.ids(reader)) == []


def test_what_published_versions_are_made_of_is_refused(project: Project) -> None:
    tip, _ = project.served()
    with project.store.reader() as reader:
        (parent,) = reader.checkin(tip).parents
        files = [reader.files(each)["example.com.zone"] for each in (parent, tip)]
        root = closure.trunk_root(reader)
        assert root is not None
        begun = closure.ids(reader, [root])[root]
    for artifact in (tip, parent):
        with pytest.raises(Refused, match=r"is a published version on example\.com/main"):
            shun(project, artifact)
    for artifact in files:
        with pytest.raises(Refused, match=r"is example\.com\.zone of the published version"):
            shun(project, artifact)
    with pytest.raises(Refused, match="the check-in that the project begins with"):
        shun(project, begun)
    tag = Control(project.now, (Tag("+", "sym-example.com/v1", tip, None),), "ann").encode()
    with pytest.raises(Refused, match=r"tags .* on example\.com/main: cancel the tag"):
        shun(project, *put(project, tag))
    with pytest.raises(Refused, match="is a cluster"):
        shun(project, *put(project, Cluster(tuple(sorted((tip, parent)))).encode()))
    assert project.served()[0] == tip
    with project.store.reader() as reader:
        assert shunned.listed(reader) == []


def test_another_file_of_a_published_version_goes_by_a_rollover(project: Project, tmp_path: Path) -> None:
    tip, _ = project.served()
    text, leak = zone_text("www 300 A 192.0.2.7"), artifact_id(LEAK)
    with_it = project.manifest(text, tip, files={"example.com.zone": text, "notes.txt": LEAK})
    assert project.push(with_it) == []
    assert project.push(project.manifest(text, artifact_id(with_it))) == []
    with pytest.raises(Refused, match=r"is notes\.txt of .*delete the file there, and `xferzone rollover`"):
        shun(project, leak)
    later = Occasion(project.now + 10_000_000, "ops", Door.CLI)
    roll_over(project.store, tmp_path / "new.xferzone", "ops", later)
    with Store.open(tmp_path / "new.xferzone") as store, store.writer() as writer:
        assert not writer.has(leak)
        shunning.shun(writer, LocalRefs(writer), [leak], "", later)


def test_versions_that_are_not_published_go_with_what_follows_them(project: Project) -> None:
    tip, serial = project.served()
    broken = zone_text("www 300 A 192.0.2.3", "www 300 CNAME a.example.net.")
    lost = project.manifest(broken, tip)
    later = project.manifest(broken + b"x 300 A 192.0.2.4\n", artifact_id(lost))
    project.push(lost, later)
    assert project.served() == (tip, serial)
    with pytest.raises(Refused, match="is followed by"):
        shun(project, artifact_id(lost))
    gone = [artifact_id(lost), artifact_id(later), artifact_id(broken)]
    assert shun(project, *gone) == gone
    assert project.served() == (tip, serial)
    assert is_sound(project.store)
    good = project.manifest(zone_text("www 300 A 192.0.2.5"), tip)
    assert project.push(good) == []
    assert project.served()[0] == artifact_id(good)


def test_a_check_in_whose_file_was_shunned_waits_and_the_others_go_on(project: Project) -> None:
    tip, _ = project.served()
    broken = zone_text("www 300 A 192.0.2.3", "www 300 CNAME a.example.net.")
    lost = project.manifest(broken, tip)
    project.push(lost)
    shun(project, artifact_id(broken))
    with project.store.reader() as reader:
        (said,) = kept_waiting.told(reader, LocalRefs(reader))
    assert (
        f"{artifact_id(lost)[:16]} names {artifact_id(broken)[:16]}, which is shunned here and never comes"
        in said
    )
    assert is_sound(project.store)
    good = project.manifest(zone_text("www 300 A 192.0.2.5"), tip)
    project.push(good)
    assert project.served()[0] == artifact_id(good)


def test_a_clone_of_what_was_shunned_elsewhere_follows_the_refs(project: Project, tmp_path: Path) -> None:
    (name,) = put(project, LEAK)
    with project.store.writer() as writer:
        # A cluster names it: the clone hears of it, and asks in vain.
        writer.put(Cluster(tuple(sorted((name, project.served()[0])))).encode())
    shun(project, name)

    server = InProcess(lambda request: exchange.answer(project.store, request).body)
    done = exchange.clone(tmp_path / "c.xferzone", server, exchange.Options(push=False))
    assert (done.absent, done.withheld) == ((name,), ())
    with Store.open(tmp_path / "c.xferzone") as clone, clone.reader() as reader:
        ref = LocalRefs(reader).get(MAIN_BRANCH)
        assert ref is not None
        assert ref.checkin == project.served()[0]
