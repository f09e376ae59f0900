"""Whatever a fellow has of a history, and wherever its refs stand, it holds all of a wish once it says so."""

import random
from pathlib import Path

import pytest

from tests.exchange.group.members import Group, Member
from tests.publish.project import MAIN, NOW, zone_text
from xferzone.artifacts import Control, Tag
from xferzone.env import SYSTEM
from xferzone.exchange.group import copying, fetching, packing
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.publish.publish import publish
from xferzone.refs import BranchName, Door, LocalRefs, Move, Occasion, Ref, State
from xferzone.store import schema
from xferzone.store.check.faults import faults


class History:
    """Versions of a few branches of a zone that chance has made, with merges, files beside the zone's, and tags."""

    def __init__(self, group: Group, chance: random.Random) -> None:
        self.group = group
        self.chance = chance
        self.tips: dict[str, ArtifactId] = {MAIN: group.project.served()[0]}
        self.contents: list[bytes] = []
        self._lines = [f"h{number} 300 A 192.0.2.{number}" for number in range(chance.choice((1, 200)))]

    def grow(self) -> None:
        """One more version, or a tag on one."""
        chance = self.chance
        branch = chance.choice([*self.tips])
        if chance.random() < 0.2:
            tag = Tag("+", f"t{len(self.contents)}", chance.choice([*self.tips.values()]))
            self.contents.append(Control(NOW - 1_000, (tag,), "ann").encode())
            return
        parents, begins = [self.tips[branch]], None
        if chance.random() < 0.2:
            branch = begins = f"example.com/b{len(self.tips)}"
        elif chance.random() < 0.3:
            parents += [each for each in {chance.choice([*self.tips.values()])} if each not in parents]
        number = len(self.contents)
        text = zone_text(f"www 300 A 192.0.2.{number % 250}", *self._lines, serial=number + 2)
        files = {
            "example.com.zone": text,
            "README": b"readme\n" * chance.choice((1, 100)) + b"%d" % (number // 3),
        }
        manifest = self.group.project.manifest(None, *parents, files=files, branch=begins)
        self.contents += [*files.values(), manifest]
        self.tips[branch] = artifact_id(manifest)

    def given(self, member: Member, share: float) -> None:
        """The member has so much of it, in any order."""
        some = [each for each in self.contents if self.chance.random() < share]
        self.chance.shuffle(some)
        member.take(some)

    def moves(self, member: Member) -> list[Move]:
        """All tips, wished by a member."""
        stand = member.refs()
        return [
            Move(
                stand.get(branch),
                Ref(BranchName.of_row(branch), tip, 1, State.DEFERRED),
                Occasion(NOW, "ann", Door.PUSH),
            )
            for branch, tip in self.tips.items()
            if stand.get(branch) != tip
        ]


def stand(member: Member) -> None:
    """Let its refs stand where a lone primary's would with what is here; losers have forks."""
    with member.store.writer() as writer:
        writer.set_setting("role", schema.PRIMARY)
        publish(writer, LocalRefs(writer), Occasion(NOW, "", Door.PUSH))
        writer.set_setting("role", schema.MEMBER)


def led_to(member: Member, tips: list[ArtifactId]) -> set[ArtifactId]:
    """All that leads to these, as their manifests say."""
    found: set[ArtifactId] = set()
    with member.store.reader() as reader:
        ways = [*tips]
        while ways:
            at = ways.pop()
            if at not in found:
                found |= {at, *reader.files(at).values()}
                ways += reader.checkin(at).parents
    return found


@pytest.mark.parametrize("seed", range(60))
def test_a_fellow_holds_what_it_says_it_holds(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(seed)
    monkeypatch.setattr(packing, "PAGE", chance.choice((300, 5_000, packing.PAGE)))
    monkeypatch.setattr(copying, "OFFERED", chance.choice((3, copying.OFFERED)))
    group = Group(tmp_path)
    a, b = group.member("a"), group.member("b")
    history = History(group, chance)
    for is_published in (True, False):
        for _ in range(chance.choice((1, 5, 15))):
            history.grow()
        a.take(history.contents)
        if is_published and chance.random() < 0.8:
            stand(a)
    history.given(b, chance.choice((0, 0.3, 0.9)))
    if chance.random() < 0.3:
        stand(b)
    moves, tips = history.moves(a), [*history.tips.values()]
    match chance.choice(("copy", "copy", "news", "fetch") if moves else ("news", "fetch")):
        case "copy":
            group.talk(a, b).copy(moves, [])
            tips = [each.to.checkin for each in moves]
        case "news":
            cursor, talk = -1, group.talk(a, b)
            while cursor != (cursor := talk.push_new(max(cursor, 0))):
                pass
        case _:
            fetching.fetch(b.store, group.talk(b, a).client, tips, SYSTEM, lambda: False)
    lacking = led_to(a, tips) - b.artifacts()
    assert lacking == set()
    with b.store.with_cache(0).reader() as reader:
        assert fetching.incomplete(reader, tips) == []
        assert [*faults(reader)] == []
    a.store.close()
    b.store.close()
