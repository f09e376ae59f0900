"""Who may exchange what is new with whom, of two repositories of one project: by the roles that they tell each other.

    client \\ server   primary   clone   mirror      member
    primary            no        yes     pull only   no
    clone              yes       yes     pull only   yes
    mirror             pulls, from any of them
    member             no        yes     pull only   of its own group

A primary and a group each decide where branches stand. Two that decide without each other would take each other's
work for pushed, move it to fork branches, and give one serial two contents. So these two tell what they are, and the
server tells it them. Whoever tells no role is exchanged with: clones and mirrors need not, stock has none, and older
releases do not know of it. A repair asks by hash for what is here already, and tells none. Both ends look here:
sync/server/refs.py and sync/client/refs.py.
"""

from typing import Final

from xferzone.cards.extension import RoleNamed
from xferzone.refs.membership import membership
from xferzone.store import Reader, schema

_PRIMARIES: Final = (
    "two primaries of one project met, or one met itself",
    "make one of them a clone of the other with `xferzone demote URL`, make both members of one group with "
    "`xferzone group join`, or follow one of them with a mirror, in a new file: `xferzone pull --watch URL`",
)
_PRIMARY_AND_MEMBER: Final = (
    "a primary met a member of a group of its project",
    "make the primary a member, too, with `xferzone group join`, or a clone of the group with `xferzone demote URL`, "
    "or follow the group with a mirror, in a new file: `xferzone pull --watch URL`",
)
_MEMBERS: Final = (
    "members of two groups of one project met, or of two lives of one group",
    "`xferzone group join` brings a member into the new life of a group that was restored; from another group it "
    "leaves first, with `xferzone group leave`",
)


def own_role(reader: Reader) -> RoleNamed:
    """What the repository is, as its server tells it."""
    share = membership(reader)
    return RoleNamed(reader.role, "" if share is None else share.group)


def role_told(reader: Reader) -> RoleNamed | None:
    """What a repository that syncs tells of itself; None: nothing."""
    return own_role(reader) if reader.role in schema.DECIDING else None


def quarrel(one: RoleNamed, other: RoleNamed) -> str:
    """Why these two may not exchange, and what to do; empty: they may."""
    if not {one.role, other.role} <= schema.DECIDING:
        return ""
    if one.role != other.role:
        what, remedy = _PRIMARY_AND_MEMBER
    elif one.role == schema.PRIMARY:
        what, remedy = _PRIMARIES
    elif one.group != other.group:
        what, remedy = _MEMBERS
    else:
        return ""
    return f"{what}: each decides for itself where branches stand, so nothing was taken or given; {remedy}"
