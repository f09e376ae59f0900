"""One command that changes two zones at a member of a real group: a race on one of them, and a member that dies."""

import base64
import json
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.interop.grouped import IN_STEP_S, ZONE, Group, Site, cut, grouped
from tests.interop.judged import serve_all
from tests.live import PATIENCE_S, within
from xferzone.publish.agreed import KEPT
from xferzone.store import Store

pytestmark = pytest.mark.interop

OTHER = "example.net"
TRIES = 5  # of a race; fellows that pull meanwhile take a side


def test_what_one_command_changes_is_accepted_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    with grouped(tmp_path / "group", copies=2, zones=(OTHER,)) as group:
        a, b, _ = group.sites
        assert _applied(a, "first").count("serial 2") == 2
        assert _revision(group, ZONE) == _revision(group, OTHER)
        assert within(
            IN_STEP_S, lambda: serve_all(group.sites, "first") and serve_all(group.sites, "first", OTHER)
        )
        _is_beaten_on_one_branch(group, a, b)
        _is_accepted_elsewhere(group, a, b)


def _is_beaten_on_one_branch(group: Group, a: Site, b: Site) -> None:
    """Somebody wins a race on one of the branches at b, while the proposal of a is on its way to etcd."""
    for number in range(TRIES):
        stood, told = _revision(group, OTHER), _beaten(a, b, f"winner{number}")
        if told:
            break
    assert told.startswith(f"xferzone: {ZONE}/main: somebody else was first; your work is kept: ")
    assert all(f" on branch {zone}/main-fork-" in told for zone in (ZONE, OTHER))
    assert _revision(group, OTHER) == stood
    assert group.is_in_step()
    assert within(IN_STEP_S, partial(serve_all, group.sites, f"winner{number}"))
    assert not serve_all((a, b), f"beaten-by-winner{number}", OTHER)


def _beaten(a: Site, b: Site, winner: str) -> str:
    """What is told at a; nothing: b had heard of the change, and has published it before its own."""
    held, is_over = iter([True]), threading.Event()

    def overtake(is_put: bool) -> None:
        if is_put and next(held, False):
            b.xferzone("set", f"{winner}.{ZONE}", "A", "192.0.2.8", code=None)
            is_over.set()
        elif is_put:  # the group program of a looks at what waits there, too
            is_over.wait(PATIENCE_S)

    _before_etcd(a, overtake)
    with cut(b.to_it):
        told = _applied(a, f"beaten-by-{winner}", code=None)
    return told if "your work is kept" in told else ""


def _is_accepted_elsewhere(group: Group, a: Site, b: Site) -> None:
    """The member dies when it has copied the change to a fellow, and etcd has not heard of it."""

    def die(is_put: bool) -> None:
        if is_put and a.server is not None:
            a.kill()
        if is_put:
            a.to_etcd.hang_up()
            raise OSError("lost")

    _before_etcd(a, die)
    assert KEPT in _applied(a, "left", code=75)
    # Whoever works on one of the branches has it published first, and is then told that somebody was.
    others = [each for each in group.sites if each is not a]
    for each in others:
        each.xferzone("set", f"y.{ZONE}", "A", "192.0.2.9", code=None)
    assert within(IN_STEP_S, lambda: serve_all(others, "left") and serve_all(others, "left", OTHER))
    a.to_etcd.before = lambda _octets: None
    a.serve()
    assert group.is_in_step()


def _applied(site: Site, owner: str, code: int | None = 0) -> str:
    lines = "".join(f"set {owner}.{zone} A 192.0.2.7\n" for zone in (ZONE, OTHER))
    return site.xferzone("apply", "-", code=code, stdin=lines)


def _before_etcd(site: Site, act: Callable[[bool], object]) -> None:
    """Do that before etcd gets what the member asks about OTHER; `act` is told whether it is a proposal."""
    wanted = base64.b64encode(_key(site, OTHER).encode())

    def look(octets: bytes) -> None:
        if wanted in octets:
            act(b"request_put" in octets)

    site.to_etcd.before = look


def _key(site: Site, zone: str) -> str:
    with Store.open(site.repository) as store, store.reader() as reader:
        return f"xferzone/{reader.project_code}/ref/{zone}/main"


def _revision(group: Group, zone: str) -> int:
    """At which revision the branch has moved last."""
    (found,) = json.loads(group.etcd.ctl("get", _key(group.sites[0], zone), "--write-out=json"))["kvs"]
    return int(found["mod_revision"])
