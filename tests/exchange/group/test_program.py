"""The group program, turn by turn, against the model of etcd: what members come to whatever befalls them."""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.exchange.group.deciders import Decider, Deciding, on_branch
from tests.publish.project import MAIN_BRANCH
from tests.refs.model import Door, Fault
from xferzone.artifacts import CheckIn, Tag, parse
from xferzone.env import Env
from xferzone.errors import Away, OnHold
from xferzone.exchange.group import watched
from xferzone.exchange.group.copying import Copying, FellowFile
from xferzone.exchange.group.fellow import MAX_AGAIN_S, PULL_S, TOGETHER_S
from xferzone.exchange.group.following import LOOK_S, OWN_S, PENDING_S, Following
from xferzone.exchange.group.leaving import remove
from xferzone.exchange.group.listening import LIST_S
from xferzone.exchange.group.program import Options, Program
from xferzone.exchange.group.registered import ALIVE_S
from xferzone.exchange.group.standing import State, check, standing
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.publish.clobbers import TAG
from xferzone.refs import membership, serving
from xferzone.refs.consensus import Tip
from xferzone.refs.roster import Member, Names, ended
from xferzone.replicate.client import Client
from xferzone.store import Store, accounts, schema

STEP_S = 1.0  # of a turn
AT_ONCE = 3  # turns in which all is everywhere


class Reaching:
    """The fellows of one member, as its program reaches them."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider

    def push_new(self, store: Store, name: str, since_row: int, file: FellowFile) -> int:
        return self._talk(name, file).push_new(since_row)

    def look_back(self, store: Store, name: str, file: FellowFile) -> None:
        self._talk(name, file).look_back()

    def _talk(self, name: str, file: FellowFile) -> Copying:
        return replace(self._decider.talk(self._other(name))[0], file=file)

    @contextmanager
    def client(self, name: str) -> Iterator[Client]:
        yield self._decider.talk(self._other(name))[1]

    def _other(self, name: str) -> Decider:
        return next(each for each in self._decider.others if each.name == name)


@dataclass
class Running:
    """A member, and its program.

    Fields:
        fault: what becomes of its operations in etcd, by their names; None: nothing.
        is_stopped: its program does not run, and nobody reaches it.
    """

    decider: Decider
    program: Program
    fault: Callable[[str], Fault | None] = lambda _operation: None
    _is_stopped: bool = False

    @property
    def is_stopped(self) -> bool:
        return self._is_stopped

    @is_stopped.setter
    def is_stopped(self, stopped: bool) -> None:
        self._is_stopped = self.decider.is_away = stopped

    @property
    def state(self) -> State:
        found = standing(self.decider.store.path)
        assert found is not None
        return found.state

    @property
    def why(self) -> str:
        found = standing(self.decider.store.path)
        return "" if found is None else found.why

    def check(self) -> None:
        """Raises what a door would."""
        check(self.decider.store.path, self.decider.member.share.group)


class Site:
    """Members, each with its program, and a clock."""

    def __init__(self, directory: Path, copies: int = 1) -> None:
        self.deciding = Deciding(directory, "abc", copies)
        self.now = 0.0
        self.deciding.cluster.clock = lambda: self.now
        self.running = [self.begin(each) for each in self.deciding.members]
        self.turns(AT_ONCE)

    def begin(self, decider: Decider) -> Running:
        """Its program, as after a start."""
        env = Env(clock_ms=lambda: decider.now + int(1000 * self.now), monotonic=lambda: self.now)
        options = Options(env=env)
        program = Program(decider.store, decider.member.share, decider.group, Reaching(decider), options)
        running = Running(decider, program)
        decider.door.faults = lambda operation: running.fault(operation)
        return running

    def turns(self, count: int, *, only: str = "abc") -> None:
        """So many turns of each member's program."""
        for _ in range(count):
            self.now += STEP_S
            for each in self.running:
                if each.decider.name in only and not each.is_stopped:
                    each.program.turn()

    def version(
        self, address: str, parent: ArtifactId | None = None
    ) -> tuple[tuple[bytes, bytes], ArtifactId]:
        made = self.deciding.version(address, parent or self.deciding.first)
        return made, artifact_id(made[1])

    def tips(self) -> list[ArtifactId | None]:
        return [each.decider.tip() for each in self.running]

    def states(self) -> list[State]:
        return [each.state for each in self.running]

    def close(self) -> None:
        for each in self.running:
            each.program.close()
        self.deciding.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with closing(Site(tmp_path)) as made:
        yield made


def test_members_that_begin_are_registered_alive_and_up(site: Site) -> None:
    assert site.states() == ["up", "up", "up"]
    keys = {
        key.removeprefix(site.deciding.space)
        for key in site.deciding.cluster.values(site.deciding.space).values
    }
    assert {f"{kind}/{name}" for kind in ("member", "alive") for name in "abc"} <= keys


def registered(site: Site) -> set[str]:
    space = site.deciding.space
    names = {key.removeprefix(space) for key in site.deciding.cluster.values(space).values}
    return {name for name in names if name.startswith(("member/", "alive/"))}


def test_a_registration_that_is_gone_is_made_again(site: Site) -> None:
    before = registered(site)
    gone: dict[str, bytes | None] = {f"{site.deciding.space}{each}/b": None for each in ("member", "alive")}
    for key in gone:
        site.deciding.cluster.transact({}, {key: None}, None)
        assert registered(site) != before
        site.turns(10)
        assert registered(site) == before


def test_all_goes_on_soon_after_a_key_was_moved_off_its_line_and_back(site: Site) -> None:
    loser, _ = site.version("192.0.2.2")
    winner, tip = site.version("192.0.2.3")
    site.running[0].decider.push(*winner)
    site.turns(AT_ONCE)
    for each in site.running:
        each.decider.member.take(loser)
    good = site.deciding.key()
    assert good is not None
    put_key(site, replace(good, checkin=artifact_id(loser[1])))
    site.turns(int(1.5 * PULL_S))
    assert site.states() == ["hold"] * 3
    assert site.tips() == [tip] * 3
    put_key(site, good)
    site.turns(2 * int(MAX_AGAIN_S))
    assert site.states() == ["up"] * 3
    assert site.tips() == [tip] * 3


def put_key(site: Site, tip: Tip) -> None:
    """As an operator does it."""
    key = Names(site.deciding.space).ref(MAIN_BRANCH)
    site.deciding.cluster.transact({}, {key: tip.encode()}, None)


def test_whoever_leaves_is_not_registered_again(site: Site) -> None:
    b = site.running[1]
    site.deciding.cluster.transact({}, {f"{site.deciding.space}member/b": None}, None)
    site.turns(1)
    with b.decider.store.writer() as writer:
        membership.end(writer, schema.CLONE)
    site.turns(10)
    assert "member/b" not in registered(site)


def test_what_one_wins_is_soon_everywhere(site: Site) -> None:
    a, b, c = (each.decider for each in site.running)
    made, tip = site.version("192.0.2.2")
    a.push(*made)
    site.turns(AT_ONCE)
    assert site.tips() == [tip] * 3
    assert a.member.artifacts() == b.member.artifacts() == c.member.artifacts()


def test_what_a_fellow_took_in_and_never_proposed_is_published_by_another(site: Site) -> None:
    """Copied to b; a ends before it asks etcd; the client pushes the same to b, which has it, and nothing is new."""
    a, b, _ = site.running
    made, tip = site.version("192.0.2.2")
    a.is_stopped = True
    b.decider.member.take(made)
    site.turns(int(PENDING_S / STEP_S) + AT_ONCE)
    assert site.tips()[1:] == [tip, tip]
    a.is_stopped = False
    site.turns(AT_ONCE)
    assert site.tips() == [tip] * 3


def test_what_waited_for_a_copy_is_published_once_a_fellow_has_it(tmp_path: Path) -> None:
    with closing(Site(tmp_path, copies=2)) as site:
        a, b, c = site.running
        b.is_stopped = c.is_stopped = True
        made, tip = site.version("192.0.2.2")
        assert "kept" in " ".join(a.decider.push(*made))
        site.turns(AT_ONCE)
        assert a.decider.tip() == site.deciding.first
        b.is_stopped = False
        site.turns(int(MAX_AGAIN_S / STEP_S) + AT_ONCE)
        assert site.tips()[:2] == [tip, tip]


def test_what_a_fellow_has_under_way_is_not_proposed_by_whoever_has_its_copies(site: Site) -> None:
    a, b, _ = site.running
    made, _ = site.version("192.0.2.2")
    a.is_stopped = True  # it asks etcd just now
    b.decider.member.take(made)
    site.turns(int(MAX_AGAIN_S / STEP_S), only="b")
    assert b.decider.tip() == site.deciding.first


def test_a_doubt_wakes_the_thread_that_follows(site: Site) -> None:
    a, woken = site.running[0], []
    options = Options(wake=lambda: woken.append(site.now), env=Env(monotonic=lambda: site.now))
    share, group = a.decider.member.share, a.decider.group
    with closing(Program(a.decider.store, share, group, Reaching(a.decider), options)) as program:
        registering, following, *_ = program.parts
        following.turn()
        woken.clear()
        a.fault = lambda _operation: Fault.DROPPED
        registering.turn()
        assert woken
        assert following.next_at <= site.now


def test_the_ref_of_who_has_moved_a_key_is_his_to_move_for_a_while(site: Site) -> None:
    a, b, _ = site.running
    made, tip = site.version("192.0.2.2")
    for each in (a, b):
        each.decider.member.take(made)
    key = {f"{site.deciding.space}ref/{MAIN_BRANCH}": Tip(tip, 2, "a").encode()}
    site.deciding.cluster.transact({}, key, None)  # and whoever did it at a has died
    for each in (a, b):
        each.program.turn()
    assert (a.decider.tip(), b.decider.tip()) == (site.deciding.first, tip)
    site.now += OWN_S
    a.program.turn()
    assert a.decider.tip() == tip


def test_what_nobody_has_keeps_no_other_branch_waiting(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, _ = (each.decider for each in site.running)
    asked: list[list[str]] = []
    fetch = b.group.fellows.fetch

    def noted(store: Store, tips: Sequence[Tip], zones: Collection[str]) -> None:
        asked.append([tip.checkin for tip in tips])
        fetch(store, tips, zones)

    monkeypatch.setattr(b.group.fellows, "fetch", noted)
    nowhere = ArtifactId("ab" * 32)
    key = f"{site.deciding.space}ref/example.com/test"
    site.deciding.cluster.transact({}, {key: Tip(nowhere, 9, "a").encode()}, None)
    site.turns(AT_ONCE)
    asked.clear()
    made, tip = site.version("192.0.2.2")
    a.push(*made)
    site.turns(1, only="b")
    assert b.tip() == tip
    assert asked in ([], [[tip]])
    site.turns(60)
    assert 6 <= sum(each == [nowhere] for each in asked) < 30
    found = standing(b.store.path)
    assert found is not None
    assert (found.state, found.behind) == ("up", 1)


def test_what_a_fellow_sends_that_cannot_be_asked_is_followed_at_once(site: Site) -> None:
    """The pauses between two attempts have grown by then."""
    a, b, _ = site.running
    made, tip = site.version("192.0.2.2")
    a.decider.push(*made)
    a.is_stopped = True
    site.turns(40, only="b")
    assert b.decider.tip() == site.deciding.first
    b.decider.member.take(made)
    following = next(part for part in b.program.parts if isinstance(part, Following))
    site.now += LOOK_S
    following.turn()
    assert b.decider.tip() == tip


def test_what_is_new_is_sent_together_with_what_follows(site: Site) -> None:
    a, b, _ = site.running
    to_b = next(part for part in a.program.parts if part.name == "b")
    for name, number in (("first", 2), ("second", 3)):
        made, tip = site.version(f"192.0.2.{number}")
        a.decider.member.take(made)
        to_b.turn()
        assert not b.decider.member.has(tip), name
        site.now += TOGETHER_S / 2
    to_b.turn()
    assert b.decider.member.has(tip)


def test_whoever_was_away_has_all_of_it_again(site: Site) -> None:
    a, b, c = site.running
    c.is_stopped = True
    made, tip = site.version("192.0.2.2")
    a.decider.push(*made)
    with a.decider.store.writer() as writer:
        note = writer.put(b"a note that moves no ref\n")
    site.turns(60)
    assert c.decider.tip() == site.deciding.first
    c.is_stopped = False
    site.turns(10)
    assert c.decider.tip() == tip
    assert c.decider.member.has(note)
    assert c.state == b.state == "up"


def test_a_member_whose_file_was_set_back_is_offered_all_again(site: Site, tmp_path: Path) -> None:
    """A backup of its file takes its place, and no ref has moved since."""
    a, _, c = (each.decider for each in site.running)
    c.store.back_up(tmp_path / "backup")
    notes = [noted(a, number) for number in range(3)]
    site.turns(AT_ONCE)
    assert all(map(c.member.has, notes))
    give_old_file(c, tmp_path / "backup")
    noted(c, 9)  # its rows are filled again, and it knows its fellows as ever
    assert not any(map(c.member.has, notes))
    site.turns(int(PULL_S / STEP_S) + AT_ONCE)
    assert all(map(c.member.has, notes))


def test_a_member_whose_own_file_was_set_back_offers_what_is_in_its_rows_now(
    site: Site, tmp_path: Path
) -> None:
    a, b, c = (each.decider for each in site.running)
    a.store.back_up(tmp_path / "backup")
    for number in range(3):
        noted(a, number)
    site.turns(AT_ONCE)
    give_old_file(a, tmp_path / "backup")
    notes = [noted(a, number) for number in range(10, 15)]
    site.turns(AT_ONCE, only="a")
    assert all(map(b.member.has, notes))
    assert all(map(c.member.has, notes))


def noted(decider: Decider, number: int) -> ArtifactId:
    """An artifact that moves no ref comes to the member."""
    with decider.store.writer() as writer:
        return writer.put(b"note %d\n" % number)


def give_old_file(decider: Decider, backup: Path) -> None:
    """What the member's file was takes its place."""
    with closing(sqlite3.connect(backup)) as old, closing(sqlite3.connect(decider.store.path)) as db:
        old.backup(db)


@pytest.mark.parametrize("fault", list(Fault), ids=lambda fault: fault.name.lower())
@pytest.mark.parametrize("operation", ["watch", "list", "transact", "keep", "grant"])
def test_whatever_etcd_does_to_a_member_it_stands_where_the_others_do_in_the_end(
    site: Site, operation: str, fault: Fault
) -> None:
    a, b, _ = site.running
    count = 0

    def every_other(name: str) -> Fault | None:
        nonlocal count
        count += name == operation
        return fault if name == operation and count % 2 else None

    b.fault = every_other
    made, tip = site.version("192.0.2.2")
    a.decider.push(*made)
    site.turns(int(LIST_S / STEP_S))
    b.fault = lambda _operation: None
    while site.deciding.cluster.travelling:
        site.deciding.cluster.deliver()
    site.turns(int(LIST_S / STEP_S) + AT_ONCE)
    assert site.tips() == [tip] * 3
    assert site.states() == ["up"] * 3


def test_a_member_that_does_not_reach_etcd_is_away_and_compares_before_it_proposes(site: Site) -> None:
    _a, b, c = site.running
    b.fault = lambda _operation: Fault.DROPPED
    site.turns(int(LIST_S / STEP_S) + AT_ONCE)
    assert site.states() == ["up", "away", "up"]
    with pytest.raises(Away):
        b.check()
    site.now += ALIVE_S
    c.is_stopped = True
    b.fault = lambda _operation: None
    site.turns(AT_ONCE, only="ab")
    assert b.state == "comparing"
    assert "waiting for c to say where refs stand there" in b.why
    with pytest.raises(OnHold):
        b.check()
    made, tip = site.version("192.0.2.2")
    b.decider.member.take(made)
    site.turns(2 * int(PENDING_S / STEP_S), only="b")
    assert b.decider.tip() == site.deciding.first, "it was published all the same"
    c.is_stopped = False
    site.turns(10)
    assert (b.state, b.decider.tip()) == ("up", tip)


def test_an_outage_while_the_one_who_follows_is_fetching_is_seen_by_the_other(site: Site) -> None:
    a = site.running[0]
    registering = a.program.parts[0]

    def attempt(fault: Fault | None) -> State:
        a.fault = lambda _operation: fault
        site.now = registering.next_at
        registering.turn()
        return a.program.stance.state

    faults = (Fault.DROPPED, None, Fault.DROPPED, Fault.DROPPED)
    assert [attempt(fault) for fault in faults] == ["up", "up", "up", "away"]
    a.fault = lambda _operation: None
    site.turns(AT_ONCE)
    assert site.states() == ["up"] * 3


def test_leases_that_are_not_kept_while_the_keys_are_listed_are_no_outage(site: Site) -> None:
    a, _, c = site.running
    c.is_stopped = True
    a.fault = lambda operation: Fault.DROPPED if operation == "keep" else None
    site.turns(30, only="ab")
    assert a.state == "up"


def test_a_watch_that_breaks_off_is_no_outage(site: Site) -> None:
    """With a member that is lost no comparison would ever end, so none is begun."""
    a, b, c = site.running
    c.is_stopped = True
    faults = [Fault.CUT, Fault.DROPPED]
    a.fault = lambda operation: faults.pop() if faults and operation == "watch" else None
    site.turns(AT_ONCE, only="ab")
    assert (faults, a.state) == ([], "up")
    made, tip = site.version("192.0.2.2")
    b.decider.push(*made)
    site.turns(AT_ONCE, only="ab")
    assert (a.state, a.decider.tip()) == ("up", tip)


def test_more_changes_than_are_held_are_no_outage(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "MAX_HELD", 3)
    site.running[2].is_stopped = True
    for number in range(5):
        key = f"{site.deciding.space}account/x{number}"
        site.deciding.cluster.transact({}, {key: b'{"gone":true}'}, None)
    made, tip = site.version("192.0.2.2")
    site.running[1].decider.push(*made)
    site.turns(AT_ONCE, only="ab")
    assert site.states()[:2] == ["up"] * 2
    assert site.tips()[:2] == [tip] * 2


def test_watches_that_all_break_off_make_few_lists(site: Site) -> None:
    lists = 0

    def fault(operation: str) -> Fault | None:
        nonlocal lists
        lists += operation == "list"
        return Fault.DROPPED if operation == "watch" else None

    a = site.running[0]
    a.fault = fault
    for _ in range(50):
        site.now += STEP_S / 10
        a.program.turn()
    assert 3 <= lists <= 6


def set_back(site: Site, *, is_other: bool = False) -> ArtifactId:
    """Have a win, all follow, and etcd forget it; where the members stand."""
    before = site.deciding.cluster.snapshot()
    made, tip = site.version("192.0.2.2")
    site.running[0].decider.push(*made)
    site.turns(AT_ONCE)
    assert site.tips() == [tip] * 3
    site.deciding.cluster.set_back(before, "2" if is_other else None)
    return tip


def test_what_was_only_heard_of_is_missed_when_etcd_forgets_it(site: Site) -> None:
    """A change comes by the watch; etcd is back before it the next moment, at a revision that a list had shown."""
    b, key = site.running[1], f"{site.deciding.space}account/ann"
    following = next(part for part in b.program.parts if isinstance(part, Following))
    following.doubt()
    site.turns(1, only="b")
    before = site.deciding.cluster.snapshot()
    site.deciding.cluster.transact({}, {key: b'{"gone":true}'}, None)
    site.turns(1, only="b")
    site.deciding.cluster.set_back(before)
    following.doubt()
    site.turns(1, only="b")
    assert b.state == "hold"
    assert "was set back" in b.why


@pytest.mark.parametrize("was_away", [False, True], ids=["at once", "while it was away"])
@pytest.mark.parametrize("is_other", [False, True], ids=["the same cluster", "another"])
def test_etcd_that_was_set_back_is_a_hold_until_all_have_brought_it_forward(
    site: Site, is_other: bool, was_away: bool
) -> None:
    tip = set_back(site, is_other=is_other)
    c = site.running[2]
    for each in site.running if was_away else ():
        each.fault = lambda _operation: Fault.DROPPED
    site.turns(int(LIST_S / STEP_S) if was_away else 0)
    for each in site.running:
        each.fault = lambda _operation: None
    c.is_stopped = True
    site.turns(int(LIST_S / STEP_S) + 10)
    assert site.states()[:2] == ["hold"] * 2
    for each in site.running[:2]:
        with pytest.raises(OnHold, match="see `xferzone group check`"):
            each.check()
    key = site.deciding.key()
    assert key is not None
    assert key.checkin != tip, "proposed before c was asked"
    c.is_stopped = False
    site.turns(40)
    key = site.deciding.key()
    assert key is not None
    assert key.checkin == tip
    assert site.states() == ["up"] * 3
    assert site.tips() == [tip] * 3
    made, then = site.version("192.0.2.3", tip)
    site.running[1].decider.push(*made)
    site.turns(AT_ONCE)
    assert site.tips() == [then] * 3


def test_a_program_that_begins_when_etcd_was_set_back_compares_those_whom_the_member_knew(site: Site) -> None:
    tip = set_back(site, is_other=True)
    b = site.running[1]
    b.program.close()
    site.running[1] = site.begin(b.decider)
    site.turns(int(LIST_S / STEP_S) + 40)
    assert site.states() == ["up"] * 3
    assert site.tips() == [tip] * 3


def test_a_member_that_was_taken_from_the_list_is_not_waited_for(site: Site) -> None:
    tip = set_back(site)
    site.running[2].is_stopped = True
    site.turns(int(LIST_S / STEP_S) + 10)
    site.deciding.cluster.transact({}, {f"{site.deciding.space}member/c": None}, None)
    site.turns(40)
    assert site.states()[:2] == ["up"] * 2
    assert site.tips() == [tip] * 3


@pytest.mark.parametrize("is_listed", [True, False], ids=["listed", "joined since the backup"])
def test_whoever_is_on_hold_hears_that_a_member_was_removed(site: Site, is_listed: bool) -> None:
    """The keys are not believed, but whom an operator has removed nobody waits for."""
    key, c = f"{site.deciding.space}member/c", site.running[2]
    known = {"c": c.program.members["c"]}
    tip = set_back(site, is_other=True)
    if not is_listed:
        backup = site.deciding.cluster.snapshot()
        values = {name: each for name, each in backup.values.items() if name != key}
        site.deciding.cluster.set_back(replace(backup, values=values))
    c.is_stopped = True
    site.turns(int(LIST_S / STEP_S) + 10)
    assert site.states()[:2] == ["hold"] * 2
    door = Door(site.deciding.cluster)
    assert remove(door, site.deciding.space, "c", known) is not None
    assert remove(door, site.deciding.space, "c", known) is None
    site.turns(40)
    assert site.states()[:2] == ["up"] * 2
    found = site.deciding.key()
    assert found is not None
    assert found.checkin == tip


def test_whoever_was_removed_and_runs_is_waited_for(site: Site) -> None:
    c = site.running[2]
    site.now += ALIVE_S + STEP_S
    assert remove(Door(site.deciding.cluster), site.deciding.space, "c") is not None
    gone = f"{site.deciding.space}removed/c"
    assert gone in site.deciding.cluster.values(site.deciding.space).values
    site.turns(10)
    assert registered(site) >= {"member/c", "alive/c"}
    assert gone not in site.deciding.cluster.values(site.deciding.space).values
    assert c.state == "up"


def test_after_a_watch_broke_off_fellows_are_asked_whether_etcd_was_set_back(site: Site) -> None:
    """a wins what b has not heard of; etcd is set back, and others use it, so that no revision tells of it."""
    a, b, _ = site.running
    before = site.deciding.cluster.snapshot()
    made, _tip = site.version("192.0.2.2")
    a.decider.push(*made)
    site.deciding.cluster.set_back(before)
    for number in range(20):
        key = f"{site.deciding.space}account/x{number}"
        site.deciding.cluster.transact({}, {key: b'{"gone":true}'}, None)
    faults = [Fault.CUT]
    b.fault = lambda operation: faults.pop() if faults and operation == "watch" else None
    site.turns(AT_ONCE, only="b")
    assert (faults, b.state) == ([], "hold")
    assert "a has example.com/main at" in b.why


def test_two_lines_are_named_and_neither_is_chosen(site: Site) -> None:
    tip = set_back(site)
    made, other = site.version("192.0.2.3")
    site.running[1].decider.member.take(made)
    late = Tip(other, 3, "b")
    key = f"{site.deciding.space}ref/{MAIN_BRANCH}"
    site.deciding.cluster.transact({}, {key: late.encode()}, None)
    site.turns(60)
    assert site.states() == ["hold"] * 3
    assert site.tips() == [tip] * 3
    assert site.deciding.key() == late
    for each in site.running:
        assert f"{other[:16]} at the key" in each.why
        assert f"{tip[:16]} at this member" in each.why


@pytest.mark.parametrize("is_last_gone", [False, True], ids=["all of it", "up to the last one"])
def test_what_the_group_gave_up_holds_nobody(site: Site, is_last_gone: bool) -> None:
    """a holds what was lost when it comes back, perhaps but for the last of it, and the others have clobbered it."""
    a = site.running[0]
    before = site.deciding.cluster.snapshot()
    made, lost = site.version("192.0.2.2")
    a.decider.push(*made)
    a.is_stopped = True
    site.deciding.cluster.set_back(before)
    text, manifest = site.deciding.version("192.0.2.3", site.deciding.first)
    parsed = parse(manifest)
    assert isinstance(parsed, CheckIn)
    last = "ab" * 32 if is_last_gone else lost
    checkin = replace(parsed, tags=(Tag("+", TAG, None, last),)).encode()
    site.running[1].decider.push(text, checkin)
    tip = artifact_id(checkin)
    site.turns(40)
    a.is_stopped = False
    site.turns(80)
    assert site.tips() == [lost, tip, tip]
    assert site.states()[1:] == ["up"] * 2
    found = standing(a.decider.store.path)
    assert found is not None
    assert any("has clobbered what is served here of example.com/main" in each for each in found.remarks)


def clobbering(site: Site, address: str, lost: ArtifactId) -> tuple[bytes, bytes]:
    """A version that goes on from the first one without `lost`."""
    text, manifest = site.deciding.version(address, site.deciding.first)
    parsed = parse(manifest)
    assert isinstance(parsed, CheckIn)
    return text, replace(parsed, tags=(Tag("+", TAG, None, lost),)).encode()


@pytest.mark.parametrize("is_here", [True, False], ids=["members have it", "no member has it"])
def test_a_key_that_was_set_back_to_what_was_given_up_is_moved_over_it(site: Site, is_here: bool) -> None:
    """Where a lost check-in was clobbered, members stand after it, and etcd forgets that."""
    a, key = site.running[0].decider, f"{site.deciding.space}ref/{MAIN_BRANCH}"
    made, lost = site.version("192.0.2.2")
    first = Tip(site.deciding.first, 2, "a")
    site.deciding.cluster.transact({}, {key: Tip(lost, 2, "gone").encode()}, None)
    before = site.deciding.cluster.snapshot()
    new = clobbering(site, "192.0.2.3", lost)
    site.deciding.cluster.transact({}, {key: first.encode()}, None)
    a.push(*new)
    site.turns(AT_ONCE)
    if is_here:
        a.member.take(made)
    site.deciding.cluster.set_back(before)
    site.turns(80)
    tip = artifact_id(new[1])
    assert site.states() == ["up"] * 3
    assert site.tips() == [tip] * 3
    assert (found := site.deciding.key()) is not None
    assert found.checkin == tip


def test_a_lost_check_in_keeps_no_other_branch_on_hold_when_etcd_is_set_back(site: Site) -> None:
    other = f"{site.deciding.space}ref/example.com/test"
    site.deciding.cluster.transact({}, {other: Tip(ArtifactId("ab" * 32), 9, "gone").encode()}, None)
    tip = set_back(site)
    site.turns(80)
    assert site.states() == ["up"] * 3
    assert site.tips() == [tip] * 3
    assert (key := site.deciding.key()) is not None
    assert key.checkin == tip
    assert other in site.deciding.cluster.values(other).values


def test_whoever_comes_back_after_a_lost_check_in_with_one_that_follows_it_is_told_and_holds_nobody(
    site: Site,
) -> None:
    """Up to x2 was heard of when the group gave it up; a has x3, too, and comes back."""
    a = site.running[0]
    before = site.deciding.cluster.snapshot()
    two, lost = site.version("192.0.2.2")
    three, beyond = site.version("192.0.2.3", lost)
    a.decider.push(*two)
    a.decider.push(*three)
    a.is_stopped = True
    site.deciding.cluster.set_back(before)
    new = clobbering(site, "192.0.2.4", lost)
    site.running[1].decider.push(*new)
    site.turns(40)
    a.is_stopped = False
    site.turns(80)
    assert site.tips() == [beyond, artifact_id(new[1]), artifact_id(new[1])]
    assert site.states() == ["up"] * 3
    found = standing(a.decider.store.path)
    assert found is not None
    assert any("has clobbered what is served here of example.com/main" in each for each in found.remarks)


def test_what_only_a_fellow_has_holds_a_member_that_never_saw_it(site: Site) -> None:
    """a wins while b and c are cut off; etcd is set back, and others use it: revisions come again."""
    a, b, c = site.running
    for each in (b, c):
        each.fault = lambda _operation: Fault.DROPPED
        each.decider.is_away = True
    before = site.deciding.cluster.snapshot()
    made, won = site.version("192.0.2.2")
    a.decider.push(*made)
    site.turns(int(LIST_S / STEP_S) + AT_ONCE)
    assert site.states()[1:] == ["away"] * 2
    site.deciding.cluster.set_back(before)
    for number in range(200):
        key = f"{site.deciding.space}account/x{number}"
        site.deciding.cluster.transact({}, {key: b'{"gone":true}'}, None)
    a.is_stopped = True
    for each in (b, c):
        each.fault = lambda _operation: None
        each.decider.is_away = False
    site.turns(40, only="bc")
    made, _ = site.version("192.0.2.3")
    b.decider.member.take(made)
    site.turns(40, only="bc")
    assert site.states()[1:] == ["comparing"] * 2
    a.is_stopped = False
    site.turns(80)
    assert site.states() == ["up"] * 3
    assert site.tips() == [won] * 3


@pytest.mark.parametrize("cluster", [None, "2"], ids=["the same cluster", "another"])
def test_emptied_keys_are_a_hold_and_nothing_is_lost_here(site: Site, cluster: str | None) -> None:
    tips = site.tips()
    site.deciding.cluster.empty(cluster)
    site.turns(int(LIST_S / STEP_S) + AT_ONCE)
    assert site.states() == ["hold"] * 3
    assert site.tips() == tips
    assert site.deciding.cluster.values(site.deciding.space).values == {}, "something was put"


def test_a_member_of_a_group_that_has_ended_is_on_hold_until_it_leaves(site: Site) -> None:
    key = f"{site.deciding.space}group"
    rules = site.deciding.cluster.values(key).values[key]
    site.deciding.cluster.transact({}, {key: ended(Member("f" * 32, "http://last.example/"))}, None)
    site.turns(AT_ONCE)
    assert site.states() == ["hold"] * 3
    assert "the group has ended: the member at http://last.example/ left it last" in site.running[0].why
    with pytest.raises(OnHold):
        site.running[0].check()
    site.deciding.cluster.transact({}, {key: rules}, None)
    site.turns(int(LIST_S / STEP_S) + 2 * AT_ONCE)
    assert site.states() == ["up"] * 3


def test_keys_that_one_member_has_the_ends_of_come_forward_at_one_revision(site: Site) -> None:
    before = site.deciding.cluster.snapshot()
    a = site.running[0].decider
    others = on_branch(site.deciding, "192.0.2.9", "example.com/test")
    made, tip = site.version("192.0.2.2")
    a.push(*made)
    a.push(*others)
    site.turns(AT_ONCE)
    assert site.tips() == [tip] * 3
    site.deciding.cluster.set_back(before)
    since = site.deciding.cluster.stand.revision
    site.turns(80)
    assert site.states() == ["up"] * 3
    upto = site.deciding.cluster.stand.revision
    changed = [each.values for each in site.deciding.cluster.since(site.deciding.space, since + 1, upto)]
    moves = [{key for key in each if "/ref/" in key} for each in changed]
    assert [each for each in moves if each] == [
        {f"{site.deciding.space}ref/{branch}" for branch in ("example.com/main", "example.com/test")}
    ]


def test_a_program_that_starts_again_stays_on_hold(site: Site) -> None:
    set_back(site)
    site.running[2].is_stopped = True
    site.turns(int(LIST_S / STEP_S) + AT_ONCE)
    old = site.running[0]
    old.program.close()
    site.running[0] = site.begin(old.decider)
    site.turns(1, only="a")
    assert site.running[0].state == "hold"


def test_accounts_are_as_the_keys_have_them(site: Site) -> None:
    key = f"{site.deciding.space}account/ann"
    for value, caps in ((b'{"caps":"i","secret":"%s"}' % (b"0" * 40), "i"), (b'{"gone":true}', None)):
        site.deciding.cluster.transact({}, {key: value}, None)
        site.turns(AT_ONCE)
        for each in site.running:
            with each.decider.store.reader() as reader:
                found = accounts.user(reader, "ann")
                assert (None if found is None else found.caps) == caps


def test_what_the_group_serves_is_kept_also_when_it_is_not_listed(site: Site) -> None:
    key = f"{site.deciding.space}serving"
    for value in (b'{"zones":[{"zone":"*","branch":"stable"}]}', b'{"zones":[]}', None):
        site.deciding.cluster.transact({}, {key: value}, None)
        site.turns(AT_ONCE)
        for each in site.running:
            with each.decider.store.reader() as reader:
                assert serving.value(reader) == (value or b'{"zones":[]}')
