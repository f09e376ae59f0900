"""What befalls a group of real servers and a real etcd, and what becomes of the work of its clients: ours, and stock.

Each has zones of its own; all goes on in one group, which is whole again after each test.
"""

import json
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from tests.interop.grouped import IN_STEP_S, Group, Site, cut, grouped
from tests.interop.judged import serve_all
from tests.interop.nodes import now_ms
from tests.interop.storm import CheckOut, Client, Clone
from tests.live import Person, within
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.hashing import ArtifactId
from xferzone.refs import BranchName, LocalRefs
from xferzone.repository.make import make_mirror
from xferzone.store import Store, places, schema
from xferzone.zone.changes import parse_change

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

KINDS = ("stock", "ours")
TESTS = ("dies", "further", "late", "goes", "hand", "past", "reg", "tags", "back")
ADDRESS = "192.0.2.8"


def zone_of(test: str, kind: str) -> str:
    return f"{test}-{kind}.example"


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Group]:
    zones = [zone_of(test, kind) for test in TESTS for kind in KINDS]
    with grouped(tmp_path_factory.mktemp("group"), zones=zones) as made:
        yield made


def client(kind: str, site: Site, directory: Path, name: str = "") -> Client:
    """Somebody who has just cloned from that member."""
    home = directory / f"{kind}{name}"
    return CheckOut(site, home) if kind == "stock" else Clone(site, home)


def serve(sites: Sequence[Site], zone: str, owner: str) -> bool:
    """Whether all these members come to serve that owner."""
    return within(IN_STEP_S, partial(serve_all, sites, owner, zone))


def on_forks(site: Site, zone: str) -> set[ArtifactId]:
    """The check-ins there that are on fork branches of the zone."""
    with Store.open(site.repository) as store, store.reader() as reader:
        found = (places.placed(reader, each) for each in reader.artifacts())
        return {each.id for each in found if each and str(each.branch).startswith(f"{zone}/main-fork-")}


def is_on_a_fork_everywhere(group: Group, zone: str) -> bool:
    return within(2 * IN_STEP_S, lambda: all(on_forks(site, zone) for site in group.sites), every=0.2)


def test_work_that_died_with_its_member_is_pushed_elsewhere(group: Group, tmp_path: Path) -> None:
    """Accepted by a member that dies before it has told anybody; without and with more commits on top of that."""
    a, b, c = group.sites
    people = {(kind, test): client(kind, a, tmp_path, test) for kind in KINDS for test in ("dies", "further")}
    with cut(a.to_it, b.to_it, c.to_it):
        for (kind, test), person in people.items():
            tried = person.add(zone_of(test, kind), "accepted", ADDRESS)
            assert tried.is_accepted, tried.told
        a.kill()
    said = b.xferzone("set", f"x.{zone_of('dies', 'ours')}", "A", ADDRESS, code=75)
    assert "only a has all of it" in said
    for (kind, test), person in people.items():
        zone = zone_of(test, kind)
        if test == "further":
            person.keep(zone, "further", ADDRESS)
        assert not serve_all((b,), "accepted", zone)
        told = person.push(b.url())
        assert serve((b, c), zone, "further" if test == "further" else "accepted"), (kind, test, told)
    a.serve()
    assert group.is_in_step()
    for (kind, test), person in people.items():
        tried = person.add(zone_of(test, kind), "after", ADDRESS)
        assert tried.is_accepted, tried.told
        assert serve(group.sites, zone_of(test, kind), "accepted")
    assert group.is_in_step()


def test_a_member_that_is_out_of_date_takes_no_stale_work(group: Group, tmp_path: Path) -> None:
    """It comes back after others have moved on, and is pushed to at once by people who know no more than it."""
    a, _, c = group.sites
    people = {zone_of("late", kind): client(kind, c, tmp_path) for kind in KINDS}
    for zone, person in people.items():
        assert person.add(zone, "before", ADDRESS).is_accepted
    assert group.is_in_step()
    with c.dead():
        for zone, person in people.items():
            a.xferzone("set", f"newer.{zone}", "A", "192.0.2.7")
            person.keep(zone, "stale", ADDRESS)
    for person in people.values():
        told = person.push(c.url())
        assert "fork" in told, told
    for zone, person in people.items():
        assert is_on_a_fork_everywhere(group, zone)
        assert not serve_all((c,), "stale", zone)
        tried = person.add(zone, "again", ADDRESS)
        assert tried.is_accepted, tried.told
        assert serve(group.sites, zone, "again")
        assert serve(group.sites, zone, "newer")


def pull(file: Path, via: str, site: Site, *options: str, code: int = 0) -> str:
    """`xferzone pull` in a mirror; what is told."""
    words = ("pull", "--via", via, *options, site.url())
    return Person(file.parent).xferzone("-R", file, *words, code=code).err


def wipe(site: Site) -> None:
    """The member is lost, and its repository."""
    if site.server is not None:
        site.kill()
    for file in site.repository.parent.glob(f"{site.repository.name}*"):
        file.unlink()


def test_when_all_copies_are_lost_the_branch_goes_on_without_them(group: Group, tmp_path: Path) -> None:
    """Two of three members held it, as they had to, and both are lost; clients and mirrors have it."""
    a, b, c = group.sites
    a.join("--copies", "2")
    zones = {kind: zone_of("goes", kind) for kind in KINDS}
    mirrors = {via: tmp_path / f"{via}.xferzone" for via in ("walk", "xfer")}
    c.kill()
    people = {zone: client(kind, a, tmp_path) for kind, zone in zones.items()}
    for zone, person in people.items():
        tried = person.add(zone, "lost", ADDRESS)
        assert tried.is_accepted, tried.told
    for via, file in mirrors.items():
        make_mirror(file)
        pull(file, via, a)
    for site in (a, b):
        wipe(site)
    c.serve()
    for site in (a, b):
        assert within(2 * IN_STEP_S, partial(_is_removed, c, site.name))
    assert within(IN_STEP_S, lambda: "2 keys name a check-in that no member has" in _checked(c))
    refused = c.xferzone("group", "clobber", zones["ours"], "--yes", code=75)
    assert "1 of the 2 that have to" in refused
    assert "`xferzone group join --copies 1` comes first, here" in refused
    assert "`xferzone group clobber BRANCH` at a member comes first" in a.join(code=75)
    c.join("--copies", "1")
    for zone in people:
        assert f"{zone}/main " in c.xferzone("group", "clobber", zone, "--yes")
    a.join("--copies", "2")
    a.serve()
    assert within(IN_STEP_S, partial(_is_well, c))
    for zone, person in people.items():
        assert within(IN_STEP_S, partial(_same_ref, (a, c), zone))
        assert not serve_all((a, c), "lost", zone)
        told = person.push(c.url())
        assert "fork" in told, told
        assert not serve_all((a, c), "lost", zone)
    for via, file in mirrors.items():
        told = pull(file, via, c, code=7)
        for zone in people:
            assert f"{zone}/main stays where it was: it does not come after what is served here" in told
        assert "`xferzone pull --accept-clobber` follows it" in told
        assert lost_at(file, zones["ours"])
        pull(file, via, c, "--accept-clobber")
        assert not lost_at(file, zones["ours"])
    b.join("--copies", "1")
    b.serve()
    for zone, person in people.items():
        assert is_on_a_fork_everywhere(group, zone)
        tried = person.add(zone, "after", ADDRESS)
        assert tried.is_accepted, tried.told
        assert serve(group.sites, zone, "after")
    assert group.is_in_step()
    for site in group.sites:
        assert ", 0 faults" in site.xferzone("check")


def _is_removed(site: Site, name: str) -> bool:
    return "alive" not in site.xferzone("group", "remove", name, code=None)


def _checked(site: Site) -> str:
    return site.xferzone("group", "check", code=None)


def _same_ref(sites: Sequence[Site], zone: str) -> bool:
    return len({str(site.ref(f"{zone}/main")) for site in sites}) == 1


def lost_at(file: Path, zone: str) -> bool:
    return "lost " in Person(file.parent).xferzone("-R", file, "zone", "export", zone).out


def project(site: Site) -> str:
    with Store.open(site.repository) as store, store.reader() as reader:
        return reader.project_code


def test_a_key_that_was_moved_by_hand_is_not_followed_off_its_line(group: Group, tmp_path: Path) -> None:
    """An operator puts it at work that had lost: refs stay, people are told, and all goes on once it is put back."""
    a, b, _ = group.sites
    people = {zone_of("hand", kind): client(kind, a, tmp_path) for kind in KINDS}
    for zone, person in people.items():
        assert person.add(zone, "before", ADDRESS).is_accepted
    assert group.is_in_step()
    for zone, person in people.items():
        person.keep(zone, "loser", ADDRESS)
        b.xferzone("set", f"winner.{zone}", "A", "192.0.2.7")
        assert "fork" in person.push(a.url())
        assert is_on_a_fork_everywhere(group, zone)
    keys = {f"xferzone/{project(a)}/ref/{zone}/main": zone for zone in people}
    good = {key: group.etcd.ctl("get", "--print-value-only", key).strip() for key in keys}
    for key, zone in keys.items():
        (loser,) = on_forks(a, zone)
        group.etcd.ctl("put", key, json.dumps(json.loads(good[key]) | {"checkin": loser}))
    assert within(IN_STEP_S, lambda: "on another line" in _checked(a))
    for zone, person in people.items():
        tried = person.add(zone, "meanwhile", ADDRESS)
        assert not tried.is_accepted
        assert "see `xferzone group check`" in tried.told
        assert not serve_all(group.sites, "loser", zone)
    for key, value in good.items():
        group.etcd.ctl("put", key, value)
    for zone, person in people.items():
        assert within(2 * IN_STEP_S, partial(_is_accepted, person, zone, "after"), every=1)
        assert serve(group.sites, zone, "after")
        assert serve(group.sites, zone, "winner")


def test_a_lost_registration_is_made_again_and_no_push_is_lost(group: Group, tmp_path: Path) -> None:
    b = group.sites[1]
    people = {zone_of("reg", kind): client(kind, b, tmp_path) for kind in KINDS}
    for key in ("member/b", "alive/b"):
        group.etcd.ctl("del", f"xferzone/{project(b)}/{key}")
    for zone, person in people.items():
        tried = person.add(zone, "x", ADDRESS)
        assert tried.is_accepted, tried.told
        assert serve(group.sites, zone, "x")
    for site in group.sites:
        assert within(IN_STEP_S, partial(_is_well, site))


def _is_well(site: Site) -> bool:
    return site.ops.xferzone("-R", site.repository, "group", "check", code=None).code == 0


def test_tags_alone_reach_all_members(group: Group, tmp_path: Path) -> None:
    b = group.sites[1]
    for kind in KINDS:
        zone, person = zone_of("tags", kind), client(kind, b, tmp_path)
        told = person.tag(zone, f"{zone}/release", b.url())
        for site in group.sites:
            assert within(IN_STEP_S, partial(_has_tag, site, zone, "release")), told


def _has_tag(site: Site, zone: str, name: str) -> bool:
    return name in site.xferzone("tag", zone)


def test_a_ref_that_was_moved_past_its_key_brings_the_key_along(group: Group, tmp_path: Path) -> None:
    """Somebody changed a member's file as if it were a lone primary."""
    _, b, c = group.sites
    people = {zone_of("past", kind): client(kind, b, tmp_path) for kind in KINDS}
    with c.dead(), Store.open(c.repository) as store, store.writer() as writer:
        writer.set_setting("role", schema.PRIMARY)
        for zone in people:
            edit = Edit(writer, LocalRefs(writer), BranchName(zone, "main"), Author("ops", now_ms()))
            edit.change([parse_change("set", [f"past.{zone}", "300", "A", ADDRESS])], "set")
        writer.set_setting("role", schema.MEMBER)
    for zone, person in people.items():
        assert serve(group.sites, zone, "past")
        assert within(2 * IN_STEP_S, partial(_is_accepted, person, zone, "after"), every=1)
        assert serve(group.sites, zone, "after")


def _is_accepted(person: Client, zone: str, owner: str) -> bool:
    return person.add(zone, owner, ADDRESS).is_accepted


def test_an_etcd_that_was_set_back_is_brought_forward(group: Group, tmp_path: Path) -> None:
    """It is restored from a backup, as another cluster, while members go on."""
    a = group.sites[0]
    people = {zone_of("back", kind): client(kind, a, tmp_path) for kind in KINDS}
    backup = tmp_path / "backup"
    group.etcd.ctl("snapshot", "save", backup)
    for zone, person in people.items():
        assert person.add(zone, "since", ADDRESS).is_accepted
    assert group.is_in_step()
    with group.without_etcd(backup):
        pass
    for zone, person in people.items():
        assert within(3 * IN_STEP_S, partial(_is_accepted, person, zone, "after"), every=1)
        assert serve(group.sites, zone, "after")
        assert serve(group.sites, zone, "since")
