"""GET /v0/refs: what is told at first, what since, and after a repository was set back."""

import shutil
from pathlib import Path

import msgspec
import pytest

from tests.replicate.peer import Answer, ask
from xferzone.artifacts import Control, Tag
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.hashing import ArtifactId
from xferzone.refs import BranchName, LocalRefs
from xferzone.replicate import told
from xferzone.replicate.messages import Named, Refs
from xferzone.replicate.server import current
from xferzone.replicate.told import Since
from xferzone.store import Store, Writer
from xferzone.zone.changes import parse_change

MAIN = BranchName("example.com", "main")
NOW = 1_800_000_000_000  # milliseconds since 1970, later than anything in the repository


def refs(store: Store, since: Refs | None = None, **headers: str) -> Refs:
    return read(asked(store, since, **headers))


def read(answer: Answer) -> Refs:
    assert answer.status == 200, answer.body
    return msgspec.json.decode(answer.body, type=Refs)


def asked(store: Store, since: Refs | None = None, **headers: str) -> Answer:
    query = ""
    if since is not None:
        query = f"?since={since.epoch}.{since.number}.{since.position}&checkin={since.checkin}"
    return ask(store, "GET", f"/v0/refs{query}", **headers)


def editing(writer: Writer, at_ms: int = NOW) -> Edit:
    return Edit(writer, LocalRefs(writer), MAIN, Author("ops", at_ms))


def change(store: Store, address: str, at_ms: int = NOW) -> ArtifactId:
    """Give www another address, and publish that."""
    with store.writer() as writer:
        wanted = parse_change("set", ["www.example.com", "A", address])
        made = editing(writer, at_ms).change([wanted], "another address").checkin
        assert made is not None
        return made


def tag(store: Store, target: ArtifactId, name: str, prefix: str = "+") -> ArtifactId:
    with store.writer() as writer:
        count = writer.last_row()
        return writer.put(Control(NOW + count, (Tag(prefix, name, target),), "ops").encode())


def tip(store: Store, branch: str = "main") -> ArtifactId:
    with store.reader() as reader:
        found = LocalRefs(reader).get(BranchName("example.com", branch))
        assert found is not None
        return found.checkin


def test_all_is_told_at_first(zones: Store) -> None:
    found = refs(zones)
    with zones.reader() as reader:
        assert found.project == reader.project_code
        assert found.epoch == reader.setting("epoch")
    assert found.number == 4
    assert found.zones == ["example.com"]
    assert [each.name for each in found.branches] == ["main", "test"]
    assert [each.name for each in found.tags] == ["before"]
    assert (found.closed, found.whole, found.more) == ([], True, False)
    assert len(found.controls) == 1
    assert found.checkin == tip(zones, "test")[:16]


def test_what_moved_since_is_told_alone(zones: Store) -> None:
    first = refs(zones)
    new = change(zones, "192.0.2.9")
    found = refs(zones, first)
    assert found.branches == [Named("example.com", "main", new)]
    assert (found.whole, found.controls, found.tags) == (False, [], [])
    assert found.checkin == new[:16]
    assert refs(zones, found).branches == []


def test_nothing_new_is_a_304_that_names_the_state(zones: Store) -> None:
    first = asked(zones)
    etag = first.headers["etag"]
    again = asked(zones, read(first), if_none_match=etag)
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    assert etag == f'"{current(zones)}"'
    change(zones, "192.0.2.9")
    assert asked(zones, read(first), if_none_match=etag).status == 200


def test_a_poll_reads_the_state_once(zones: Store) -> None:
    found = refs(zones)
    etag = f'"{found.epoch}.{found.number}.{found.position}"'
    run: list[str] = []
    with zones.reader() as reader:
        reader.db.set_trace_callback(run.append)  # of the one connection, which is used again
        told.tag_of(reader)
    state = [each for each in run if each.startswith("SELECT")][-1]
    run.clear()
    assert asked(zones, found, if_none_match=etag, prefer="wait=25").status == 304
    assert run.count(state) == 1


def test_a_control_is_news(zones: Store) -> None:
    first = asked(zones)
    before = read(first)
    made = tag(zones, tip(zones), "approve-1")
    assert asked(zones, before, if_none_match=first.headers["etag"]).status == 200
    found = refs(zones, before)
    assert (found.controls, found.branches) == ([made], [])
    assert found.position > before.position
    assert refs(zones, found).controls == []


def test_the_newest_control_is_found_by_its_index(zones: Store) -> None:
    query = "EXPLAIN QUERY PLAN SELECT coalesce(max(source), 0) FROM tag WHERE target <> source"
    with zones.reader() as reader:
        (row,) = reader.db.execute(query).fetchall()
    assert "USING COVERING INDEX tag_by_others" in row[3] or "USING INDEX tag_by_others" in row[3]


def test_tags_and_closings_are_told_until_they_are_cancelled(zones: Store) -> None:
    first = refs(zones)
    at = tip(zones)
    tag(zones, at, "sym-example.com/after")
    tag(zones, at, "closed")
    found = refs(zones, first)
    assert found.tags == [Named("example.com", "after", at)]
    assert found.closed == [Named("example.com", "main", at)]
    tag(zones, at, "closed", "-")
    tag(zones, at, "sym-example.com/after", "-")
    tag(zones, at, "sym-nowhere")
    assert refs(zones).closed == []
    assert [each.name for each in refs(zones).tags] == ["before"]


def test_a_removed_zone_is_told_by_its_empty_check_in(zones: Store) -> None:
    first = refs(zones)
    with zones.writer() as writer:
        empty = editing(writer).remove("gone").checkin
    assert empty is not None
    found = refs(zones, first)
    assert found.branches == [Named("example.com", "main", empty)]
    assert found.zones == []


def test_another_epoch_is_told_all(zones: Store) -> None:
    first = refs(zones)
    assert refs(zones, msgspec.structs.replace(first, epoch="0123456789abcdef")).whole


def test_a_file_that_was_set_back_is_told_all(zones: Store, tmp_path: Path) -> None:
    """The number of a move comes again, for another check-in: by numbers alone that one would never be told."""
    copy = tmp_path / "copy.xferzone"
    zones.back_up(copy)
    with Store.open(copy) as other, zones.reader() as reader, other.writer() as writer:
        writer.set_setting("epoch", reader.setting("epoch") or "")
    change(zones, "192.0.2.9")
    known = refs(zones)
    shutil.copy(copy, tmp_path / "back.xferzone")
    with Store.open(tmp_path / "back.xferzone") as back:
        new = change(back, "192.0.2.10", at_ms=NOW + 1)
        found = refs(back, known)
        assert (found.number, found.epoch) == (known.number, known.epoch)
        assert found.whole
        assert new in [each.hash for each in found.branches]
        # The ETag is the same; what the client knows is not.
        etag = f'"{current(back)}"'
        assert asked(back, known, if_none_match=etag).status == 200
        assert asked(back, found, if_none_match=etag).status == 304


def test_positions_that_end_before_the_client_s_are_told_all(zones: Store) -> None:
    assert refs(zones, msgspec.structs.replace(refs(zones), position=10_000)).whole


@pytest.mark.parametrize("most", [1, 2, 3])
def test_a_long_list_is_told_in_parts(most: int, zones: Store) -> None:
    for number in range(5):
        tag(zones, tip(zones), f"approve-{number}")
        tag(zones, tip(zones), f"sym-example.com/tag{number}")
    with zones.reader() as reader:
        whole = told.refs(reader, None)
        parts: list[Refs] = []
        since: Since | None = None
        for _ in range(40):
            parts.append(told.refs(reader, since, most))
            last = parts[-1]
            if not last.more:
                break
            since = Since(last.epoch, last.number, last.position, last.checkin)
    assert [each for part in parts for each in part.branches] == whole.branches
    assert [each for part in parts for each in part.tags] == whole.tags
    assert [each for part in parts for each in part.controls] == whole.controls
    assert (last.number, last.position) == (whole.number, whole.position)
