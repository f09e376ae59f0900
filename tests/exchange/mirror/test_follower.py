"""A mirror that follows primaries, with all ends in this process."""

import contextlib
import itertools
import json
import random
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.publish.project import MAIN, MAIN_BRANCH, NOW, Project, zone_text
from xferzone import exchange
from xferzone.cards import coding
from xferzone.cli.main import cli
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.env import SYSTEM, Env
from xferzone.errors import Busy, Denied, PeerError, Refused
from xferzone.exchange.mirror import standing, taking
from xferzone.exchange.mirror.follower import Follower
from xferzone.exchange.mirror.following import Following, Pulled, Via, Ways
from xferzone.faults import Faults
from xferzone.hashing import ArtifactId, is_named
from xferzone.refs import Door, LocalRefs, Occasion
from xferzone.replicate import signing
from xferzone.replicate.server import Terms, respond
from xferzone.repository import check as published
from xferzone.repository import make
from xferzone.repository.promote import OLD_ORIGIN, promote
from xferzone.store import Store, schema
from xferzone.store.accounts import put_user
from xferzone.store.check import faults
from xferzone.store.remotes import origin, remotes
from xferzone.sync.client.options import Account
from xferzone.transport import InProcess, WalkInProcess
from xferzone.transport.walk import WalkReply, WalkRequest
from xferzone.zone.changes import parse_change

OPS = Account("ops", "pw-ops")
FIRST, SECOND = "https://one.example/", "https://two.example/"


def commit(store: Store, address: str, zone: str = "example.com") -> None:
    """A change of www at a primary."""
    with store.writer() as writer:
        author = Author("ops", NOW + int(address.rpartition(".")[2]) * 1_000)
        change = parse_change("set", [f"www.{zone}.", "A", address])
        Edit(writer, LocalRefs(writer), replace(MAIN_BRANCH, zone=zone), author).change([change], "set")


def serving(store: Store) -> Callable[[WalkRequest], WalkReply]:
    return lambda request: respond(store, request, Terms("localhost"))


@dataclass
class Network:
    """What answers for each URL, and what was asked."""

    walks: dict[str, Callable[[WalkRequest], WalkReply]] = field(default_factory=dict)
    stores: dict[str, Store] = field(default_factory=dict)
    asked: list[tuple[str, str, str]] = field(default_factory=list)

    def serve(self, url: str, store: Store) -> None:
        self.stores[url] = store
        self.walks[url] = serving(store)

    def ways(self) -> Ways:
        return Ways(self._walk, self._xfer)

    def _walk(self, url: str) -> WalkInProcess:
        def ask(request: WalkRequest) -> WalkReply:
            self.asked.append((url, request.method, request.target.partition("?")[0]))
            if url not in self.walks:
                raise PeerError(f"{url} cannot be reached")
            return self.walks[url](request)

        return WalkInProcess(ask, name=url)

    def _xfer(self, url: str) -> InProcess:
        return InProcess(lambda body: exchange.answer(self.stores[url], body).body, name=url)


@dataclass
class Mirror:
    """A mirror and its follower."""

    store: Store
    follower: Follower

    def pull(self, *, accept_clobber: bool = False) -> Pulled:
        return self.follower.pull(accept_clobber=accept_clobber)

    def tips(self) -> dict[str, ArtifactId]:
        return tips(self.store)


def tips(store: Store) -> dict[str, ArtifactId]:
    with store.reader() as reader:
        return {str(ref.branch): ref.checkin for ref in LocalRefs(reader).list()}


def serials(store: Store) -> dict[str, int | None]:
    with store.reader() as reader:
        return {str(ref.branch): ref.serial for ref in LocalRefs(reader).list()}


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def primary(tmp_path: Path, network: Network) -> Iterator[Project]:
    """A primary that serves version 3 of example.com; nobody may read it, ops may do anything."""
    project = Project(tmp_path)
    assert project.push(project.manifest(zone_text("www 300 A 192.0.2.1"))) == []
    with project.store.writer() as writer:
        put_user(writer, "ops", "pw-ops", "s")
    for number in (2, 3):
        commit(project.store, f"192.0.2.{number}")
    network.serve(FIRST, project.store)
    yield project
    project.store.close()


Make = Callable[..., Mirror]


@pytest.fixture
def mirror(tmp_path: Path, network: Network) -> Iterator[Make]:
    made: list[Mirror] = []

    def make_one(*primaries: str, options: Following | None = None, name: str = "mirror.xferzone") -> Mirror:
        path = tmp_path / name
        if not path.exists():
            make.make_mirror(path)
        store = Store.open(path)
        given = options or Following(account=OPS)
        made.append(Mirror(store, Follower(store, primaries or [FIRST], 5.0, network.ways(), given)))
        return made[-1]

    yield make_one
    for each in made:
        each.store.close()


def test_an_empty_mirror_becomes_what_its_primary_is(primary: Project, mirror: Make) -> None:
    copy = mirror()
    pulled = copy.pull()
    assert copy.tips() == tips(primary.store)
    assert serials(copy.store) == serials(primary.store)
    assert pulled.is_new
    assert [str(one.branch) for one in pulled.followed.moved] == [MAIN]
    with copy.store.reader() as reader, primary.store.reader() as theirs:
        assert reader.project_code == theirs.project_code
        assert reader.role == schema.MIRROR
        assert set(theirs.artifacts()) <= set(reader.artifacts())
        assert list(faults.faults(reader)) == []


def test_a_mirror_that_is_promoted_while_it_pulls_gets_no_origin_back(
    primary: Project, mirror: Make, network: Network
) -> None:
    copy = mirror()
    copy.pull()
    commit(primary.store, "192.0.2.4")
    usual = network.walks[FIRST]

    def promoting(request: WalkRequest) -> WalkReply:
        reply = usual(request)
        with copy.store.writer() as writer:
            promote(writer, LocalRefs(writer), Occasion(NOW, "ops", Door.CLI))
        return reply

    network.walks[FIRST] = promoting
    copy.pull()
    with copy.store.reader() as reader:
        assert reader.role == schema.PRIMARY
        assert [each.name for each in remotes(reader)] == [OLD_ORIGIN]


def test_how_it_stood_outlives_the_program(primary: Project, mirror: Make, network: Network) -> None:
    mirror().pull()
    before = standing.standings(mirror().store.path)
    network.walks[FIRST] = _dead
    with pytest.raises(PeerError):
        mirror().pull()
    now = standing.standings(mirror().store.path)
    assert before is not None
    assert now is not None
    assert now.primaries[0].whole_ms == before.primaries[0].whole_ms > 0
    assert now.primaries[0].error


def _dead(_request: WalkRequest) -> WalkReply:
    raise PeerError("nobody is there")


def test_a_mirror_is_empty_until_a_zone_is_compiled_or_the_pull_has_ended(
    primary: Project, mirror: Make
) -> None:
    copy = mirror()
    copy.pull()
    deferred, removed = b"\xff" * 8, b""

    def is_empty(indexes: bytes, *, has_ended: bool) -> bool:
        with copy.store.writer() as writer:
            writer.db.execute("UPDATE ref SET indexes = ?", (indexes,))
            if not has_ended:
                writer.db.execute("DELETE FROM remote_epoch")
            return bool(writer.emptiness)

    assert not is_empty(removed, has_ended=True)
    assert is_empty(deferred, has_ended=True)
    assert is_empty(removed, has_ended=False)
    assert is_empty(deferred, has_ended=False)


def test_a_poll_with_nothing_new_is_one_request_and_writes_nothing(
    primary: Project, mirror: Make, network: Network
) -> None:
    copy = mirror()
    copy.pull()
    network.asked.clear()
    before = copy.store.path.read_bytes(), _log(copy.store)
    pulled = copy.pull()
    assert (pulled.is_new, pulled.requests, pulled.received) == (False, 1, 0)
    assert [target for _, _, target in network.asked] == ["/v0/refs"]
    assert (copy.store.path.read_bytes(), _log(copy.store)) == before


def _log(store: Store) -> bytes:
    return store.path.with_name(f"{store.path.name}-wal").read_bytes()


def test_a_follower_that_starts_again_knows_what_it_has(
    primary: Project, mirror: Make, network: Network
) -> None:
    mirror().pull()
    network.asked.clear()
    assert not mirror().pull().is_new
    assert len(network.asked) == 1


class _DiedError(BaseException):
    """A process died."""


def test_a_first_pull_that_died_before_its_zones_were_compiled_is_ended_by_the_next_one(
    primary: Project, mirror: Make
) -> None:
    def dies(site: str, _: float) -> None:
        if site == "follower.after-last-commit":
            raise _DiedError

    with pytest.raises(_DiedError):
        mirror(options=Following(account=OPS, faults=Faults(dies, lambda *_: False))).pull()
    copy = mirror()
    assert not copy.pull().is_new
    with copy.store.reader() as reader:
        assert not reader.emptiness
    assert copy.tips() == tips(primary.store)


def test_changes_are_followed_as_they_come(primary: Project, mirror: Make) -> None:
    copy = mirror()
    copy.pull()
    for number in (4, 5, 6):
        commit(primary.store, f"192.0.2.{number}")
        pulled = copy.pull()
        assert [one.serial for one in pulled.followed.moved] == [serials(primary.store)[MAIN]]
        assert (pulled.requests, pulled.received) == (2, 2)
    assert copy.tips() == tips(primary.store)


def test_new_zones_branches_tags_closings_and_removals_are_followed(
    mirror: Make, network: Network, tmp_path: Path
) -> None:
    path = tmp_path / "today.xferzone"
    run(path, "init")
    run(path, "zone", "add", "example.com")
    primary = Store.open(path)
    with primary.writer() as writer:
        put_user(writer, "ops", "pw-ops", "s")
    network.serve(FIRST, primary)
    copy = mirror()
    copy.pull()
    run(primary.path, "zone", "add", "example.org")
    run(primary.path, "branch", "example.com", "test")
    run(primary.path, "tag", "example.com", "before")
    copy.pull()
    assert copy.tips() == tips(primary)
    assert run(copy.store.path, "tag", "example.com") == run(primary.path, "tag", "example.com") != ""
    run(primary.path, "branch", "example.com", "test", "--close")
    run(primary.path, "zone", "remove", "example.org")
    copy.pull()
    assert copy.tips() == tips(primary)
    assert run(copy.store.path, "branch", "example.com") == run(primary.path, "branch", "example.com")
    assert run(copy.store.path, "zone", "list") == run(primary.path, "zone", "list")
    primary.close()


def run(path: Path, *words: str) -> str:
    done = CliRunner().invoke(cli, ["-R", str(path), *words], env={"XFERZONE_USER": "ops"})
    assert done.exit_code == 0, done.output
    return done.output


def test_a_control_that_comes_alone_is_followed(primary: Project, mirror: Make) -> None:
    copy = mirror()
    copy.pull()
    run(primary.path, "tag", "example.com", "later")
    pulled = copy.pull()
    assert pulled.received == 1
    assert run(copy.store.path, "tag", "example.com") == run(primary.path, "tag", "example.com")
    assert not copy.pull().is_new


def test_nothing_is_removed_because_it_is_not_listed(
    primary: Project, mirror: Make, network: Network
) -> None:
    copy = mirror()
    copy.pull()
    before = copy.tips()
    network.walks[FIRST] = lambda request: _without_branches(
        respond(primary.store, request, Terms("localhost"))
    )
    commit(primary.store, "192.0.2.4")
    assert copy.pull().is_new
    assert copy.tips() == before


def _without_branches(reply: WalkReply) -> WalkReply:
    body = b"".join(reply.body)
    if reply.headers.get("content-encoding") == "zstd":
        body = b"".join(coding.expanded((body,), 1_000_000))
    told = json.loads(body)
    told |= {"zones": [], "branches": []}
    octets = json.dumps(told).encode()
    headers = {"content-type": "application/json", signing.STATED_HASH: signing.body_hash(octets)}
    return WalkReply(200, headers, pieces(octets))


def pieces(*octets: bytes) -> Generator[bytes, None, None]:
    yield from octets


# -- what is damaged on the way


def test_what_came_before_a_cut_stays_and_is_not_asked_for_again(
    primary: Project, mirror: Make, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "FEWEST", 1)
    many(primary.store, 40)
    copy = mirror()
    whole = network.walks[FIRST]
    network.walks[FIRST] = lambda request: _cut(whole(request), request)
    with pytest.raises(PeerError, match="cut"):
        copy.pull()
    with copy.store.reader() as reader:
        kept = set(reader.artifacts())
    assert kept
    assert not copy.tips()
    asked: list[str] = []

    def listening(request: WalkRequest) -> WalkReply:
        if request.target == "/v0/objects/batch":
            asked.extend(json.loads(request.body)["hashes"])
        return whole(request)

    network.walks[FIRST] = listening
    copy.pull()
    assert asked
    assert kept.isdisjoint(asked)
    assert copy.tips() == tips(primary.store)


def many(store: Store, changes: int) -> None:
    for number in range(changes):
        commit(store, f"192.0.2.{number + 10}")


def _cut(reply: WalkReply, request: WalkRequest) -> WalkReply:
    """Half of a body with content."""
    if request.target != "/v0/objects/pull" or reply.status != 200:
        return reply
    body = b"".join(coding.expanded(reply.body, 10_000_000))
    return WalkReply(200, {}, pieces(body[: len(body) // 2]))


@pytest.mark.parametrize("place", [0.2, 0.5, 0.9])
def test_what_came_damaged_is_asked_for_again_by_id(
    primary: Project, mirror: Make, network: Network, place: float
) -> None:
    many(primary.store, 10)
    copy = mirror()
    whole = network.walks[FIRST]

    def flipping(request: WalkRequest) -> WalkReply:
        reply = whole(request)
        if request.target != "/v0/objects/pull" or reply.status != 200:
            return reply
        body = bytearray(b"".join(coding.expanded(reply.body, 10_000_000)))
        at = body.index(b" 300 A 192.0.2", int(place * len(body)))
        body[at + 1] ^= 1
        return WalkReply(200, {}, pieces(bytes(body)))

    network.walks[FIRST] = flipping
    copy.pull()
    assert ("/v0/objects/batch") in [target for _, _, target in network.asked]
    assert copy.tips() == tips(primary.store)
    sound(copy.store)


def sound(store: Store) -> None:
    """Nothing is wrong with what is stored, and what is derived is as a rebuild makes it."""
    with store.reader() as reader:
        assert list(faults.faults(reader)) == []
        assert list(published.faults(reader, LocalRefs(reader))) == []


def test_a_cache_that_answers_badly_is_passed(primary: Project, mirror: Make, network: Network) -> None:
    many(primary.store, 5)
    copy = mirror(options=Following(account=OPS, through_cache=True))
    whole = network.walks[FIRST]

    def cached(request: WalkRequest) -> WalkReply:
        reply = whole(request)
        if request.method == "POST":
            return reply
        octets = b"".join(reply.body).replace(b"192.0.2.12", b"192.0.2.99")
        return WalkReply(reply.status, reply.headers, pieces(octets))

    network.walks[FIRST] = cached
    copy.pull()
    targets = [target for _, _, target in network.asked]
    assert sum(target.startswith("/v0/objects/") and len(target) > 50 for target in targets) > 10
    assert targets.count("/v0/objects/batch") == 1
    assert copy.tips() == tips(primary.store)
    sound(copy.store)


def test_what_comes_damaged_twice_is_reported_and_moves_no_ref(
    primary: Project, mirror: Make, network: Network
) -> None:
    copy = mirror()
    whole = network.walks[FIRST]

    def flipping(request: WalkRequest) -> WalkReply:
        reply = whole(request)
        if request.target not in ("/v0/objects/pull", "/v0/objects/batch") or reply.status != 200:
            return reply
        body = b"".join(coding.expanded(reply.body, 10_000_000))
        return WalkReply(200, {}, pieces(body.replace(b"192.0.2.3", b"192.0.2.9")))

    network.walks[FIRST] = flipping
    with pytest.raises(PeerError, match="damaged, twice"):
        copy.pull()
    assert not copy.tips()
    network.walks[FIRST] = whole
    copy.pull()
    assert copy.tips() == tips(primary.store)


@pytest.mark.parametrize("seed", range(12))
def test_a_way_that_flips_cuts_and_repeats_brings_no_wrong_byte_and_no_ref_on_what_is_incomplete(
    primary: Project, mirror: Make, network: Network, seed: int
) -> None:
    rng = random.Random(seed)
    whole = network.walks[FIRST]
    earlier: list[tuple[str, int, dict[str, str], bytes]] = []

    def bad(request: WalkRequest) -> WalkReply:
        reply = whole(request)
        body = b"".join(reply.body)
        match rng.randrange(6):
            case 0 if body:
                at = rng.randrange(len(body))
                body = body[:at] + bytes([body[at] ^ 1 << rng.randrange(8)]) + body[at + 1 :]
            case 1:
                body = body[: rng.randrange(len(body) + 1)]
            case 2 if earlier:
                _, status, headers, body = rng.choice(earlier)
                return WalkReply(status, headers, pieces(body))
            case 3:
                raise PeerError("no answer in time")
        earlier.append((request.target, reply.status, dict(reply.headers), body))
        return WalkReply(reply.status, reply.headers, pieces(body))

    copy = mirror()
    network.walks[FIRST] = bad
    for number in range(10):
        many(primary.store, 1) if number == 5 else commit(primary.store, f"192.0.2.{number + 100}")
        with contextlib.suppress(PeerError, Denied):
            copy.pull()
        standing_whole(copy.store)
    network.walks[FIRST] = whole
    copy.pull()
    assert copy.tips() == tips(primary.store)
    sound(copy.store)


def standing_whole(store: Store) -> None:
    """All that refs stand on is here, and every artifact is what its name says."""
    with store.reader() as reader:
        for artifact in reader.artifacts():
            assert is_named(artifact, reader.content(artifact))
        for ref in LocalRefs(reader).list():
            for file in reader.files(ref.checkin).values():
                assert reader.has(file)


# -- several primaries


def test_the_first_primary_that_answers_is_used(primary: Project, mirror: Make, network: Network) -> None:
    network.serve(SECOND, primary.store)
    copy = mirror(SECOND, FIRST)
    del network.walks[SECOND]
    pulled = copy.pull()
    assert pulled.primary == FIRST
    assert pulled.failed == ((SECOND, f"{SECOND} cannot be reached"),)
    told = standing.standings(copy.store.path)
    assert told is not None
    second, first = told.primaries
    assert (second.url, second.success_ms, second.error) == (SECOND, 0, f"{SECOND} cannot be reached")
    assert first.success_ms == first.whole_ms > 0


@pytest.mark.parametrize("via", ["walk", "xfer"])
def test_the_origin_is_the_first_primary_whichever_answers(
    primary: Project, mirror: Make, network: Network, via: Via
) -> None:
    copy = mirror(SECOND, FIRST, options=Following(account=OPS, via=via))
    network.stores[SECOND] = Store.open(copy.store.path)  # empty: it answers nobody yet
    assert copy.pull().primary == FIRST
    network.stores[SECOND].close()
    with copy.store.reader() as reader:
        known = origin(reader)
        assert known is not None
        assert known.url == SECOND
        with primary.store.reader() as theirs:
            assert list(known.epochs) == [LocalRefs(theirs).epoch()]
    assert not copy.pull().is_new


def test_a_primary_that_lags_moves_no_ref_back(primary: Project, mirror: Make, network: Network) -> None:
    behind = mirror(name="behind.xferzone")
    behind.pull()
    for number in (4, 5):
        commit(primary.store, f"192.0.2.{number}")
    with behind.store.writer() as writer:
        put_user(writer, "ops", "pw-ops", "o")
    network.serve(SECOND, behind.store)
    copy = mirror(FIRST, SECOND)
    copy.pull()
    newest = copy.tips()
    assert newest == tips(primary.store) != behind.tips()
    del network.walks[FIRST]
    pulled = copy.pull()
    assert (pulled.primary, pulled.followed.invalid) == (SECOND, ())
    assert copy.tips() == newest
    assert not copy.pull().is_new
    behind.follower = mirror(FIRST, name="behind.xferzone").follower
    network.serve(FIRST, primary.store)
    commit(primary.store, "192.0.2.6")
    behind.pull()
    del network.walks[FIRST]
    copy.pull()
    assert copy.tips() == tips(primary.store)


def test_mirrors_of_a_mirror_follow(primary: Project, mirror: Make, network: Network) -> None:
    middle = mirror(name="middle.xferzone")
    middle.pull()
    with middle.store.writer() as writer:
        put_user(writer, "ops", "pw-ops", "o")
    network.serve(SECOND, middle.store)
    ends = [mirror(SECOND, name=f"end-{number}.xferzone") for number in (1, 2)]
    for number in (4, 5):
        commit(primary.store, f"192.0.2.{number}")
        middle.pull()
        for end in ends:
            end.pull()
            assert end.tips() == tips(primary.store)


def test_a_primary_of_another_project_is_refused(
    primary: Project, mirror: Make, network: Network, tmp_path: Path
) -> None:
    copy = mirror(SECOND)
    (tmp_path / "other").mkdir()
    other = Project(tmp_path / "other")
    assert other.push(other.manifest(zone_text("www 300 A 192.0.2.99"))) == []
    with other.store.writer() as writer:
        put_user(writer, "ops", "pw-ops", "s")
    network.serve(SECOND, other.store)
    copy.pull()
    before = copy.tips()
    copy = mirror(FIRST)
    with pytest.raises(PeerError, match="of project"):
        copy.pull()
    assert copy.tips() == before
    other.store.close()


def test_a_mirror_does_not_follow_itself(primary: Project, mirror: Make, network: Network) -> None:
    copy = mirror()
    copy.pull()
    with copy.store.writer() as writer:
        put_user(writer, "ops", "pw-ops", "o")
    network.serve(SECOND, copy.store)
    with pytest.raises(PeerError, match="this mirror itself"):
        mirror(SECOND).pull()


# -- a primary that was restored


@pytest.mark.parametrize("via", ["walk", "xfer"])
def test_a_restored_primary_is_reported_and_followed_only_where_that_is_accepted(
    primary: Project, mirror: Make, network: Network, tmp_path: Path, via: Via
) -> None:
    backup = tmp_path / "backup.xferzone"
    primary.store.back_up(backup)
    commit(primary.store, "192.0.2.4")
    options = Following(account=OPS, via=via)
    copy = mirror(options=options)
    copy.pull()
    lost = copy.tips()
    restored = Store.open(backup)
    network.serve(FIRST, restored)
    copy.pull()
    assert copy.tips() == lost, "it is a little behind, as far as one can see"
    commit(restored, "192.0.2.5")
    pulled = copy.pull()
    assert [str(kept.branch) for kept in pulled.followed.invalid] == [MAIN]
    again = mirror(options=options).pull()
    assert [str(kept.branch) for kept in again.followed.invalid] == [MAIN], "who begins anew is told, too"
    assert copy.tips() == lost
    told = standing.standings(copy.store.path)
    assert told is not None
    assert told.primaries[0].whole_ms <= told.primaries[0].success_ms
    pulled = mirror(options=options).pull(accept_clobber=True)
    assert copy.tips() == tips(restored)
    assert [str(one.branch) for one in pulled.followed.diverged] == [MAIN]
    sound(copy.store)
    commit(restored, "192.0.2.6")
    mirror(options=options).pull()
    assert copy.tips() == tips(restored)
    restored.close()


# -- by xfer


@pytest.mark.parametrize("is_known", [True, False])
def test_both_roads_give_equal_refs_and_content(
    primary: Project, mirror: Make, network: Network, *, is_known: bool
) -> None:
    many(primary.store, 20)
    run(primary.path, "zone", "add", "example.org")
    walked = mirror(name="walked.xferzone")
    walked.pull()
    network.walks[FIRST] = lambda _: WalkReply(404, {"content-type": "text/html"}, pieces(b"no such page"))
    via = Following(account=OPS, via="walk" if is_known else "xfer")
    copy = mirror(options=via)
    pulled = copy.pull()
    assert pulled.via == "xfer"
    assert len(pulled.notes) == is_known
    assert copy.tips() == walked.tips() == tips(primary.store)
    commit(primary.store, "192.0.2.200")
    again = copy.pull()
    assert (again.via, again.notes) == ("xfer", ())
    assert copy.tips() == tips(primary.store)
    sound(copy.store)
    with copy.store.reader() as one, primary.store.reader() as other:
        for artifact in other.artifacts():
            assert one.content(artifact) == other.content(artifact)


# -- who may pull


def test_only_a_mirror_follows(primary: Project, network: Network) -> None:
    with pytest.raises(Refused, match="is a primary"):
        Follower(primary.store, [FIRST], 5.0, network.ways()).pull()


def test_one_pulls_at_a_time(primary: Project, mirror: Make) -> None:
    copy = mirror()
    with standing.pulling(copy.store.path) as is_alone:
        assert is_alone
        with pytest.raises(Busy, match="another process"):
            copy.pull()
    copy.pull()


def test_an_account_is_needed_where_nobody_may_read(primary: Project, mirror: Make) -> None:
    with pytest.raises(Denied, match="give a login"):
        mirror(options=Following()).pull()
    with pytest.raises(Denied, match="password of ops"):
        mirror(options=Following(account=Account("ops", "wrong"))).pull()


def test_a_clock_that_is_off_is_measured_once(primary: Project, mirror: Make, network: Network) -> None:
    env = replace(SYSTEM, clock_ms=lambda: SYSTEM.clock_ms() - 3_600_000)
    copy = mirror(options=Following(account=OPS, env=env))
    copy.pull()
    network.asked.clear()
    commit(primary.store, "192.0.2.4")
    assert copy.pull().requests == 2
    assert copy.tips() == tips(primary.store)


# -- for ever


@dataclass
class Clock:
    """A clock that only sleep moves."""

    now: float = 1_000.0

    def env(self) -> Env:
        return Env(
            lambda: NOW + int(self.now * 1_000), lambda: self.now, lambda size: bytes(size), self.sleep
        )

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_what_fails_is_asked_again_later_and_later_and_then_at_the_interval(
    primary: Project, mirror: Make, network: Network
) -> None:
    clock, heard = Clock(), list[tuple[float, object]]()
    whole = network.walks.pop(FIRST)

    def listen(news: object) -> None:
        heard.append((clock.now, news))
        if len(heard) == 9:
            network.walks[FIRST] = whole

    options = Following(
        account=OPS,
        waits=False,
        in_thread=False,
        env=clock.env(),
        heard=listen,
        cancelled=lambda: len(heard) > 11,
    )
    mirror(options=options).follower.run()
    gaps = [round(after - before, 1) for (before, _), (after, _) in itertools.pairwise(heard)]
    assert gaps[:8] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert gaps[9:] == [5.0, 5.0]
    assert [isinstance(news, Pulled) for _, news in heard] == 9 * [False] + 3 * [True]


def test_a_server_that_holds_no_more_requests_is_polled_at_the_interval(
    primary: Project, mirror: Make, network: Network
) -> None:
    clock, heard = Clock(), list[object]()
    whole, refused = network.walks[FIRST], list[float]()

    def full(request: WalkRequest) -> WalkReply:
        if "prefer" in request.headers:
            refused.append(clock.now)
            return WalkReply(429, {"retry-after": "17"}, pieces(b'{"error": "too many wait"}'))
        return whole(request)

    network.walks[FIRST] = full
    options = Following(
        account=OPS, in_thread=False, env=clock.env(), heard=heard.append, cancelled=lambda: len(heard) > 10
    )
    mirror(options=options).follower.run()
    assert all(isinstance(news, Pulled) for news in heard)
    gaps = [after - before for before, after in itertools.pairwise(refused)]
    assert min(gaps) >= 17
    assert max(gaps) < 17 + 2 * 5


def test_a_follower_outlives_what_people_can_mend(primary: Project, mirror: Make, network: Network) -> None:
    clock, heard = Clock(), list[object]()

    def listen(news: object) -> None:
        heard.append(news)
        if len(heard) == 2:
            lock.close()

    options = Following(
        account=OPS, in_thread=False, env=clock.env(), heard=listen, cancelled=lambda: len(heard) > 2
    )
    copy = mirror(options=options)
    lock = contextlib.ExitStack()
    lock.enter_context(standing.pulling(copy.store.path))
    copy.follower.run()
    assert [type(news) for news in heard] == [Busy, Busy, Pulled]
    assert copy.tips() == tips(primary.store)


def test_a_held_request_is_the_poll(primary: Project, mirror: Make, network: Network) -> None:
    clock, heard, held = Clock(), list[Pulled](), list[str]()
    whole = network.walks[FIRST]

    def holding(request: WalkRequest) -> WalkReply:
        if "prefer" in request.headers:
            held.append(request.headers["prefer"])
            clock.sleep(2)
            if len(held) == 2:
                commit(primary.store, "192.0.2.4")
        return whole(request)

    def listen(news: object) -> None:
        assert isinstance(news, Pulled)
        heard.append(news)

    network.walks[FIRST] = holding
    options = Following(
        account=OPS, in_thread=False, env=clock.env(), heard=listen, cancelled=lambda: len(heard) > 3
    )
    copy = mirror(options=options)
    copy.follower.run()
    assert held == ["wait=5"] * 3
    assert [news.is_new for news in heard] == [True, False, True, False]
    assert copy.tips() == tips(primary.store)


def test_the_lag_is_told_beside_the_repository(primary: Project, mirror: Make, network: Network) -> None:
    clock = Clock()
    copy = mirror(options=Following(account=OPS, env=clock.env()))
    copy.pull()
    whole = network.walks.pop(FIRST)
    clock.now += 500
    with pytest.raises(PeerError):
        copy.pull()
    told = standing.standings(copy.store.path)
    assert told is not None
    now = clock.env().clock_ms()
    assert told.behind_ms(now) == 500_000
    assert told.primaries[0].error_ms == now
    network.walks[FIRST] = whole
    copy.pull()
    told = standing.standings(copy.store.path)
    assert told is not None
    assert told.behind_ms(clock.env().clock_ms()) == 0


# -- how much


def test_one_record_of_a_large_zone_costs_little(mirror: Make, network: Network, tmp_path: Path) -> None:
    path, text = tmp_path / "large.xferzone", tmp_path / "large.zone"
    head = (
        "$TTL 300\n@ SOA ns1.example.net. ops.example.net. 1 7200 3600 1209600 300\n@ NS ns1.example.net.\n"
    )
    text.write_text(
        head + "".join(f"h{n} A 192.{n >> 16}.{n >> 8 & 255}.{n & 255}\n" for n in range(100_000))
    )
    run(path, "init")
    run(path, "zone", "add", "large.example", "--from", str(text))
    primary = Store.open(path)
    with primary.writer() as writer:
        put_user(writer, "ops", "pw-ops", "s")
    network.serve(FIRST, primary)
    copy = mirror()
    copy.pull()
    for number in range(3):
        run(path, "set", f"h{number * 30_000}.large.example", "A", f"192.0.2.{number}")
        pulled = copy.pull()
        assert pulled.received == 2
        assert pulled.bytes_in + pulled.bytes_out < 4_000
    assert copy.tips() == tips(primary)
    primary.close()
