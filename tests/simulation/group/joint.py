"""Histories in which people change several branches by one command, at any member: all of that is accepted, or none.

They have what all histories of groups have, and half of the edits at members are of two branches or three.
"""

from collections.abc import Sequence
from typing import Final, cast

from tests.simulation import acts
from tests.simulation.acts import ZONES, Act, zone_text
from tests.simulation.group import acts as group_acts
from tests.simulation.group.member import MemberNode
from tests.simulation.group.world import GroupWorld
from tests.simulation.node import Node
from tests.simulation.world import World
from xferzone.edit.appending import Author, Commit
from xferzone.edit.commit import Edit
from xferzone.hashing import short
from xferzone.refs import BranchName, LocalRefs, State
from xferzone.zone.changes import parse_change
from xferzone.zonefile import text
from xferzone.zonefile.names import zone_name

_ADDED: Final = 0.2  # of the branches, whose zone gets other text, or begins


def edit_together(world: World, node: Node) -> str:
    """Some branches are changed by one command."""
    assert isinstance(node, MemberNode)
    luck, done = world.luck, list[Commit]()
    with node.writing("apply") as writer:
        refs = LocalRefs(writer)
        branches = {ref.branch for ref in refs.list() if ref.state is not State.REMOVED}
        chosen = sorted(branches | {BranchName(luck.one_of(ZONES), "main")}, key=str)
        luck.shuffle(chosen)
        author = Author(node.login, node.env.clock_ms(), allow_older=True, is_joint=True)
        for branch in chosen[: 2 + luck.below(2)]:
            edit = Edit(writer, refs, branch, author, allow_loss=True)
            if branch in branches and not luck.chance(_ADDED):
                host = f"host-{luck.below(20)}.{branch.zone}"
                done.append(
                    edit.change([parse_change("set", [host, "A", f"198.51.100.{luck.below(250)}"])], "both")
                )
            else:
                read = text.read_zone(zone_text(branch.zone, 1 + luck.below(50)), zone_name(branch.zone))
                done.append(edit.replace(read, f"zone {branch.zone}"))
        made = {each.branch: each.checkin for each in done if each.checkin is not None}
        cast(GroupWorld, world).facts.together(made)
    for each in done:
        acts._made(world, node, each, "apply")
    return "apply: " + ", ".join(f"{short(checkin)} on {branch}" for branch, checkin in made.items())


_AT_MEMBER: Final[Sequence[tuple[Act, int]]] = ((edit_together, 8), *group_acts.AT_MEMBER)


class JointWorld(GroupWorld):
    """A group whose people use such commands."""

    def acts_of(self, node: Node) -> Sequence[tuple[Act, int]]:
        """As World has it."""
        found = super().acts_of(node)
        return _AT_MEMBER if found is group_acts.AT_MEMBER else found
