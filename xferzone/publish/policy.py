"""Which tags a pusher may set without the setup capability (law 4).

    on a check-in of a published chain    parent, date, branch, sym-BRANCH, closed, hidden, user    none
                                          comment                                  what this login has pushed itself
    on one that waits, of another login   user, comment                            none
    on another artifact                   sym-BRANCH of a branch that has a ref    none
    on any, in a member of a group        all of the first two rows, but for closed on a fork branch        none
    anywhere                              sym- and another spelling of such a one (publish/spelling.py)    none
                                          sig-, approve-, policy-, xferzone- and what follows    reserved: none
    parts of a joint change, and its list, in a member of the group    any: a member made them (publish/joint.py)

They would hide or move what is served for people who work with stock Fossil, or put words in somebody's mouth; they
never move a ref. The reserved ones mean nothing yet, and must not be there when they do.

Of a check-in's own tags those count that name a branch, unless it is the branch that it says it is on: such a check-in
may have lost a race or be misspelled, but it is work, which is not refused (publish/settle.py, publish/misspelled.py).
"""

from typing import Final

from xferzone.artifacts import CheckIn, Control, Tag
from xferzone.hashing import ArtifactId, short
from xferzone.publish import joint
from xferzone.publish.spelling import Spellings
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Reader, ancestry, brought, places, schema

_GUARDED = frozenset({"parent", "date", "branch", "closed", "hidden"})
_WORDS = frozenset({"user", "comment"})
_SYM = "sym-"
#: How tags begin that we give a meaning, or will: signatures, approvals and rules of a zone, clobbered check-ins.
RESERVED_TAGS: Final = ("sig-", "approve-", "policy-", "xferzone-")
OWN_TAGS: Final = "xferzone-"  # those that a check-in of ours has itself; nobody else's may


class Policy:
    """What one pusher without the setup capability may not bring, in one request."""

    def __init__(self, reader: Reader, refs: LocalRefs, login: str = "") -> None:
        """`login` is the pusher's; empty: not known, so nothing is its own."""
        self._reader, self._refs, self._login = reader, refs, login
        self._spellings = Spellings(refs)
        self._passed = ancestry.Passed(reader)
        self._is_member = reader.role == schema.MEMBER

    def refusal(self, parsed: object) -> str | None:
        """Why an artifact that says `parsed` may not come; None: it may."""
        if not isinstance(parsed, Control | CheckIn) or self._is_joint(parsed):
            return None
        for tag in parsed.tags:
            reason = self._own(tag, parsed) if tag.target is None else self._reason(tag, tag.target)
            if reason is not None:
                return reason
        return None

    def _is_joint(self, parsed: Control | CheckIn) -> bool:
        """Whether it lists a joint change of this member's group."""
        return self._is_member and isinstance(parsed, Control) and joint.is_sound(self._reader, parsed)

    def _own(self, tag: Tag, parsed: Control | CheckIn) -> str | None:
        """Why a check-in may not have this tag itself."""
        if self._is_member and tag.name == joint.TAG:
            return None  # by itself it is never published
        if _text(tag.name).startswith(OWN_TAGS):
            return f"only an administrator may bring a check-in with the tag {_text(tag.name)}"
        symbol = _symbol(tag)
        if symbol is None or tag.prefix == "-" or symbol == self._branch_of(parsed):
            return None
        return self._names_a_branch(tag, symbol)

    def _branch_of(self, parsed: Control | CheckIn) -> str | None:
        """The branch of a check-in as it says itself, else its first parent's. None: that is not here."""
        for tag in parsed.tags:
            if tag.target is None and tag.name == "branch" and tag.value is not None:
                return _text(tag.value)
        parents = parsed.parents if isinstance(parsed, CheckIn) else ()
        before = places.placed(self._reader, parents[0]) if parents else None
        return None if before is None else before.branch

    def _reason(self, tag: Tag, target: ArtifactId) -> str | None:
        name, symbol = _text(tag.name), _symbol(tag)
        if name.startswith(RESERVED_TAGS) or (symbol or "").partition("/")[2].startswith(RESERVED_TAGS):
            return f"only an administrator may set the tag {name}, which begins with a reserved word"
        if symbol is not None:
            return self._names_a_branch(tag, symbol)
        if self._is_member and tag.name in _GUARDED | _WORDS:  # what is published may not have come here yet
            if tag.name == "closed" and self._is_on_a_fork(target):
                return None  # what is so is published nowhere: whoever has made his work again closes it
            return f"only an administrator may set the tag {name} in a member of a group"
        if tag.name in _GUARDED and self._passed.has(target):
            return f"only an administrator may set the tag {name} on the published check-in {short(target)}"
        if tag.name in _WORDS and not self._may_say(tag.name, target):
            its = "text" if tag.name == "comment" else "author"
            return (
                f"only an administrator may change the {its} of check-in {short(target)}, which is not yours"
            )
        return None

    def _is_on_a_fork(self, target: ArtifactId) -> bool:
        placed = places.placed(self._reader, target)
        branch = None if placed is None else BranchName.parse(placed.branch)
        return branch is not None and branch.is_fork

    def _names_a_branch(self, tag: Tag, symbol: str) -> str | None:
        if self._refs.get(BranchName.parse(symbol)) is not None:
            return f"only an administrator may move the branch name {symbol}"
        if tag.prefix != "-" and (branch := self._spellings.shadowed(symbol)) is not None:
            return f"the tag {symbol} would be taken for the branch {branch}: choose another name"
        return None

    def _may_say(self, name: str, target: ArtifactId) -> bool:
        """Whether this pusher may change what the check-in says of its author, or its text."""
        bringer = brought.by(self._reader, target)
        if bringer is not None and bringer.login == self._login:
            return name == "comment" or not self._passed.has(target)
        placed = places.placed(self._reader, target)
        is_free = placed is None or placed.place == schema.ELSEWHERE or bringer is None
        return is_free and not self._passed.has(target)


def _text(name: str) -> str:
    """As the store keeps names: SQLite takes no octets that are not UTF-8."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _symbol(tag: Tag) -> str | None:
    name = _text(tag.name)
    return name.removeprefix(_SYM) if name.startswith(_SYM) else None
