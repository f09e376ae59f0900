"""What befalls the group itself: members leave and join, etcd is emptied, and operators mend what cannot mend itself.

leave, come back      one member at a time is outside, a clone of a fellow
promote, come back    who is outside is a primary beside the group for a while, until it is demoted
etcd is emptied       once in a history, as another cluster; members are on hold until one of them restores the group
restore, come back    where the group has no keys, or another life than a member knows
clobber               where a key names what no member has any more, once its member was lost
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from tests.simulation.group.member import MemberNode
from tests.simulation.group.reaching import MortalDoor
from tests.simulation.node import Node
from tests.simulation.process import Process
from tests.simulation.world import World
from xferzone import exchange
from xferzone.errors import Refused
from xferzone.exchange import Options, known_remote
from xferzone.exchange.group import clobbering, restoring
from xferzone.exchange.group.asked import Asking
from xferzone.exchange.group.leaving import leave as leave_group
from xferzone.exchange.group.leaving import remove
from xferzone.exchange.group.standing import standing
from xferzone.hashing import short
from xferzone.refs import LocalRefs
from xferzone.refs.roster import known_fellows, registered
from xferzone.repository import demote as demotion
from xferzone.repository import promote as promotion
from xferzone.store import places, schema, unsent
from xferzone.store.remotes import ORIGIN
from xferzone.sync.client.options import Account
from xferzone.transport.walk import WalkTransport

if TYPE_CHECKING:
    from tests.simulation.group.world import GroupWorld

_HELD_MS = 150_000  # milliseconds that members have to bring keys forward that were set back


def leave(world: World, node: Node) -> str:
    """A member leaves, and is a clone of a fellow, where enough stay to hold what is accepted."""
    member, group = _member(node), _group(world)
    if group.copies == len(group.members) or member.frames or not world.luck.chance(0.5):
        return "stays in the group"
    with group.leaving() as may_leave:
        if not may_leave:
            return "does not leave before all are in the group"
        member.end_program()
        with member.at_work(), member.process("group leave") as process:
            door = MortalDoor(member, process)
            try:
                done = leave_group(process.store, door, group.reach(member, process), member.occasion)
            except Refused as exc:  # others do not run at the moment
                return f"may not leave: {exc}"
    assert done is not None
    member.end()
    return f"leaves, with {done.pending} check-ins that nobody has decided about"


def promote(world: World, node: Node) -> str:
    """Who has left is a primary beside the group, where it has nothing that others are to decide about."""
    member = _member(node)
    if not member.is_outside or member.frames or not world.luck.chance(0.5):
        return "stays a clone"
    with member.process("promote") as process, process.store.writer() as writer:
        if writer.role != schema.CLONE or unsent.artifacts(writer) or places.unplaced_branches(writer):
            return "stays what it is"
        steps = world.luck.chance(0.5)
        promotion.promote(writer, LocalRefs(writer), member.occasion, steps=steps)
    return "is PROMOTED"


def come_back(world: World, node: Node) -> str:
    """A repository that is outside, or knows another life of the group, joins."""
    member, group = _member(node), _group(world)
    if member.frames or (member.life == group.life and group.life):
        return "is where it belongs"
    if not group.life:
        return "there is no group to join"
    member.end()
    try:
        with member.at_work():
            group.join(member)
    except Refused:
        if not member.is_outside:
            raise
        _demote(member)
        with member.process("push") as process:
            with process.store.reader() as reader:
                remote = known_remote(reader, ORIGIN)
            assert remote is not None
            options = Options(
                pull=True,
                push=True,
                account=Account("ann", "pw"),
                remote=remote,
                env=member.env,
                faults=process.faults,
            )
            other = group.member_at(remote.url)
            done = exchange.sync(process.store, world.way(member, other), options)
        return f"cannot join, and pushes to {other.name}: {'; '.join([*done.errors, *done.messages])[:150]}"
    return "has joined"


def _demote(member: MemberNode) -> None:
    """A primary beside the group is a clone of a member."""
    with member.process("demote") as process, process.store.writer() as writer:
        if writer.role == schema.PRIMARY:
            fellow = member.luck.one_of([each for each in member.group.members if not each.is_outside])
            demotion.demote(writer, LocalRefs(writer), f"http://{fellow.name}/", member.occasion)
            member.story.tell(member.name, f"is DEMOTED to a clone of {fellow.name}")


def empty_etcd(world: World, _node: Node) -> str:
    """etcd begins anew, as another cluster, with nothing; what was on its way to it is lost."""
    group = _group(world)
    if group.is_set_back or not group.is_whole or not world.luck.strikes("etcd.emptied", 1.0):
        return "looks at etcd"
    group.is_set_back = True
    group.cluster.travelling.clear()
    group.cluster.empty("2")
    return "etcd is EMPTIED"


def restore(world: World, node: Node) -> str:
    """An operator begins another life of the group, once all machines are there: etcd was emptied or set back."""
    member, group = _member(node), _group(world)
    stands = standing(member.path)
    held_ms = member.env.clock_ms() - stands.since_ms if stands is not None and stands.state == "hold" else 0
    if (group.life and held_ms < _HELD_MS) or member.frames or member.is_outside:
        return "restores nothing"
    if any(each.is_down for each in group.members):
        return "restores nothing before all machines are there"
    with member.at_work(), member.process("group restore") as process:
        reaching = group.reach(member, process)(member.known_share(), {})
        with process.store.reader() as reader:
            excused = [name for name, one in known_fellows(reader).items() if one.url == group.balancer]
        terms = restoring.Terms(_asking(member, process), reaching, member.env, excused, group.copies)
        done = restoring.restore(process.store, MortalDoor(member, process), terms)
    return f"RESTORES the group; {', '.join(done.others)} are to join again"


def clobber(world: World, node: Node) -> str:
    """An operator lets a branch go on whose newest check-in no member has, where all others have answered."""
    member, group = _member(node), _group(world)
    lost = group.facts.lost_branches(group.cluster.tips())
    if not lost or member.frames or member.is_outside:
        return "clobbers nothing"
    branch = world.luck.one_of(lost)

    with member.at_work(), member.process("group clobber") as process:
        asked, door = member.asked(process), MortalDoor(member, process)
        assert asked is not None
        share = member.known_share()
        terms = clobbering.Terms(
            {
                name: one
                for name, one in registered(door, share.space(group.code)).items()
                if name != member.name
            },
            _asking(member, process),
            lambda loss: not loss.unheard,
            member.login,
            member.env,
        )
        with group.facts.clobbering(member):
            tip = clobbering.clobber(process.store, asked, branch, terms)
    return f"{branch} goes on " + ("with all" if tip is None else f"at {short(tip.checkin)}")


def remove_stranger(world: World, node: Node) -> str:
    """An operator takes what is not a member out of the group."""
    member, group = _member(node), _group(world)
    if member.is_outside:
        return "removes nobody"
    with member.at_work(), member.process("group remove") as process:
        door, space = MortalDoor(member, process), member.known_share().space(group.code)
        if "z" not in registered(door, space):
            return "removes nobody"
        remove(door, space, "z")
    return "removes z"


def change_account(world: World, node: Node) -> str:
    """An account is made, changed or removed, at any member."""
    member, group = _member(node), _group(world)
    if member.is_outside or member.frames:
        return "changes no account"
    login = world.luck.one_of(("eve", "mal"))
    caps = world.luck.one_of(("", "", "g", "o", "og"))
    with member.at_work(), group.facts.changing(login), member.process("user") as process:
        asked = member.asked(process)
        assert asked is not None
        group.change_account(process, asked.refs.keys, login, caps)
    return f"{login} has the rights {caps}" if caps else f"{login} is removed"


def _asking(member: MemberNode, process: Process) -> Asking:
    @contextmanager
    def way(url: str) -> Iterator[WalkTransport]:
        yield member.group.way_to(member, url)

    return Asking(process.store, member.known_share(), member.group.code, member.env, way)


def _member(node: Node) -> MemberNode:
    assert isinstance(node, MemberNode)
    return node


def _group(world: World) -> "GroupWorld":
    return cast("GroupWorld", world)
