"""Which control tags a pusher may set (law 4).

    on a check-in of a published chain    parent, date, branch, sym-BRANCH, closed, hidden    need the setup capability
    anywhere                              sym-BRANCH of a branch that has a ref               needs it too
    anywhere                              sym-NAME where NAME is a zone branch otherwise      refused by name
    anywhere                              sig-, approve-, policy- and what follows            reserved: need it too

They would hide or move what is served for people who work with stock Fossil; they never move a ref. The reserved ones
mean nothing yet, and must not be there when they do.
"""

from typing import Final

from xferzone.artifacts import CheckIn, Control, Tag
from xferzone.hashing import short
from xferzone.refs import BranchName, LocalRefs
from xferzone.store import Reader, ancestry

_GUARDED = frozenset({"parent", "date", "branch", "closed", "hidden"})
_SYM = "sym-"
#: How tags begin that later releases give a meaning: signatures, approvals and rules of a zone.
RESERVED_TAGS: Final = ("sig-", "approve-", "policy-")


def refusal(reader: Reader, refs: LocalRefs, parsed: object) -> str | None:
    """Why a pusher without the setup capability may not bring an artifact that says `parsed`; None: it may come."""
    if not isinstance(parsed, Control | CheckIn):
        return None
    for tag in parsed.tags:
        if tag.target is not None and (reason := _reason(reader, refs, tag)) is not None:
            return reason
    return None


def _reason(reader: Reader, refs: LocalRefs, tag: Tag) -> str | None:
    assert tag.target is not None
    # As the store keeps names: SQLite takes no octets that are not UTF-8.
    name = tag.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    symbol = name.removeprefix(_SYM) if name.startswith(_SYM) else None
    if name.startswith(RESERVED_TAGS) or (symbol or "").partition("/")[2].startswith(RESERVED_TAGS):
        return f"only an administrator may set the tag {name}, which begins with a reserved word"
    on_chain = tag.name in _GUARDED and ancestry.is_passed(reader, tag.target)
    if refs.get(BranchName.parse(symbol)) is not None:
        return f"only an administrator may move the branch name {symbol}"
    if on_chain:
        return (
            f"only an administrator may set the tag {tag.name} on the published check-in {short(tag.target)}"
        )
    return None
