"""Making a primary a clone of another repository of its project, which decides from then on (law 5).

For two primaries that must become one: a lost primary that comes back after a clone of it was promoted, or a backup
that was served beside it. What only this one has is not lost: the next sync sends it, and where the other one's line
leads elsewhere it is found on fork branches, as any work that lost a race.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from xferzone.errors import Refused
from xferzone.publish.publish import advance
from xferzone.refs import LocalRefs, Occasion
from xferzone.store import Writer, places, schema, unsent
from xferzone.store.database import new_epoch
from xferzone.store.remotes import ORIGIN, Remote, put_remote

_OTHERS = {
    schema.MIRROR: "a mirror, which follows its primaries already",
    schema.MEMBER: "a member of a group: `xferzone group leave` makes it a clone",
}


@dataclass(frozen=True, slots=True)
class Demoted:
    """How many artifacts are to be pushed, and what was told."""

    unsent: int
    notices: Sequence[str]


def demote(writer: Writer, refs: LocalRefs, url: str, occasion: Occasion) -> Demoted | None:
    """Make the repository a clone of `url`, without a password in it. None: it is a clone already, and stays so.

    Raises:
        Refused: it is a mirror or a member.
    """
    if writer.role == schema.CLONE:
        return None
    if writer.role != schema.PRIMARY:
        raise Refused(f"this is {_OTHERS[writer.role]}")
    writer.set_setting("role", schema.CLONE)
    # Its refs may go back from now on; and the other one may be a plain copy of this file.
    writer.set_setting("epoch", new_epoch())
    put_remote(writer, Remote(ORIGIN, url))
    # What the other one has of all this is not known. From where the refs stand it asks for what it lacks.
    pending = [each.id for each in places.unplaced(writer)]
    unsent.add(writer, [*(ref.checkin for ref in refs.list()), *pending])
    return Demoted(len(unsent.artifacts(writer)), tuple(advance(writer, refs, occasion)))
