"""Making a clone or a mirror a primary, which moves its own refs from then on (law 5).

What its remote had not published, and what was made here beside the remote's line, is settled as if it had just been
pushed: published, moved to a fork branch, or merged (law 4). Forks that the remote made stay forks. Later syncs use the
remote that it was cloned from only when it is named.
"""

from dataclasses import dataclass, replace

from xferzone.errors import Refused
from xferzone.publish.follow import Followed, follow
from xferzone.publish.new_life import Stepped, step_serials
from xferzone.refs import BranchName, LocalRefs, Occasion
from xferzone.repository.rebuild import resettle
from xferzone.store import Writer, places, schema, symbols, unsent
from xferzone.store.database import new_epoch
from xferzone.store.remotes import origin, put_remote, remove_remote

OLD_ORIGIN = "old-origin"  # the new name of the remote; a remote that has this name is forgotten


@dataclass(frozen=True, slots=True)
class Promoted:
    """The role that the repository had, what publishing then did, and the new life of serials; None: not begun."""

    was: str
    followed: Followed
    stepped: Stepped | None


def promote(writer: Writer, refs: LocalRefs, occasion: Occasion, *, steps: bool = True) -> Promoted | None:
    """Make the repository a primary. None: it is one already, and nothing was done.

    `steps`: begin a new life of serials, since the lost primary may have served later ones.

    Raises:
        Refused: it is a member of a group, whose refs the others would go on moving.
    """
    was = writer.role
    if was == schema.PRIMARY:
        return None
    if was == schema.MEMBER:
        raise Refused(
            "this is a member of a group, which takes changes already: `xferzone group leave` makes the last member a "
            "primary"
        )
    writer.set_setting("role", schema.PRIMARY)
    # Another copy of the file may stay a clone, and follow this one.
    writer.set_setting("epoch", new_epoch())
    unsent.forget(writer, unsent.artifacts(writer))
    if (known := origin(writer)) is not None:
        remove_remote(writer, known)
        put_remote(writer, replace(known, name=OLD_ORIGIN))
    named = map(BranchName.parse, symbols.branches(writer))
    places.reopen(writer, [str(branch) for branch in named if branch is not None and not branch.is_fork])
    resettle(writer, refs)
    followed = follow(writer, refs, {}, occasion)
    return Promoted(was, followed, step_serials(writer, refs, occasion) if steps else None)
