"""What happens in a group, besides what people do in any repository: turns of its program, outages, machines lost."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from tests.simulation import acts
from tests.simulation.acts import Act
from tests.simulation.group import upheaval
from tests.simulation.group.member import MemberNode
from tests.simulation.node import Node
from tests.simulation.world import World
from xferzone.cards.session import shared_secret
from xferzone.exchange.group import accounts
from xferzone.store.accounts import User

if TYPE_CHECKING:
    from tests.simulation.group.world import GroupWorld

_PARTITION_MS: Final = 90_000
_OFF_MS: Final = 120_000


def turn(_world: World, node: Node) -> str:
    """The group program has its turn."""
    member = _member(node)
    member.turn()
    if member.program is None:
        return "the group program ends"
    stance = member.program[1].stance
    return f"group program: {stance.state}"


def program_dies(_world: World, node: Node) -> str:
    """The group program is killed, and begins anew with its next turn."""
    if _member(node).frames:
        return "is at work"
    _member(node).end_program()
    return "the group program is killed"


def server_dies(_world: World, node: Node) -> str:
    """The server is killed; the next request finds a new one."""
    if _member(node).frames:
        return "is at work"
    node.end()
    return "all programs are killed"


def part_from(world: World, node: Node) -> str:
    """Nothing goes between the member and etcd, or a fellow, or both, for a while."""
    if not world.luck.strikes("network.partition", 1.0):
        return "looks at the weather"
    group = _group(world)
    others = [each.name for each in group.members if each is not node]
    until = world.story.now_ms + world.luck.below(_PARTITION_MS)
    for other in world.luck.one_of((["etcd"], [world.luck.one_of(others)], others, [*others, "etcd"])):
        world.network.part(node.name, other, until)
    return "is cut off"


def deliver(world: World, _node: Node) -> str:
    """A transaction that was long on its way arrives at etcd."""
    cluster = _group(world).cluster
    if not cluster.travelling:
        return "nothing is on its way to etcd"
    cluster.deliver()
    return "what was long on its way arrives at etcd"


def compact(world: World, _node: Node) -> str:
    """etcd forgets old changes."""
    cluster = _group(world).cluster
    if not world.luck.strikes("etcd.compacted", 1.0):
        return "etcd remembers all"
    cluster.compact(cluster.stand.revision)
    return "etcd forgets old changes"


def back_up_etcd(world: World, _node: Node) -> str:
    """A backup of etcd is made."""
    group = _group(world)
    if group.is_set_back:
        return "looks at etcd"
    group.etcd_backup = group.cluster.snapshot()
    return "etcd is backed up"


def set_etcd_back(world: World, _node: Node) -> str:
    """A backup takes the place of etcd, as another cluster; what was on its way to it is lost."""
    group = _group(world)
    backup = group.etcd_backup
    if backup is None or group.is_set_back or group.files_lost or not group.is_whole:
        return "looks at etcd"
    if not world.luck.strikes("etcd.set-back", 2.0):
        return "looks at etcd"
    group.is_set_back = True
    group.cluster.travelling.clear()
    group.cluster.set_back(backup, "2")
    return f"etcd is SET BACK to revision {backup.revision}"


def change_password(world: World, node: Node) -> str:
    """The account of whoever made the project gets another password, at any member."""
    member = _member(node)
    if member.is_outside:
        return "changes no password"
    with member.at_work(), member.process("user passwd") as process:
        asked = member.asked(process)
        assert asked is not None
        accounts.change(process.store, "ops", _with_password(world.luck.octets(8).hex()), asked.refs.keys)
    return "ops has another password"


def _with_password(password: str) -> accounts.Change:
    def wanted(before: User | None, project: str) -> User | None:
        assert before is not None
        return User(before.login, shared_secret(project, before.login, password), before.caps)

    return wanted


def switch_off(world: World, node: Node) -> str:
    """A member's machine is off for a while."""
    member, group = _member(node), _group(world)
    if (
        member.frames
        or any(each.is_down for each in group.members)
        or not world.luck.strikes("machine.off", 1.0)
    ):
        return "looks at the machine"
    member.end()
    member.is_down = True
    group.back_at[member.name] = world.story.now_ms + world.luck.below(_OFF_MS)
    return "is off"


def wipe(world: World, node: Node) -> str:
    """A member's file is lost, or an old one takes its place; where enough others have what it had."""
    group = _group(world)
    if (
        _member(node).frames
        or group.files_lost
        or not group.is_whole
        or not world.luck.strikes("machine.wiped", 2.0)
    ):
        return "looks at the backup"
    if world.luck.chance(0.5):
        return group.roll_back(_member(node))
    return group.wipe(_member(node))


def sync(world: World, node: Node) -> str:
    """A clone exchanges with any member."""
    return _by_any(world, node, acts.sync)


def push_some(world: World, node: Node) -> str:
    """Another program pushes to any member."""
    return _by_any(world, node, acts.push_some)


def _by_any(world: World, node: Node, act: Act) -> str:
    group = _group(world)
    node.origin = world.luck.one_of([each for each in group.members if not each.is_outside])
    is_heard = False
    try:
        told = act(world, node)
        is_heard = act is acts.sync
    finally:
        if not is_heard:
            group.facts.attempted(node)
    return f"with {node.origin.name}: {told}"


def _member(node: Node) -> MemberNode:
    assert isinstance(node, MemberNode)
    return node


def _group(world: World) -> "GroupWorld":
    return cast("GroupWorld", world)


AT_MEMBER: Final[Sequence[tuple[Act, int]]] = (
    (acts.edit, 6),
    (acts.add_zone, 1),
    (acts.remove_zone, 1),
    (acts.branch_off, 1),
    (acts.tag, 1),
    (acts.close, 1),
    (acts.merge, 2),
    (acts.publish_rest, 2),
    (turn, 14),
    (program_dies, 1),
    (server_dies, 1),
    (part_from, 2),
    (deliver, 3),
    (compact, 1),
    (back_up_etcd, 2),
    (set_etcd_back, 2),
    (change_password, 1),
    (switch_off, 1),
    (wipe, 2),
    (upheaval.leave, 1),
    (upheaval.empty_etcd, 2),
    (upheaval.restore, 2),
    (upheaval.come_back, 2),
    (upheaval.clobber, 1),
    (upheaval.change_account, 2),
)
OUTSIDE: Final[Sequence[tuple[Act, int]]] = (
    (acts.edit, 2),
    (upheaval.promote, 2),
    (upheaval.come_back, 3),
)
AT_CLONE: Final[Sequence[tuple[Act, int]]] = (
    (acts.edit, 5),
    (acts.add_zone, 1),
    (acts.branch_off, 1),
    (acts.tag, 1),
    (acts.merge, 3),
    (acts.replay_forks, 2),
    (sync, 9),
    (push_some, 2),
)
