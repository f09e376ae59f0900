"""Joint changes: what one command changes on several branches of a group, published together or not at all.

    each check-in     T +xferzone-joint * TOKEN                       it is a part: nobody decides about it by itself
    one control       T +xferzone-joint CHECKIN "TOKEN MAC N BRANCH"  for each of them: all that there is
                      N = 0: the last one on its branch, where that goes; 1: the one before it, ...

    whole       all ends follow their refs here           they are wished for together
    apart       the control, or an end, is not here       the parts wait
    lost        an end was moved to a fork branch         so are all others: every member finds it alike

The MAC, by the group's secret, covers token, branches and check-ins. So a control that is brought by whoever has pulled
it counts, and one that somebody has made up does not.
"""

import hmac
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha3_256
from typing import Final, TypeAlias

from xferzone.artifacts import Control, Tag, parse
from xferzone.artifacts.dates import FIRST_DATE
from xferzone.hashing import ArtifactId, short
from xferzone.refs import BranchName
from xferzone.refs.consensus import MAX_MOVES
from xferzone.store import Reader, Writer, own_tags, places

TAG: Final = "xferzone-joint"
MAX_PARTS: Final = 4 * MAX_MOVES  # check-ins of one joint change; a verb makes two on a branch at most
_TOKEN: Final = "joint"  # the setting; only in the transaction of a verb, which is taken back
_Part: TypeAlias = tuple[BranchName, int, ArtifactId]  # the branch, N and the check-in
_FORM = re.compile(r"([0-9a-f]{32}) ([0-9a-f]{32}) ([0-9]{1,3}) (.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Joint:
    """One joint change.

    Fields:
        control: the artifact that lists it.
        ends: where its branches go.
        token: what its check-ins have.
    """

    control: ArtifactId
    ends: Mapping[BranchName, ArtifactId]
    token: str


# -- made


def begin(writer: Writer, which: str) -> None:
    """Let what is made in this transaction on several branches be a joint change. It must be taken back.

    `which`: what no other transaction of the group is known by.
    """
    writer.set_setting(_TOKEN, sha3_256(which.encode()).hexdigest()[:32])


def own_tag(reader: Reader) -> tuple[Tag, ...]:
    """What a check-in has that is made now and is a part; nothing where there are no joint changes."""
    common = reader.setting(_TOKEN)
    return () if common is None else (Tag("+", TAG, None, common),)


def control(reader: Reader, ends: Mapping[BranchName, ArtifactId], user: str) -> bytes | None:
    """The artifact that lists what was made in this transaction and ends there. None: none of it is joint."""
    common = reader.setting(_TOKEN)
    parts = [part for branch, end in ends.items() for part in _line(reader, common, branch, end)]
    if common is None or not parts:
        return None
    mac = _mac(reader, common, parts)
    tags = [Tag("+", TAG, checkin, f"{common} {mac} {n} {branch}") for branch, n, checkin in parts]
    date_ms = max(reader.checkin(checkin).date_ms for _, _, checkin in parts) + 1
    return Control(date_ms=max(date_ms, FIRST_DATE), tags=tuple(tags), user=user).encode()


def left_out(
    reader: Reader, ends: Mapping[BranchName, ArtifactId], made: Iterable[ArtifactId]
) -> list[ArtifactId]:
    """Those that were made as parts in this transaction, and lead to none of the ends."""
    common = reader.setting(_TOKEN)
    there = {checkin for branch, end in ends.items() for _, _, checkin in _line(reader, common, branch, end)}
    return [
        each for each in made if each not in there and common is not None and token(reader, each) == common
    ]


def _line(reader: Reader, common: str | None, branch: BranchName, end: ArtifactId) -> list[_Part]:
    """The parts on one branch, the last one first."""
    found: list[_Part] = []
    at: ArtifactId | None = end
    while at is not None and common is not None and token(reader, at) == common:
        found.append((branch, len(found), at))
        parents = reader.checkin(at).parents
        at = parents[0] if parents else None
    return found


# -- found


def token(reader: Reader, checkin: ArtifactId) -> str | None:
    """What all parts have of the joint change that the check-in is a part of. None: it is no part."""
    return own_tags.own(reader, checkin, TAG)


def parts(reader: Reader, rows: Collection[int]) -> set[int]:
    """Those of the check-ins in these rows that nobody decides about by themselves."""
    return own_tags.among(reader, rows, TAG)


def of(reader: Reader, checkin: ArtifactId) -> Joint | None:
    """What the check-in is a part of. None: it is no part, or what lists it is not here."""
    common = token(reader, checkin)
    for name in () if common is None else own_tags.controls(reader, checkin, TAG):
        ends = _listed(reader, name)
        if ends is not None and ends[0] == common:
            return Joint(name, ends[1], common)
    return None


def on_line(reader: Reader, tip: ArtifactId, base: ArtifactId | None) -> list[ArtifactId]:
    """Parts on the first-parent line of `tip` behind `base`, oldest first."""
    return own_tags.on_line(reader, tip, base, TAG)


def is_unlisted(reader: Reader, tip: ArtifactId) -> bool:
    """Whether the first-parent line of `tip` has a part, which no ref has passed, and whose list is not here."""
    return any(of(reader, part) is None for part in own_tags.not_passed(reader, tip, TAG))


def is_sound(reader: Reader, made: Control) -> bool:
    """Whether a member made this control: whoever has it may bring it."""
    return _read(reader, made.tags) is not None


def lost(reader: Reader, checkin: ArtifactId) -> str | None:
    """Why no member will publish a part any more. None: it is none, or may be published."""
    joint = of(reader, checkin)
    for branch, end in () if joint is None else joint.ends.items():
        placed = None if end == checkin else places.placed(reader, end)
        now_on = BranchName.parse(None if placed is None else placed.branch)
        if now_on is not None and now_on.fork_of == branch:
            return f"it was made together with {short(end)} of {branch}, which has lost a race"
    return None


def _listed(reader: Reader, name: ArtifactId) -> tuple[str, Mapping[BranchName, ArtifactId]] | None:
    made = parse(reader.content(name))
    return _read(reader, made.tags) if isinstance(made, Control) else None


def _read(reader: Reader, tags: Sequence[Tag]) -> tuple[str, Mapping[BranchName, ArtifactId]] | None:
    """The token and the ends. None: no member of this group made these."""
    if not 0 < len(tags) <= MAX_PARTS:
        return None
    listed, said = list[_Part](), set[tuple[str, str]]()
    for tag in tags:
        found = _FORM.fullmatch(tag.value or "")
        branch = None if found is None else BranchName.parse(found[4])
        if found is None or branch is None or tag.target is None or (tag.prefix, tag.name) != ("+", TAG):
            return None
        said.add((found[1], found[2]))
        listed.append((branch, int(found[3]), tag.target))
    common, mac = min(said)
    ends = {branch: checkin for branch, n, checkin in listed if n == 0}
    wanted = _mac(reader, common, listed) if len(said) == 1 and len(ends) <= MAX_MOVES else None
    return (common, ends) if wanted is not None and hmac.compare_digest(mac, wanted) else None


def _mac(reader: Reader, common: str, parts: Iterable[_Part]) -> str | None:
    """None: this repository has no group."""
    from xferzone.refs import membership  # it takes 8 ms to import, and most repositories have no group

    share = membership.wished(reader)
    if share is None or not share.secret:
        return None
    lines = sorted(f"{checkin} {n} {branch}\n" for branch, n, checkin in parts)
    text = "".join((f"{TAG} {common}\n", *lines)).encode("utf-8", "surrogateescape")
    return hmac.new(share.secret.encode(), text, sha3_256).hexdigest()[:32]
