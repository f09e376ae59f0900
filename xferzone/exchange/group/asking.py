"""What an operator's verb asks each fellow: who it is, where its refs stand, what its clock says.

fellow(name, url)  ─>  Heard        it answers, and signs as a member of this group
                   ─>  Unheard      why it does not, as a line
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from xferzone.errors import Denied, PeerError
from xferzone.hashing import ArtifactId
from xferzone.refs.roster import Member


@dataclass(frozen=True, slots=True)
class Heard:
    """A fellow's answer.

    Fields:
        name, life: who it says it is; empty: it did not say, and `doubt` has its reason.
        project: of its repository.
        tips: where its refs stand, by the name of the branch.
        ahead_s: seconds that its clock is ahead of ours.
        members: of whom it knows, itself perhaps among them, by name.
    """

    name: str
    life: str
    project: str
    tips: Mapping[str, ArtifactId]
    ahead_s: float
    doubt: str = ""
    members: Mapping[str, Member] = field(default_factory=dict)


#: Asks a fellow by its name and URL. Raises PeerError, Denied: it does not answer, or not as a member.
Ask = Callable[[str, str], Heard]


def heard_of(fellows: Mapping[str, Member], ask: Ask) -> tuple[Mapping[str, Heard], Mapping[str, str]]:
    """What each says, and why others say nothing, by name."""
    heard, unheard = {}, {}
    for name, member in sorted(fellows.items()):
        try:
            heard[name] = ask(name, member.url)
        except (PeerError, Denied) as exc:
            unheard[name] = str(exc)
    return heard, unheard
