"""Commits of our own upon what stock users have left on the branch."""

import time
from pathlib import Path

import pytest

from tests.publish.project import MAIN, MAIN_BRANCH, NOW, Project, zone_text
from xferzone.artifacts import CheckIn, Control, FileCard, Tag
from xferzone.edit.appending import Author, Commit
from xferzone.edit.commit import Edit
from xferzone.errors import DatedAhead
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.history import content
from xferzone.publish import pending
from xferzone.zone import changes


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def pushed(project: Project, manifest: bytes) -> ArtifactId:
    project.push(manifest)
    return artifact_id(manifest)


def set_www(project: Project, address: str) -> Commit:
    with project.writing() as (writer, refs):
        edit = Edit(writer, refs, MAIN_BRANCH, Author("ann", project.now))
        return edit.change([changes.parse_change("set", ["www.example.com", "A", address])], "set")


def test_other_files_stay_with_their_permissions(project: Project) -> None:
    with project.writing() as (writer, _):
        cards = [
            FileCard("README", writer.put(b"read me\n")),
            FileCard("check.sh", writer.put(b"#!/bin/sh\n"), "x"),
            FileCard("example.com.zone", writer.put(b"@ 60 IN SOA a. b. 1 2 3 4 5\n@ 60 IN NS a.\n")),
        ]
    tags = (Tag("*", "branch", None, MAIN), Tag("*", f"sym-{MAIN}", None, None))
    project.push(CheckIn("first", NOW - 9_000, "ann", tuple(cards), tags=tags).encode())
    done = set_www(project, "192.0.2.1")
    assert done.checkin is not None
    with project.store.reader() as reader:
        assert [card for card in reader.file_cards(done.checkin) if not card.name.endswith(".zone")] == cards[
            :2
        ]


def test_what_an_administrator_moved_to_another_branch_comes_back_with_the_next_commit(
    project: Project,
) -> None:
    first = pushed(project, project.manifest(zone_text()))
    tags = (Tag("*", "branch", first, "evil"), Tag("*", "sym-evil", first), Tag("-", f"sym-{MAIN}", first))
    project.push(Control(NOW - 1_000, tags, "ops").encode())
    assert project.branch_of(first) == "evil"
    done = set_www(project, "192.0.2.1")
    assert done.fork is None
    assert done.checkin is not None
    assert project.served()[0] == done.checkin
    assert project.branch_of(done.checkin) == MAIN
    again = set_www(project, "192.0.2.2")
    with project.store.reader() as reader:
        assert again.checkin is not None
        assert reader.checkin(again.checkin).tags == ()


def test_removal_leaves_one_leaf(project: Project) -> None:
    first = pushed(project, project.manifest(zone_text()))
    invalid = pushed(project, project.manifest(zone_text("www 60 A bad"), first))
    assert project.branch_of(invalid) == MAIN
    with project.writing() as (writer, refs):
        gone = Edit(writer, refs, MAIN_BRANCH, Author("ann", NOW)).remove("away").checkin
    assert project.branch_of(invalid) == f"{MAIN}-fork-{invalid[:16]}"
    assert project.leaves() == [gone]
    assert project.served() == (gone, 1)


def test_a_clock_far_behind_the_last_version_is_named(project: Project) -> None:
    project.push(project.manifest(zone_text()))
    project.now = NOW - 100_000 - pending.MAX_AHEAD_MS
    with pytest.raises(DatedAhead, match=r"2027-01-15 07:58:21 UTC; .* clock says 2027-01-15 07:53:20 UTC"):
        set_www(project, "192.0.2.1")
    project.now += 10_000
    assert set_www(project, "192.0.2.1").fork is None


def test_a_batch_reads_each_file_of_a_large_zone_once(project: Project) -> None:
    count = 9_000  # some four files
    project.push(project.manifest(zone_text(*(f"h{n} 300 A 192.0.2.{n % 256}" for n in range(count)))))
    wanted = [
        changes.parse_change("set", [f"h{n}.example.com", "A", "198.51.100.1"]) for n in range(0, count, 3)
    ]
    wanted += [changes.parse_change("delete", [f"h{n}.example.com"]) for n in range(1, count, 3)]
    began = time.process_time()
    with project.writing() as (writer, refs):
        edit = Edit(writer, refs, MAIN_BRANCH, Author("ann", project.now), allow_loss=True)
        done = edit.change(wanted, "batch")
    # 2 s where this was written; once a file for each owner it would be over 60.
    assert time.process_time() - began < 20
    with project.store.reader() as reader:
        assert done.checkin is not None
        lines = content.export(reader, "example.com", done.checkin).splitlines()
    assert sum(line.endswith(b"198.51.100.1") for line in lines) == count // 3
    assert len(lines) == 4 + count * 2 // 3  # SOA, NS and the two directives
