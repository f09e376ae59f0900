"""What a member says to a fellow, with both in this process: copies of wishes, whatever the fellow lacks, and news."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.exchange.group.members import HOST, Group, Member
from tests.publish.project import MAIN, NOW, zone_text
from xferzone.artifacts import Control, Tag
from xferzone.env import SYSTEM
from xferzone.errors import Denied, PeerError
from xferzone.exchange.group import copying, fetching, packing
from xferzone.exchange.group.copying import Copying, GaveUp
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.refs import BranchName, Door, Move, Occasion, Ref, State
from xferzone.replicate.server import Terms, respond
from xferzone.replicate.signing import Signer
from xferzone.store import brought
from xferzone.store.brought import Bringer
from xferzone.transport.walk import WalkReply, WalkRequest


@pytest.fixture
def group(tmp_path: Path) -> Group:
    return Group(tmp_path)


@dataclass
class Heard:
    """What a member was asked, and answers."""

    member: Member
    requests: list[WalkRequest] = field(default_factory=list)

    def __call__(self, request: WalkRequest) -> WalkReply:
        self.requests.append(request)
        return respond(self.member.store, request, Terms(HOST))

    @property
    def sizes(self) -> list[int]:
        return [len(each.body) for each in self.requests]


def tagged(checkin: ArtifactId, name: str, date_ms: int = NOW) -> bytes:
    """A control artifact that sets a tag on a check-in."""
    return Control(date_ms, (Tag("+", name, checkin),), "ann").encode()


# -- a wish


def test_a_fellow_holds_what_a_wish_names_and_moves_nothing(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    move = group.made(a, "192.0.2.2")
    before = b.refs()
    told = group.talk(a, b).copy([move], [])
    assert (told.member, told.life, list(told.beyond)) == ("b", b.share.life, [])
    assert b.artifacts() == a.artifacts()
    assert b.refs() == before


def test_one_request_is_enough_for_a_fellow_that_is_up_to_date(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    move, heard = group.made(a, "192.0.2.2"), Heard(b)
    group.talk(a, b, heard).copy([move], [])
    assert len(heard.requests) == 1


def test_what_it_has_already_is_told_of_alone(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    move = group.made(a, "192.0.2.2")
    group.talk(a, b).copy([move], [])
    had = b.artifacts()
    assert group.talk(a, b).copy([move], []).member == "b"
    assert b.artifacts() == had


def test_a_fellow_that_was_away_gets_the_line_between(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    for number in range(2, 6):
        move = group.made(a, f"192.0.2.{number}")
    heard = Heard(b)
    group.talk(a, b, heard).copy([move], [])
    assert b.artifacts() == a.artifacts()
    assert len(heard.requests) == 2


def test_a_delta_of_what_a_fellow_does_not_have_comes_whole_at_last(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    many = [f"h{number} 300 A 192.0.2.{number % 250}" for number in range(2_000)]
    group.made(a, "192.0.2.2", *many)
    move = group.made(a, "192.0.2.3", *many)
    with a.store.reader() as reader:
        (file,) = reader.files(move.to.checkin).values()
    heard = Heard(b)
    group.talk(a, b, heard).copy([move], [])
    assert b.artifacts() == a.artifacts()
    assert b.has(file)
    assert heard.sizes[0] < 5_000 < sum(heard.sizes)  # the first one was a delta


def test_of_a_new_version_of_a_large_zone_little_is_sent(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    many = [f"h{number} 300 A 192.0.2.{number % 250}" for number in range(2_000)]
    group.talk(a, b).copy([group.made(a, "192.0.2.2", *many)], [])
    move, heard = group.made(a, "192.0.2.3", *many), Heard(b)
    group.talk(a, b, heard).copy([move], [])
    assert b.artifacts() == a.artifacts()
    assert sum(heard.sizes) < 5_000


def test_an_artifact_of_three_megabytes_comes_whole(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    before, _ = group.project.served()
    large = random.Random(1).randbytes(3_000_000)
    manifest = group.project.manifest(
        None, before, files={"example.com.zone": zone_text("www 300 A 192.0.2.9"), "large.bin": large}
    )
    a.take([large, zone_text("www 300 A 192.0.2.9"), manifest])
    group.talk(a, b).copy([_move(before, artifact_id(manifest))], [])
    assert b.artifacts() == a.artifacts()
    with b.store.reader() as reader:
        assert reader.content(artifact_id(large)) == large


def test_much_goes_in_several_requests(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PAGE", 500)
    a, b = group.member("a"), group.member("b")
    for number in range(2, 12):
        move = group.made(a, f"192.0.2.{number}")
    heard = Heard(b)
    group.talk(a, b, heard).copy([move], [])
    assert b.artifacts() == a.artifacts()
    assert len(heard.requests) > 5


def test_many_branches_go_in_several_requests(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "MAX_BRANCHES", 3)
    a, b = group.member("a"), group.member("b")
    before, _ = group.project.served()
    moves = []
    for number in range(10):
        branch = BranchName("example.com", f"b{number}")
        text = zone_text(f"www 300 A 192.0.2.{number}")
        manifest = group.project.manifest(text, before, branch=str(branch))
        a.take([text, manifest])
        moves.append(_move(None, artifact_id(manifest), branch))
    group.talk(a, b).copy(moves, [])
    assert b.artifacts() == a.artifacts()


def test_all_parents_come_with_a_merge(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    before, _ = group.project.served()
    side = group.project.manifest(zone_text("side 300 A 192.0.2.7"), before, branch="example.com/test")
    text = zone_text("www 300 A 192.0.2.1", "side 300 A 192.0.2.7", serial=2)
    merge = group.project.manifest(text, before, artifact_id(side))
    a.take([zone_text("side 300 A 192.0.2.7"), side, text, merge])
    group.talk(a, b).copy([_move(before, artifact_id(merge))], [])
    assert b.artifacts() == a.artifacts()


def test_controls_come_with_what_they_are_about_and_alone(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    move = group.made(a, "192.0.2.2")
    with_it, alone = tagged(move.to.checkin, "approved"), tagged(move.expected or move.to.checkin, "late")
    a.take([with_it, alone])
    group.talk(a, b).copy([move], [])
    assert b.has(artifact_id(with_it))
    assert not b.has(artifact_id(alone))
    group.talk(a, b).copy([], [artifact_id(alone)])
    assert b.has(artifact_id(alone))


def test_who_brought_it_is_noted_at_the_fellow(group: Group) -> None:
    a, b, c = (group.member(name) for name in "abc")
    move = group.made(a, "192.0.2.2", door=Door.CLI)
    with a.store.reader() as reader:
        (file,) = reader.files(move.to.checkin).values()
    with a.store.writer() as writer:
        brought.note(writer, [file], Bringer("bob", "push"))
    group.talk(a, b).copy([move], [])
    group.talk(b, c).copy([move], [])
    for member in (b, c):
        with member.store.reader() as reader:
            assert brought.by(reader, move.to.checkin) == ("ann", "cli")
            assert brought.by(reader, file) == ("bob", "push")


def test_nothing_is_published_or_forked_by_a_copy(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    before, _ = group.project.served()
    for number in (2, 3):  # two children of one check-in
        manifest = group.project.manifest(zone_text(f"www 300 A 192.0.2.{number}"), before)
        a.take([zone_text(f"www 300 A 192.0.2.{number}"), manifest])
        group.talk(a, b).copy([_move(before, artifact_id(manifest))], [])
    assert b.artifacts() == a.artifacts()
    assert set(b.refs()) == {MAIN}


def test_a_large_artifact_goes_alone(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PAGE", 4_000)
    a, b = group.member("a"), group.member("b")
    with a.store.reader() as reader:
        row = reader.last_row()
    sizes = (1_500, 1_500, 20_000, 1_500)
    a.take([random.Random(size + at).randbytes(size) for at, size in enumerate(sizes)])
    heard = Heard(b)
    group.talk(a, b, heard).push_new(row)
    assert b.artifacts() == a.artifacts()
    assert [size // 1_000 for size in heard.sizes[1:]] == [3, 20, 1]


def test_controls_of_a_wish_come_in_bounded_pages(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "PAGE", 1_300)
    a, b = group.member("a"), group.member("b")
    before, _ = group.project.served()
    chance = random.Random(1)
    made = [tagged(before, "x" + chance.randbytes(200).hex()) for _ in range(6)]
    a.take(made)
    heard = Heard(b)
    group.talk(a, b, heard).copy([], [artifact_id(each) for each in made])
    assert b.artifacts() == a.artifacts()
    assert len(heard.requests) == 3  # of two each


# -- refs of a fellow that the wish does not follow


def test_a_ref_of_a_fellow_off_the_line_is_told(group: Group, tmp_path: Path) -> None:
    a = group.member("a")
    move = group.made(a, "192.0.2.2")
    b = group.member("b")  # it stands there already
    other = group.project.manifest(zone_text("www 300 A 192.0.2.3"), *filter(None, [move.expected]))
    a.take([zone_text("www 300 A 192.0.2.3"), other])
    told = group.talk(a, b).copy([_move(move.expected, artifact_id(other))], [])
    assert told.beyond == {move.to.branch: f"b has {MAIN} at {move.to.checkin[:16]}"}
    assert list(group.talk(a, b).copy([move], []).beyond) == []


def test_a_ref_of_a_fellow_that_is_not_here_is_told(group: Group) -> None:
    a = group.member("a")
    c = group.member("c")
    move = group.made(c, "192.0.2.2")
    b = group.member("b")
    other = group.project.manifest(zone_text("www 300 A 192.0.2.3"), *filter(None, [move.expected]))
    a.take([zone_text("www 300 A 192.0.2.3"), other])
    told = group.talk(a, b).copy([_move(move.expected, artifact_id(other))], [])
    assert len(told.beyond) == 1


# -- what goes wrong


def test_what_is_damaged_here_is_told_and_not_counted(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    move = group.made(a, "192.0.2.2")
    with a.store.reader() as reader:
        (file,) = reader.files(move.to.checkin).values()
    with a.store.writer() as writer:
        writer.db.execute("UPDATE blob SET content = x'00' WHERE hash = ?", (bytes.fromhex(file),))
    fresh = group.talk(Member(a.store.with_cache(0), a.share), b)
    with pytest.raises(PeerError, match="b still lacks 1 artifact"):
        fresh.copy([move], [])


def test_a_fellow_that_is_another_member_by_turns_is_told(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "MAX_BRANCHES", 1)
    a, b, c = (group.member(name) for name in "abc")
    first = group.made(a, "192.0.2.2")
    by_turns = iter([Heard(b), Heard(c)])
    with pytest.raises(PeerError, match="is it a balancer"):
        group.talk(a, b, lambda request: next(by_turns)(request)).copy([first, first], [])


def test_nobody_is_asked_when_it_is_over(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    move, heard = group.made(a, "192.0.2.2"), Heard(b)
    talk = group.talk(a, b, heard)
    over = Copying(talk.store, talk.client, talk.group, is_over=lambda: True)
    with pytest.raises(GaveUp):
        over.copy([move], [])
    assert heard.requests == []


def test_a_member_of_another_life_of_the_group_takes_nothing(group: Group) -> None:
    a, b = group.member("a"), group.member("b", group="2" * 32)
    move, had = group.made(a, "192.0.2.2"), b.artifacts()
    with pytest.raises(PeerError, match=r"409: this member is in life 2+ of the group, and the sender in 1+"):
        group.talk(a, b).copy([move], [])
    assert b.artifacts() == had


def test_a_wrong_secret_is_told_with_a_remedy(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    move = group.made(a, "192.0.2.2")
    with pytest.raises(Denied, match="is it of the same group"):
        group.talk(a, b, signer=Signer("a", "6" * 64, is_member=True)).copy([move], [])


# -- news


def test_what_is_new_is_sent_once(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    with a.store.reader() as reader:
        row = reader.last_row()
    for number in range(2, 5):
        move = group.made(a, f"192.0.2.{number}")
    a.take([tagged(move.to.checkin, "approved")])
    heard = Heard(b)
    talk = group.talk(a, b, heard)
    cursor = talk.push_new(row)
    assert b.artifacts() == a.artifacts()
    assert len(heard.requests) == 2  # an offer, and what is lacking
    assert talk.push_new(cursor) == cursor
    assert len(heard.requests) == 2
    assert talk.push_new(row) == cursor
    assert len(heard.requests) == 3
    assert set(b.refs()) == {MAIN}


def test_news_come_in_bounded_pages(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copying, "OFFERED", 3)
    a, b = group.member("a"), group.member("b")
    for number in range(2, 8):
        group.made(a, f"192.0.2.{number}")
    talk = group.talk(a, b)
    cursors = [*_cursors(talk.push_new)]
    assert len(cursors) > 4
    assert cursors == sorted(set(cursors))
    assert b.artifacts() == a.artifacts()


def test_of_what_a_fellow_lacks_the_source_of_it_comes_whole(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    many = [f"h{number} 300 A 192.0.2.{number % 250}" for number in range(2_000)]
    group.made(a, "192.0.2.2", *many)
    with a.store.reader() as reader:
        row = reader.last_row()
    move = group.made(a, "192.0.2.3", *many)
    group.talk(a, b).push_new(row)
    with a.store.reader() as reader:
        (file,) = reader.files(move.to.checkin).values()
    assert b.has(file)
    assert b.has(move.to.checkin)


def test_what_came_by_a_copy_is_passed_on(group: Group) -> None:
    a, b, c = (group.member(name) for name in "abc")
    move = group.made(a, "192.0.2.2")
    group.talk(a, b).copy([move], [])  # and `a` is gone
    assert [*_cursors(group.talk(b, c).push_new)]
    assert c.artifacts() == b.artifacts()
    with c.store.reader() as reader:
        assert brought.by(reader, move.to.checkin) == ("ann", "push")


def test_a_file_without_that_row_begins_anew(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    assert group.talk(a, b).push_new(10_000) == 0


# -- what a ref names, fetched


def test_what_a_ref_names_is_fetched_from_where_refs_stand(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    for number in range(2, 6):
        move = group.made(a, f"192.0.2.{number}")
    tag = tagged(move.to.checkin, "approved")
    a.take([tag])
    heard = Heard(a)
    fetching.fetch(b.store, group.talk(b, a, heard).client, [move.to.checkin], SYSTEM, lambda: False)
    assert b.artifacts() == a.artifacts()
    assert set(b.refs()) == {MAIN}
    assert [each.target for each in heard.requests] == ["/v0/objects/batch", "/v0/objects/pull"]


def test_one_request_is_enough_where_the_zones_are_known(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    for number in range(2, 6):
        move = group.made(a, f"192.0.2.{number}")
    a.take([tagged(move.to.checkin, "approved")])
    heard = Heard(a)
    client = group.talk(b, a, heard).client
    fetching.fetch(b.store, client, [move.to.checkin], SYSTEM, lambda: False, {"example.com"})
    assert b.artifacts() == a.artifacts()
    assert [each.target for each in heard.requests] == ["/v0/objects/pull"]


@pytest.mark.parametrize("zone", ["example.com", "strange.example"])
def test_what_a_fellow_lacks_keeps_nothing_else_there(group: Group, zone: str) -> None:
    a, b = group.member("a"), group.member("b")
    move = group.made(a, "192.0.2.2")
    tips = [ArtifactId("0" * 64), move.to.checkin]
    fetching.fetch(b.store, group.talk(b, a).client, tips, SYSTEM, lambda: False, {zone})
    assert b.artifacts() == a.artifacts()


def test_what_is_here_in_part_is_made_whole(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    for number in range(2, 6):
        move = group.made(a, f"192.0.2.{number}")
    with a.store.reader() as reader:
        b.take([reader.content(move.to.checkin)])
    fetching.fetch(b.store, group.talk(b, a).client, [move.to.checkin], SYSTEM, lambda: False)
    assert b.artifacts() == a.artifacts()


def test_many_are_fetched_by_few_requests_and_who_has_not_got_one_gives_the_others(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    before, _ = group.project.served()
    tips = [ArtifactId("0" * 64)]
    for number in range(10):
        text = zone_text(f"www 300 A 192.0.2.{number}")
        manifest = group.project.manifest(text, before, branch=f"example.com/b{number}")
        a.take([text, manifest])
        tips.append(artifact_id(manifest))
    heard = Heard(a)
    fetching.fetch(b.store, group.talk(b, a, heard).client, tips, SYSTEM, lambda: False)
    assert b.artifacts() == a.artifacts()
    assert len(heard.requests) == 2
    with b.store.reader() as reader:
        assert fetching.incomplete(reader, tips) == tips[:1]


def test_it_ends_when_it_is_over(group: Group) -> None:
    a, b = group.member("a"), group.member("b")
    move, heard = group.made(a, "192.0.2.2"), Heard(a)
    with pytest.raises(PeerError, match="takes too long"):
        fetching.fetch(b.store, group.talk(b, a, heard).client, [move.to.checkin], SYSTEM, lambda: True)
    assert len(heard.requests) == 1


def _move(before: ArtifactId | None, to: ArtifactId, branch: BranchName | None = None) -> Move:
    branch = branch or BranchName.of_row(MAIN)
    return Move(before, Ref(branch, to, 1, State.DEFERRED), Occasion(NOW, "ann", Door.PUSH))


def _cursors(push_new: Callable[[int], int]) -> Iterator[int]:
    at = 0
    while (reached := push_new(at)) != at:
        yield (at := reached)
