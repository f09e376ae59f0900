"""Walks, against a model of what leads where, over random histories: merges, baselines, controls, what is missing."""

import itertools
import random
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from xferzone.artifacts import CheckIn, Control, FileCard, Tag
from xferzone.env import SYSTEM, Env
from xferzone.errors import PeerError
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.replicate.messages import Walk
from xferzone.replicate.walking import Bounds, Page, UnknownRoot, Walking
from xferzone.store import Store, closure, controls, turns

START = 1_700_000_000_000
NAMES = ("a.example.zone", "b.example.zone", "b.example.zone.d/1.zone", "notes.txt")


@dataclass
class World:
    """A history: every artifact with what it needs, and what its controls are about."""

    contents: dict[ArtifactId, bytes] = field(default_factory=dict)
    needs: dict[ArtifactId, list[ArtifactId]] = field(default_factory=dict)
    files: dict[ArtifactId, dict[str, ArtifactId]] = field(default_factory=dict)
    parents: dict[ArtifactId, int] = field(default_factory=dict)  # how many of its needs are parents
    about: dict[ArtifactId, list[ArtifactId]] = field(default_factory=dict)
    baselines: list[ArtifactId] = field(default_factory=list)

    def add(self, content: bytes, needs: list[ArtifactId]) -> ArtifactId:
        name = artifact_id(content)
        self.contents[name] = content
        self.needs[name] = needs
        return name

    def checkin(
        self, parents: list[ArtifactId], files: dict[str, ArtifactId], baseline: ArtifactId | None = None
    ) -> ArtifactId:
        cards = tuple(FileCard(name, each) for name, each in sorted(files.items()))
        if baseline is not None:
            was = self.files[baseline]
            cards = tuple(
                FileCard(name, files.get(name))
                for name in sorted(was.keys() | files.keys())
                if was.get(name) != files.get(name)
            )
        made = CheckIn(
            comment=f"version {len(self.files)}",
            date_ms=START + 1000 * len(self.files),
            user="ann",
            files=cards,
            parents=tuple(parents),
            baseline=baseline,
        )
        own = [card.id for card in cards if card.id is not None]
        name = self.add(made.encode(), [*parents, *([baseline] if baseline else []), *own])
        self.files[name] = files
        self.parents[name] = len(parents)
        if baseline is None:
            self.baselines.append(name)
        return name

    def control(self, targets: list[ArtifactId]) -> ArtifactId:
        tags = tuple(Tag("+", f"approve-{len(self.about)}", each) for each in dict.fromkeys(targets))
        made = Control(date_ms=START + 1000 * len(self.about), user="ann", tags=tags)
        name = self.add(made.encode(), [])
        self.about[name] = list(targets)
        return name

    def leading_to(
        self,
        names: list[ArtifactId],
        here: Container[ArtifactId] | None = None,
        *,
        by_baselines: bool = True,
    ) -> set[ArtifactId]:
        """The names and all that they need, as far as that can be seen `here` (None: all of it)."""
        found: set[ArtifactId] = set()
        ways = list(names)
        while ways:
            at = ways.pop()
            if at not in found and (here is None or at in here):
                found.add(at)
                count = None if by_baselines else self.parents.get(at, 0)
                ways += self.needs.get(at, [])[:count]
        return found


def made(chance: random.Random) -> World:
    world = World()
    for number in range(chance.randint(1, 14)):
        earlier = list(world.files)
        parents = chance.sample(earlier, min(len(earlier), chance.choice((0, 1, 1, 1, 2, 3))))
        files = dict(world.files[parents[0]]) if parents else {}
        for name in chance.sample(NAMES, chance.randint(1, 2)):
            if chance.random() < 0.2:
                files.pop(name, None)
            else:
                text = f"{name} {chance.choice((number, 1))}\n".encode()
                files[name] = world.add(text, [])
        if not files:
            files["notes.txt"] = world.add(b"none\n", [])
        baseline = chance.choice(world.baselines) if world.baselines and chance.random() < 0.3 else None
        if baseline is not None and world.files[baseline] == files:
            baseline = None
        world.checkin(parents, files, baseline)
    for _ in range(chance.randint(0, 4)):
        world.control(chance.sample(list(world.files), min(len(world.files), chance.randint(1, 2))))
    return world


def kept(world: World, chance: random.Random, tmp: Path) -> tuple[Store, set[ArtifactId]]:
    """A store that has most of the world, in some order; and what it has."""
    store = Store.create(tmp)
    order = list(world.contents)
    if chance.random() < 0.5:
        chance.shuffle(order)
    gone = set(chance.sample(order, 1)) if chance.random() < 0.3 else set()
    with store.writer() as writer:
        for name in order:
            if name not in gone:
                writer.put(world.contents[name])
    return store, set(order) - gone


def pages(store: Store, walk: Walk, position: int, bounds: Bounds) -> list[Page]:
    found: list[Page] = []
    more = walk.more
    with store.reader() as reader:
        while True:
            asked = Walk(roots=walk.roots, known=walk.known, more=more)
            found.append(Walking(reader, asked, position, SYSTEM).page(reader, bounds))
            more = found[-1].more
            if not more:
                return found
            assert len(found) < 1_000


@pytest.mark.parametrize("seed", range(80))
def test_a_walk_brings_what_is_missing_and_nothing_that_leads_nowhere(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    world = made(chance)
    store, here = kept(world, chance, tmp_path / "zones.xferzone")
    heads = [each for each in world.files if each in here]
    roots = chance.sample(heads, min(len(heads), chance.randint(1, 3)))
    known = chance.sample(list(world.files), min(len(world.files), chance.choice((0, 1, 1, 2))))
    with store, store.reader() as reader:
        rows = closure.rows(reader, list(world.contents))
        position = chance.choice([0, *rows.values()])
        found = pages(store, Walk(roots=[*roots], known=[*known]), position, Bounds())
        (page,) = found
        told = list(page.missing)
        reached, had = world.leading_to(roots, here), world.leading_to(known)

        assert set(told) <= here
        assert reached <= had | set(told)
        lines = world.leading_to(roots, here & world.files.keys(), by_baselines=False)
        wanted = {
            each
            for each, targets in world.about.items()
            if each in here
            and any(at in reached - had or (at in lines and rows[each] > position) for at in targets)
        }
        assert wanted <= set(told)
        assert set(told) - world.about.keys() <= reached
        for at, name in enumerate(told):
            assert set(world.needs[name]) & set(told) - had <= set(told[:at])

        small = pages(store, Walk(roots=[*roots], known=[*known]), position, Bounds(ids=chance.randint(1, 4)))
        assert {name for each in small for name in each.missing} == set(told)
        assert all(each.missing for each in small[:-1])

        # One object tells nothing twice, and says where another one may go on.
        walk = Walking(reader, Walk(roots=[*roots], known=[*known]), position, SYSTEM)
        size = chance.randint(1, 4)
        parts = [walk.page(reader, Bounds(ids=size))]
        while parts[-1].more and len(parts) < 100:
            parts.append(walk.page(reader, Bounds(ids=size)))
        assert sorted(name for part in parts for name in part.missing) == sorted(told)
        if parts[0].more:
            rest = Walk(roots=[*roots], known=[*known], more=parts[0].more)
            later = {name for each in pages(store, rest, position, Bounds()) for name in each.missing}
            assert later | parts[0].missing.keys() == set(told)


def line(world: World, length: int) -> list[ArtifactId]:
    """Check-ins one after the other, each with a file of its own."""
    found: list[ArtifactId] = []
    for number in range(length):
        text = world.add(f"version {number}\n".encode(), [])
        found.append(world.checkin(found[-1:], {"a.example.zone": text}))
    return found


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "zones.xferzone") as store:
        yield store


def fill(store: Store, world: World, names: list[ArtifactId] | None = None) -> None:
    with store.writer() as writer:
        for name in world.contents if names is None else names:
            writer.put(world.contents[name])


def page(
    store: Store, roots: list[ArtifactId], known: list[ArtifactId], position: int = 0
) -> list[ArtifactId]:
    with store.reader() as reader:
        asked = Walk(roots=[*roots], known=[*known])
        return list(Walking(reader, asked, position, SYSTEM).page(reader).missing)


def test_what_leads_to_the_known_is_left_out(store: Store, world: World) -> None:
    x = line(world, 5)
    fill(store, world)
    assert page(store, [x[4]], [x[2]]) == [world.needs[x[3]][-1], x[3], world.needs[x[4]][-1], x[4]]
    assert page(store, [x[2]], [x[4]]) == []


def test_what_is_known_there_and_not_here_is_ignored(store: Store, world: World) -> None:
    x = line(world, 2)
    fill(store, world)
    assert page(store, [x[1]], [artifact_id(b"nowhere")]) == page(store, [x[1]], [])


def test_a_root_that_is_not_here_is_named(store: Store, world: World) -> None:
    fill(store, world)
    gone = artifact_id(b"nowhere")
    with pytest.raises(UnknownRoot, match=gone):
        page(store, [gone], [])


def test_only_what_is_complete_here_is_left_out_for_the_known(store: Store, world: World) -> None:
    x = line(world, 3)
    text = world.needs[x[1]][-1]
    fill(store, world, [each for each in world.contents if each != text])
    assert x[1] in page(store, [x[2]], [x[2]])
    assert x[0] not in page(store, [x[2]], [x[2]])


def test_a_control_that_came_before_its_check_in_was_published_is_not_lost(
    store: Store, world: World
) -> None:
    """A control on x2 at position 50; the mirror looks at 60; x2 is published later."""
    x = line(world, 2)
    control = world.control([x[1]])
    fill(store, world)
    with store.reader() as reader:
        position = controls.newest(reader)
    assert control in page(store, [x[1]], [x[0]], position)


def test_a_control_on_what_is_known_is_told_once_it_is_new(store: Store, world: World) -> None:
    x = line(world, 2)
    first = world.control([x[0]])
    fill(store, world)
    with store.reader() as reader:
        position = controls.newest(reader)
    later = world.control([x[0]])
    fill(store, world, [later])
    assert page(store, [x[1]], [x[1]], position) == [later]
    assert page(store, [x[1]], [x[1]], 0) == [first, later]


def test_a_control_on_nothing_that_is_reached_is_not_told(store: Store, world: World) -> None:
    x = line(world, 1)
    other = world.checkin([], {"b.example.zone": world.add(b"other\n", [])})
    world.control([other])
    fill(store, world)
    assert page(store, x, []) == [world.needs[x[0]][0], x[0]]


def test_the_trunk_root_comes_first_where_nothing_is_known(store: Store, world: World) -> None:
    tags = (Tag("*", "branch", None, "trunk"), Tag("*", "sym-trunk", None, None))
    root = world.add(CheckIn(comment="initial", date_ms=START, user="ann", tags=tags).encode(), [])
    x = line(world, 2)
    fill(store, world)
    assert page(store, [x[1]], [])[0] == root
    assert root not in page(store, [x[1]], [x[0]])


def test_a_root_may_be_any_artifact(store: Store, world: World) -> None:
    x = line(world, 1)
    text = world.needs[x[0]][0]
    fill(store, world)
    assert page(store, [text], []) == [text]
    assert page(store, [text], [text]) == []


def test_clusters_are_not_walked(store: Store, world: World) -> None:
    x = line(world, 120)
    fill(store, world)
    with store.writer() as writer:
        writer.make_clusters()
    assert set(page(store, x[-1:], [])) == set(world.contents)


def test_one_id_a_page_comes_however_long_it_takes(store: Store, world: World) -> None:
    x = line(world, 5)
    fill(store, world)
    ticks = iter(range(0, 100_000, 60))
    slow = Env(monotonic=lambda: next(ticks))
    told: list[ArtifactId] = []
    more = ""
    with store.reader() as reader:
        for _ in x:
            found = Walking(reader, Walk(roots=[*x[-1:]], more=more), 0, slow).page(reader)
            assert found.missing
            told += found.missing
            more = found.more
    assert not more
    assert told == page(store, x[-1:], [])


@pytest.mark.parametrize("more", ["x", "0", f"{artifact_id(b'x')}", "a.b", "a.-1"])
def test_what_is_no_cursor_is_refused(more: str, store: Store, world: World) -> None:
    x = line(world, 1)
    fill(store, world)
    with store.reader() as reader, pytest.raises(PeerError, match="more"):
        Walking(reader, Walk(roots=[*x], more=more), 0, SYSTEM).page(reader)


def test_a_hundred_thousand_check_ins_in_a_line_cost_no_stack() -> None:
    parents = {row: [row - 1] for row in range(2, 100_001)} | {1: []}
    assert closure.order(parents, [100_000]) == list(range(1, 100_001))


@pytest.mark.parametrize("size", [1, 2, 7])
def test_all_that_leads_to_the_roots_is_read_in_short_statements_to_the_same_end(
    size: int, store: Store, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    dice = random.Random(size)
    x = line(world, 5)
    for number in range(60):
        parents = dict.fromkeys([x[-dice.choice([1, 1, 2, 5])], *dice.sample(x, dice.choice([0, 0, 2]))])
        x.append(world.checkin([*parents], {"a.example.zone": world.add(b"%d\n" % number, [])}))
    fill(store, world)
    with store.reader() as reader:
        rows = closure.rows(reader, x)
        roots, known = [rows[x[-1]], rows[x[40]]], [rows[x[dice.randrange(40)]]]
        whole = closure.closure(reader, roots, known)
    monkeypatch.setattr(closure, "PAGE", size)
    monkeypatch.setattr(turns, "clock", itertools.count().__next__)  # every transaction lasts long
    run: list[str] = []
    with store.reader(in_parts=True) as reader:
        reader.db.set_trace_callback(run.append)
        assert closure.closure(reader, roots, known) == whole
        reader.db.set_trace_callback(None)
    statements = sum("RECURSIVE" in each for each in run)
    assert run.count("COMMIT") == statements + 1  # one more before they are put in order
    assert statements > len(whole.reached or ()) / (size + 8)


def test_parents_that_lead_in_a_circle_end() -> None:
    assert closure.order({1: [2], 2: [1]}, [1, 2]) == [2, 1]


def test_both_searches_tell_the_same(store: Store, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    x = line(world, 9)
    side = world.checkin([x[4]], {"a.example.zone": world.add(b"side\n", [])})
    merge = world.checkin([x[8], side], {"a.example.zone": world.add(b"merge\n", [])})
    fill(store, world)
    near = page(store, [merge], [x[4]])
    assert set(near) == {each for name in (*x[5:], side, merge) for each in (name, world.needs[name][-1])}
    monkeypatch.setattr(closure, "QUICK", 2)
    assert page(store, [merge], [x[4]]) == near


def test_a_line_that_passes_by_what_is_known_is_looked_at_as_a_whole(store: Store, world: World) -> None:
    x = line(world, 5)
    side = world.checkin([x[1]], {"a.example.zone": world.add(b"side\n", [])})
    fill(store, world)
    assert page(store, [side], [x[4]]) == [world.needs[side][-1], side]
