"""Damage by hand to each table and each kind of blob: named by `check`, never served, and the rest goes on.

Each row is done to a copy of one repository; then all faults are listed in `check`'s words, reads of
what is damaged fail soon and by name, the other zone is answered and told of, and a clone brings the rest.
`repair` then fetches it from a repository that is sound.
"""

import contextlib
import os
import random
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dns.name
import falcon.testing
import pytest
from click.testing import CliRunner

from tests.live import PROJECT as PROJECT_DIRECTORY
from tests.live import XFERZONE, run, serving
from tests.publish.project import APEX, NOW, Project, zone_text
from tests.robust.site import checked, dump, faults
from xferzone import delta
from xferzone.artifacts import Control, Tag
from xferzone.cards import CFile, Clone, CloneSeqno, File, Gimme, Message, encode_cards, parse_cards
from xferzone.cards.body import UNCOMPRESSED
from xferzone.cli.main import cli
from xferzone.dnsd.following import open_zones
from xferzone.errors import CorruptArtifact, PeerError, XferzoneError
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.refs import Door, LocalRefs, Occasion
from xferzone.repository import rebuild
from xferzone.store import Store, accounts
from xferzone.store.check.replace import damaged
from xferzone.store.incoming import Received
from xferzone.sync.client.options import Options, Purpose
from xferzone.sync.client.repair import RepairSession
from xferzone.web.app import create_app

OTHER = "other.example"
KILLS = 5  # 40 were run
SOON_S = 1.0  # of processor time
NOBODY = artifact_id(b"nobody has this")


@dataclass(frozen=True, slots=True)
class Made:
    """A repository with all kinds of artifacts, and which is which."""

    path: Path
    named: dict[str, ArtifactId]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    project = Project(tmp_path_factory.mktemp("damage"))
    lines = [f"host{number} 300 A 192.0.2.{number}" for number in range(60)]
    named: dict[str, ArtifactId] = {}
    parents: tuple[ArtifactId, ...] = ()
    for serial in range(1, 13):
        text = zone_text(*lines[: 48 + serial], serial=serial)
        manifest = project.manifest(text, *parents)
        assert project.push(manifest) == []
        parents = (artifact_id(manifest),)
        named[f"file {serial}"], named[f"check-in {serial}"] = artifact_id(text), parents[0]
    other = {f"{OTHER}.zone": APEX.format(serial=1).encode()}
    assert project.push(project.manifest(None, branch=f"{OTHER}/main", files=other)) == []
    loser = project.manifest(zone_text("lost 1 A 192.0.2.1", serial=13), named["check-in 11"])
    project.push(loser)
    project.push(project.manifest(b"no zone", *parents))
    tag = Control(date_ms=NOW, tags=(Tag("+", "sym-rel", named["check-in 12"], None),), user="ann").encode()
    with project.writing() as (writer, _):
        named["control"] = writer.put(tag)
        large = os.urandom(100_000)
        named["large"] = writer.put(large)
        for number in range(100):
            writer.put(b"blob %d\n" % number)
        writer.make_clusters()
        named["aside"] = artifact_id(b"aside\n")
        writer.put_all([Received(named["aside"], NOBODY, delta.create(b"", b"aside\n") or b"")])
        named["blob"], named["nobody"] = writer.put(b"blob last\n"), NOBODY
    with project.store.reader() as reader:
        (cluster,) = [each for each in reader.artifacts() if reader.content(each).startswith(b"M ")]
        named["cluster"] = cluster
        assert faults(project.path) == []
    project.store.close()
    return Made(project.path, named)


_CUT = "CAST(substr(content, 1, length(content) - 4) || x'00000000' AS BLOB)"
_ROT = "UPDATE large SET content = CUT WHERE {X}; UPDATE blob SET content = CUT WHERE {X} AND length(content)"


def rot(name: str) -> str:
    """The last octets of what is stored of an artifact become zeros."""
    return _ROT.replace("CUT", _CUT).replace("X", name)


#: What is done to an artifact, which it is, and how it is called here; see filled().
ARTIFACTS = [
    (rot("file 12"), "file 12", "the tip of a zone file"),
    (rot("file 5"), "file 5", "an old version of one, in a chain"),
    (rot("check-in 12"), "check-in 12", "a manifest"),
    (rot("check-in 5"), "check-in 5", "an old manifest"),
    (rot("control"), "control", "a control artifact"),
    (rot("cluster"), "cluster", "a cluster"),
    (rot("large"), "large", "a blob in a row of its own"),
    (rot("blob"), "blob", "a small blob"),
    ("DELETE FROM large WHERE {large}", "large", "a row of its own is gone"),
    ("UPDATE large SET content = '' WHERE {large}", "large", "a row of its own is empty"),
    ("UPDATE large SET content = 'text' WHERE {large}", "large", "a row of its own holds text"),
    ("UPDATE blob SET source = rid WHERE {file 5}", "file 5", "a loop of one"),
    (
        "UPDATE blob SET source = {=file 4} WHERE {file 5}",
        "file 4",
        "a loop of two",
    ),
    ("UPDATE blob SET source = 99999 WHERE {file 5}", "file 5", "a source that is not there"),
    (
        "UPDATE blob SET source = {=nobody} WHERE {file 5}",
        "file 5",
        "a phantom for a source",
    ),
    ("UPDATE blob SET size = size - 1 WHERE {file 5}", "file 5", "too small a size"),
    ("UPDATE blob SET size = size + 1 WHERE {file 5}", "file 5", "too large a size"),
    ("UPDATE blob SET size = 1000000000000 WHERE {file 5}", "file 5", "an absurd size"),
    ("UPDATE blob SET size = size + 1 WHERE {blob}", "blob", "a wrong size of a whole one"),
    (
        "UPDATE blob SET content = CAST(x'28b52ffdff' AS TEXT) WHERE {blob}",
        "blob",
        "text that is none",
    ),
    ("UPDATE blob SET content = zeroblob(100) WHERE {blob}", "blob", "zeros"),
    ("UPDATE blob SET hash = zeroblob(32) WHERE {blob}", "0" * 64, "another hash"),
]


@pytest.fixture
def copied(made: Made, tmp_path: Path) -> Made:
    path = tmp_path / "z.xferzone"
    shutil.copy(made.path, path)
    return Made(path, made.named)


def filled(repository: Made, text: str) -> str:
    """A statement with its braces filled: {name}: a condition on rows; {child:name}: on a column; {=name}: a row."""
    for name, artifact in repository.named.items():
        row = "(SELECT rid FROM blob WHERE hash = x'ID')".replace("ID", artifact)
        text = text.replace(f"{{={name}}}", row)
        for column in ("child", "checkin"):
            text = text.replace(f"{{{column}:{name}}}", f"{column} = {row}")
        text = text.replace(f"{{{name}}}", f"rid = {row}")
    return text


def damage(repository: Made, statements: str) -> None:
    with sqlite3.connect(repository.path) as db:
        before = db.total_changes
        for statement in filled(repository, statements).split(";"):
            db.execute(statement)
        assert db.total_changes > before or "DROP" in statements, "nothing was damaged"
    db.close()


def cloned(path: Path) -> tuple[set[ArtifactId], list[str]]:
    """What a clone by nobody brings, and the messages beside it."""
    with Store.open(path) as store, store.writer() as writer:
        accounts.put_user(writer, "nobody", None, "g")
    client = falcon.testing.TestClient(create_app(path))
    came: set[ArtifactId] = set()
    messages: list[str] = []
    position = 1
    for _ in range(100):
        body = encode_cards([Clone(3, position)])
        reply = client.simulate_post("/", body=body, content_type=UNCOMPRESSED)
        assert reply.status_code == 200
        for card in parse_cards(reply.content):
            match card:
                case CFile() | File():
                    came.add(card.artifact)
                case Message():
                    messages.append(card.text)
                case CloneSeqno():
                    position = card.seqno
        if not position:
            return came, messages
    raise AssertionError("the clone does not end")


def the_rest_is_served(path: Path) -> None:
    zones = open_zones(path)
    try:
        name = dns.name.from_text(OTHER).to_wire()
        assert name is not None
        view = zones.find(name, 6)
        assert view is not None
        assert view.search(name).node
    finally:
        zones.close()


@pytest.mark.parametrize(("statements", "name", "what"), ARTIFACTS, ids=[row[2] for row in ARTIFACTS])
def test_a_damaged_artifact_is_named_and_the_rest_is_served(
    copied: Made, statements: str, name: str, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    artifact = copied.named.get(name, ArtifactId(name))
    with Store.open(copied.path) as store, store.reader() as reader:
        everything = set(reader.artifacts())
    damage(copied, statements)
    found = faults(copied.path)
    assert any(artifact in fault for fault in found), found
    with Store.open(copied.path) as store, store.reader() as reader:
        began = time.process_time()
        if what in ("too large a size", "an absurd size", "a wrong size of a whole one"):
            reader.content(artifact)  # the bytes themselves are sound
        else:
            with pytest.raises(XferzoneError, match=artifact):
                reader.content(artifact)
        assert time.process_time() - began < SOON_S
    the_rest_is_served(copied.path)
    came, messages = cloned(copied.path)
    lost = everything - came
    assert len(lost) <= 12, lost  # those that hang on a tip
    for each in lost:
        if each != copied.named["blob"]:
            assert any(each in message for message in messages)
            assert each[:12] in caplog.text


#: What is done to a table, what `check` says of it, and whether `xferzone rebuild` mends it.
TABLES = [
    ("DELETE FROM checkin WHERE {check-in 5}", "of check-in {check-in 5} is wrong", True),
    (
        "UPDATE checkin SET date_ms = date_ms + 1 WHERE {check-in 5}",
        "of check-in {check-in 5} is wrong",
        True,
    ),
    (
        "UPDATE checkin SET branch = 'x.example/main' WHERE {check-in 5}",
        "of check-in {check-in 5} is wrong",
        True,
    ),
    ("UPDATE checkin SET place = 0 WHERE {check-in 5}", "place of check-in {check-in 5}", True),
    ("UPDATE checkin SET place = 2 WHERE {check-in 5}", "whether check-in {check-in 5} is invalid", True),
    (
        "INSERT INTO checkin (rid, date_ms, branch, place) SELECT rid, 1, 'x', 3 FROM blob WHERE {blob}",
        "of check-in {blob} is wrong",
        True,
    ),
    ("DELETE FROM parent WHERE {child:check-in 5}", "parents of check-in {check-in 5}", True),
    ("UPDATE parent SET parent = child WHERE {child:check-in 5}", "parents of check-in {check-in 5}", True),
    ("UPDATE parent SET position = 7 WHERE {child:check-in 5}", "parents of check-in {check-in 5}", True),
    ("UPDATE parent SET parent = 99999 WHERE {child:check-in 5}", "table parent: a row points to", True),
    ("DELETE FROM tag WHERE name = 'sym-rel'", "a tag on {check-in 12}", True),
    ("UPDATE tag SET prefix = '-' WHERE name = 'sym-rel'", "a tag on {check-in 12}", True),
    ("UPDATE tag SET date_ms = 1 WHERE name = 'sym-rel'", "a tag on {check-in 12}", True),
    (
        "INSERT INTO awaited SELECT rid, rid FROM blob WHERE {check-in 5}",
        "awaited by check-in {check-in 5}",
        True,
    ),
    ("DELETE FROM unclustered WHERE {blob}", "whether a cluster names {blob}", True),
    (
        "INSERT INTO unclustered SELECT rid FROM blob WHERE {check-in 5}",
        "whether a cluster names {check-in 5}",
        True,
    ),
    ("DELETE FROM invalid", "is invalid is wrong", True),
    (
        "UPDATE serial SET serial = 4000000000 WHERE {checkin:check-in 5}",
        "serial of check-in {check-in 5}",
        True,
    ),
    ("UPDATE serial SET serial = NULL WHERE {checkin:check-in 5}", "serial of check-in {check-in 5}", True),
    ("DELETE FROM zone_index WHERE zone = 'example.com'", "is not what its check-in says", True),
    (
        "UPDATE zone_index SET content = zeroblob(50) WHERE zone = 'example.com'",
        "a compiled file of zone",
        True,
    ),
    (
        "UPDATE zone_index SET content = (SELECT content FROM zone_index WHERE zone = 'other.example') "
        "WHERE zone = 'example.com'",
        "a compiled file of zone",
        True,
    ),
    ("UPDATE zone_index SET soa = 77 WHERE zone = 'example.com'", "is not what its check-in says", True),
    ("UPDATE zone_index SET number = number + 1 WHERE zone = 'example.com'", "a compiled file of zone", True),
    (
        "UPDATE ref SET indexes = zeroblob(8) WHERE branch = 'example.com/main'",
        "compiled files that it names",
        True,
    ),
    ("UPDATE blob SET stack = 0", "table blob: the deltas that lie on {file 12} are miscounted", True),
    ("DROP TABLE tag", "table tag is missing", True),
    ("DROP INDEX checkin_branch", "index checkin_branch is missing", True),
    (
        "UPDATE ref SET checkin = (SELECT rid FROM blob WHERE {check-in 5}) WHERE branch = 'example.com/main'",
        "ref example.com/main is not where",
        False,
    ),
    (
        "UPDATE ref SET serial = 9 WHERE branch = 'example.com/main'",
        "ref example.com/main is not where",
        False,
    ),
    ("UPDATE ref SET checkin = 99999 WHERE branch = 'example.com/main'", "ref example.com/main", False),
    ("DELETE FROM ref WHERE branch = 'example.com/main'", "ref example.com/main is missing", False),
    ("DELETE FROM publication WHERE branch = 'example.com/main'", "ref example.com/main is not where", False),
    ("DELETE FROM setting WHERE name = 'project-code'", "setting project-code is missing", False),
    ("UPDATE setting SET value = 'x' WHERE name = 'project-code'", "setting project-code is damaged", False),
    ("UPDATE setting SET value = 'king' WHERE name = 'role'", "setting role is damaged", False),
    ("DELETE FROM setting WHERE name = 'epoch'", "setting epoch is missing", False),
    ("UPDATE user SET secret = 'rot' WHERE login = 'ops'", "user ops: the password is damaged", False),
    ("UPDATE user SET caps = x'00ff' WHERE login = 'ops'", "column caps are not TEXT", False),
    ("UPDATE aside SET delta = zeroblob(9)", "the delta kept aside for {aside} is damaged", False),
    ("INSERT INTO large VALUES (99999, 'x')", "table large: row 99999", False),
    ("UPDATE blob SET hash = 'text' WHERE {blob}", "column hash are not BLOB", False),
    ("UPDATE blob SET source = 'text' WHERE {file 5}", "column source are not INTEGER", False),
    ("DROP TABLE publication", "table publication is missing", False),
]


@pytest.mark.parametrize(("statement", "said", "mends"), TABLES, ids=[row[0][:70] for row in TABLES])
def test_a_damaged_table_is_told_and_the_rest_is_served(
    copied: Made, statement: str, said: str, mends: bool
) -> None:
    damage(copied, statement)
    for name, artifact in copied.named.items():
        said = said.replace(f"{{{name}}}", artifact)
    found = faults(copied.path)
    assert any(said in fault for fault in found), found
    if "publication" not in statement and "99999 WHERE branch" not in statement:
        the_rest_is_served(copied.path)
    if mends:
        assert any("xferzone rebuild" in fault for fault in found), found
        with Store.open(copied.path) as store, store.writer() as writer:
            rebuild.rebuild(writer, LocalRefs(writer), Occasion(NOW, "ann", Door.START))
        assert faults(copied.path) == []


def test_check_lists_all_faults_exits_1_and_says_what_mends_them(copied: Made) -> None:
    assert checked(copied.path).out.endswith(" artifacts read, 0 faults\n")
    for statements in (rot("file 5"), rot("blob"), TABLES[0][0]):
        damage(copied, statements)
    done = checked(copied.path, code=1)
    lost = [name for name in ("file 5", "blob", "check-in 5") if copied.named[name] not in done.out]
    assert not lost, done.out
    assert "run `xferzone rebuild`" in done.out
    assert "from a backup with --from FILE" in done.out
    assert " 0 faults" not in done.err


def test_rubbish_in_the_pages_of_the_file_is_told(copied: Made) -> None:
    size = copied.path.stat().st_size
    with copied.path.open("r+b") as file:
        for at in range(8 * 4096, size, 16 * 4096):
            file.seek(at)
            file.write(os.urandom(4096))
    done = checked(copied.path, code=1)
    assert "database" in done.out + done.err
    assert "Traceback" not in done.err


@pytest.fixture(scope="module")
def sound(made: Made, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server of the repository before any damage; nobody may read there."""
    path = tmp_path_factory.mktemp("sound") / "z.xferzone"
    shutil.copy(made.path, path)
    with Store.open(path) as store, store.writer() as writer:
        accounts.put_user(writer, "nobody", None, "o")
    with serving(path, "serve") as server:
        yield server.url()


def readable(path: Path) -> set[ArtifactId]:
    """The artifacts that can be read."""
    found = set()
    with Store.open(path) as store, store.reader() as reader:
        for artifact in reader.artifacts():
            with contextlib.suppress(CorruptArtifact):
                reader.content(artifact)
                found.add(artifact)
    return found


@pytest.mark.parametrize(("statements", "name", "what"), ARTIFACTS, ids=[row[2] for row in ARTIFACTS])
def test_what_is_damaged_is_fetched_anew(
    copied: Made, sound: str, statements: str, name: str, what: str
) -> None:
    everything = readable(copied.path)
    damage(copied, statements)
    done = CliRunner().invoke(cli, ["-R", str(copied.path), "repair", sound])
    if what == "another hash":  # nobody has that, and nobody knows what it was
        assert isinstance(done.exception, XferzoneError)
        assert "lacks 1 damaged artifact: 000000" in str(done.exception)
        assert readable(copied.path) == everything - {copied.named["blob"]}
        return
    assert done.exit_code == 0, done.output
    # All that leads into a loop is fetched, for each might be where it begins.
    assert done.output == ("5 artifacts" if "loop" in what else "1 artifact") + " repaired\n"
    assert faults(copied.path) == []
    assert readable(copied.path) == everything
    assert CliRunner().invoke(cli, ["-R", str(copied.path), "repair"]).output == "nothing is damaged\n"


def test_a_repair_that_is_killed_loses_nothing(copied: Made, sound: str) -> None:
    everything = readable(copied.path)
    for name in ("file 12", "file 5", "check-in 5", "control", "cluster", "large", "blob"):
        damage(copied, rot(name))
    left = readable(copied.path)
    env = {"PATH": os.environ["PATH"], "HOME": str(copied.path.parent), "PYTHONPATH": str(PROJECT_DIRECTORY)}
    rng = random.Random(5)
    for _ in range(KILLS):
        words = [*XFERZONE, "-R", str(copied.path), "repair", sound]
        with subprocess.Popen(
            words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(rng.uniform(0.3, 1.2))
            process.kill()
        assert readable(copied.path) >= left
    run(*XFERZONE, "-R", copied.path, "repair", sound, env=env, at=copied.path.parent)
    assert readable(copied.path) == everything
    assert faults(copied.path) == []


def test_a_delta_of_what_cannot_be_read_is_asked_for_with_its_source(copied: Made) -> None:
    tip, before = copied.named["file 12"], copied.named["file 11"]
    with Store.open(copied.path) as store, store.reader() as reader:
        new, old = reader.content(tip), reader.content(before)
    damage(copied, rot("file 12"))
    with Store.open(copied.path) as store, store.writer() as writer:
        assert damaged(writer) == [tip]
        session = RepairSession(writer.project_code, Options(Purpose(pull=True, push=False)), [tip])
        assert Gimme(tip) in parse_cards(session.request(writer) or b"")
        session.receive(File(tip, delta.create(old, new) or b"", before).encode())
        session.keep(writer)
        asked = list(parse_cards(session.request(writer) or b""))
        assert {Gimme(tip), Gimme(before)} <= set(asked)
        session.receive(encode_cards([File(tip, new), File(before, old)]))
        session.keep(writer)
        assert session.request(writer) is None
        assert session.repaired == [tip]  # then the other can be read again
        assert damaged(writer) == []


@pytest.mark.parametrize("source", [None, "blob"])
def test_what_comes_wrong_changes_nothing(copied: Made, source: str | None) -> None:
    tip = copied.named["file 12"]
    damage(copied, rot("file 12"))
    before = dump(copied.path)
    with Store.open(copied.path) as store, store.writer() as writer:
        session = RepairSession(writer.project_code, Options(Purpose(pull=True, push=False)), [tip])
        session.request(writer)
        session.receive(File(tip, b"other", copied.named[source] if source else None).encode())
        with pytest.raises(PeerError):
            session.keep(writer)
    assert dump(copied.path) == before
