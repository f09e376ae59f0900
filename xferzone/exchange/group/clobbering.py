"""A branch whose key names a check-in that no member has any more goes on from the newest version that one of them has.

    key    x0 <─ x1 <─ lost          every member that answers was asked for `lost`, and has not got it
    new    x0 <─ x1 <─ new           content and text of x1, a serial above every one heard of, and the tag
                                     xferzone-clobbers = lost, which tells everybody what is gone

    key    lost                      it began the branch, or no member has anything of what came before
    new    begun <─ new              `begun` has no parent, the tag, and a text with nothing but a serial above every
                                     one heard of; it is never served, for `new` has no files: the zone can be added
                                     again

What is lost is shown, and has to be agreed to. Just before the key moves, all who are members then are asked once more.
Whoever has the lost check-in after all, as a mirror may, stays where it is and says so, until its operator accepts the
clobber.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xferzone.artifacts import CheckIn, FileCard, Tag
from xferzone.env import Env
from xferzone.errors import Away, NotFound, Refused, XferzoneError
from xferzone.exchange.group.asking import Ask, heard_of
from xferzone.exchange.group.deciding import Group
from xferzone.exchange.group.lines import lacking
from xferzone.exchange.publishing import follow_keys
from xferzone.hashing import ArtifactId, short
from xferzone.publish.clobbers import TAG, clobbers, gives_up
from xferzone.publish.follow import follow
from xferzone.publish.new_life import cards_with_serial
from xferzone.publish.serials import serial_in
from xferzone.refs import BranchName, Door, LocalRefs, Move, Occasion, Ref, State
from xferzone.refs.consensus import Lost, Tip, Unknown, Wish
from xferzone.refs.roster import Member
from xferzone.repository.rebuild import resettle
from xferzone.store import Reader, Store, Writer, ancestry, places, schema, symbols
from xferzone.zone.cut import first_name
from xferzone.zone.serial import is_ahead

_MODULUS: Final = 2**32
_TEXT: Final = b"@ 300 SOA invalid. invalid. %d 7200 3600 1209600 300\n@ 300 NS invalid.\n"


@dataclass(frozen=True, slots=True)
class Loss:
    """What would be lost.

    Fields:
        lost: where the key stands.
        base: what the branch goes on from; None: nobody has a version of it, and it begins anew, without a zone.
        serial: the highest one heard of; None: there is none.
        unheard: members that could not be asked, and may have it.
    """

    branch: BranchName
    lost: Tip
    base: ArtifactId | None
    serial: int | None
    unheard: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Terms:
    """How a branch is clobbered.

    Fields:
        members: all others, by name.
        agrees: is shown the loss; False ends it.
    """

    members: Mapping[str, Member]
    ask: Ask
    agrees: Callable[[Loss], bool]
    login: str
    env: Env


def clobber(store: Store, group: Group, branch: BranchName, terms: Terms) -> Tip | None:
    """Let the branch go on without what its key names; where it stands then. None: that was not agreed to.

    Raises:
        NotFound: the branch has no key.
        Refused: nothing is lost.
        Away: etcd, or enough members, cannot be reached.
    """
    lost = group.refs.read([branch])[branch]
    if lost is None:
        raise NotFound(f"the group has no branch {branch}")
    _check_is_lost(store, group, branch, lost)
    loss = _loss(store, group, branch, lost, terms)
    if not terms.agrees(loss):
        return None
    _check_is_lost(store, group, branch, lost)
    new = _made(store, loss, group.name, terms)
    _check_copies(store, group, loss, new)
    _check_is_lost(store, group, branch, lost)  # whoever has it may answer by now
    came = group.refs.propose([Wish(branch, lost, new)])
    if isinstance(came, Lost):
        raise Refused(f"{branch} has moved meanwhile: see `xferzone group check`")
    if isinstance(came, Unknown):
        raise Away(
            f"whether {branch} goes on at {short(new.checkin)} is not known: {came.reason}: do it again"
        )
    agreed = follow_keys(store, group, {branch: new}, _occasion(terms), terms.env)
    if branch in agreed.left:
        raise XferzoneError(f"{branch} goes on, but not here: {agreed.left[branch]}")
    return new


def accept(store: Store, group: Group, branch: BranchName, login: str, env: Env) -> Tip:
    """Go here where the group went on without what this member has, which stays on a fork branch.

    Raises:
        Refused: the group has not given up what this member has.
        Away: what the key names cannot be fetched.
    """
    tip = group.refs.read([branch])[branch]
    if tip is None:
        raise NotFound(f"the group has no branch {branch}")
    group.fellows.fetch(store, [tip])
    with store.writer() as writer:
        if lacking(writer, [tip.checkin]):
            raise Away(f"no member that can be reached has {short(tip.checkin)}, where {branch} stands")
        refs = LocalRefs(writer)
        ref = refs.get(branch)
        if ref is None or ancestry.leads_to(writer, tip.checkin, ref.checkin):
            raise Refused(f"{branch} follows the group here: there is nothing to accept")
        if not clobbers(writer, tip.checkin, ref.checkin):
            raise Refused(
                f"{branch} stands elsewhere in the group, and nobody has given up {short(ref.checkin)} there, which is "
                "here: etcd was set back; see `xferzone group check`"
            )
        writer.set_setting("role", schema.MIRROR)  # which goes where it is told
        told = {str(branch): tip.checkin}
        followed = follow(writer, refs, told, Occasion(env.clock_ms(), login, Door.PULL), accept_clobber=True)
        writer.set_setting("role", schema.MEMBER)
        if kept := (*followed.incomplete, *followed.invalid):
            raise XferzoneError(f"{branch} cannot go there: {kept[0].reason}")
        places.reopen(writer, [str(branch)])
        resettle(writer, refs)
    return tip


def _occasion(terms: Terms) -> Occasion:
    return Occasion(terms.env.clock_ms(), terms.login, Door.CLI)


def _check_is_lost(store: Store, group: Group, branch: BranchName, lost: Tip) -> None:
    group.fellows.fetch(store, [lost])
    with store.reader() as reader:
        if not lacking(reader, [lost.checkin]):
            raise Refused(
                f"{branch} stands at {short(lost.checkin)}, which is here: nothing is lost, and the group program "
                "follows"
            )


def _loss(store: Store, group: Group, branch: BranchName, lost: Tip, terms: Terms) -> Loss:
    heard, unheard = heard_of(terms.members, terms.ask)
    tips = {name: each.tips[str(branch)] for name, each in heard.items() if str(branch) in each.tips}
    group.fellows.fetch(store, [Tip(tip, None, name) for name, tip in tips.items()])
    with store.reader() as reader:
        own = LocalRefs(reader).get(branch)
        found = [*tips.values()] if own is None else [own.checkin, *tips.values()]
        here = [each for each in found if not lacking(reader, [each])]
        base = _end(reader, here)
        return Loss(branch, lost, base, _highest(reader, branch.zone, [lost.serial], here), unheard)


def _end(reader: Reader, tips: Sequence[ArtifactId]) -> ArtifactId | None:
    """The furthest of the tips on the line of the first; None: there are none."""
    end = tips[0] if tips else None
    for tip in tips[1:]:
        if end is not None and ancestry.leads_to(reader, tip, end):
            end = tip
    return end


def _highest(
    reader: Reader, zone: str, known: Sequence[int | None], tips: Sequence[ArtifactId]
) -> int | None:
    highest: int | None = None
    for serial in (*known, *(serial_in(reader, zone, tip) for tip in tips)):
        if serial is not None and (highest is None or is_ahead(serial, highest)):
            highest = serial
    return highest


def _made(store: Store, loss: Loss, name: str, terms: Terms) -> Tip:
    """The check-in with which the branch goes on, stored: that of an attempt that came to nothing, else a new one."""
    with store.writer() as writer:
        if loss.base is None:
            checkin = _without_files(
                writer, loss, _left_beginning(writer, loss) or _begun(writer, loss, terms)
            )
        else:
            checkin = _left_of_an_attempt(writer, loss, loss.base) or _gone_on(writer, loss, loss.base, terms)
        return Tip(checkin, serial_in(writer, loss.branch.zone, checkin), name)


def _gone_on(writer: Writer, loss: Loss, base: ArtifactId, terms: Terms) -> ArtifactId:
    before = writer.checkin(base)
    cards = tuple(card._replace(old_name=None) for card in writer.file_cards(base))
    if cards and loss.serial is not None:
        made = cards_with_serial(writer, loss.branch.zone, base, _after(loss.serial))
        if made is None:
            raise Refused(f"the SOA of {loss.branch} cannot be rewritten: its serial would go back")
        cards = made
    return writer.put(
        CheckIn(
            comment=f"go on from {short(base)}, since {short(loss.lost.checkin)} is lost",
            date_ms=max(terms.env.clock_ms(), before.date_ms + 1),
            user=terms.login,
            files=cards,
            parents=(base,),
            tags=(Tag("+", TAG, None, loss.lost.checkin),),
        ).encode()
    )


def _begun(writer: Writer, loss: Loss, terms: Terms) -> ArtifactId:
    """The beginning of the branch: its text keeps the serial from going back, and has no records to serve."""
    branch, files = str(loss.branch), tuple[FileCard, ...]()
    if loss.serial is not None:
        text = writer.put(_TEXT % _after(loss.serial))
        files = (FileCard(first_name(loss.branch.zone), text),)
    return writer.put(
        CheckIn(
            comment=f"begin {branch} anew, since {short(loss.lost.checkin)} is lost",
            date_ms=terms.env.clock_ms(),
            user=terms.login,
            files=files,
            parents=(),
            tags=(
                Tag("*", "branch", None, branch),
                Tag("*", f"sym-{branch}", None, None),
                Tag("+", TAG, None, loss.lost.checkin),
            ),
        ).encode()
    )


def _without_files(writer: Writer, loss: Loss, begun: ArtifactId) -> ArtifactId:
    """The check-in after the beginning that takes its text away; the beginning itself, if that has none."""
    before = writer.checkin(begun)
    if not before.files:
        return begun
    made = CheckIn(
        comment=f"{loss.branch} has no zone yet",
        date_ms=before.date_ms + 1,
        user=before.user,
        files=(),
        parents=(begun,),
    )
    return writer.put(made.encode())  # the same whenever it is made


def _left_of_an_attempt(reader: Reader, loss: Loss, base: ArtifactId) -> ArtifactId | None:
    return next((each for each in ancestry.children(reader, base) if _is_of(reader, loss, each)), None)


def _left_beginning(reader: Reader, loss: Loss) -> ArtifactId | None:
    tagged = symbols.tagged(reader, TAG)
    return next(
        (each for each in tagged if not reader.checkin(each).parents and _is_of(reader, loss, each)), None
    )


def _is_of(reader: Reader, loss: Loss, checkin: ArtifactId) -> bool:
    """Whether an attempt to go on without what is lost has made it, with a serial that is high enough still."""
    serial = serial_in(reader, loss.branch.zone, checkin)
    is_after = loss.serial is None or (serial is not None and is_ahead(serial, loss.serial))
    return is_after and gives_up(reader, checkin) == loss.lost.checkin


def _after(serial: int) -> int:
    return (serial + 1) % _MODULUS or 1


def _check_copies(store: Store, group: Group, loss: Loss, new: Tip) -> None:
    copies = group.refs.rules().copies
    if copies == 1:
        return
    move = Move(loss.base, Ref(loss.branch, new.checkin, new.serial, State.SERVED), Occasion(0, "", Door.CLI))
    copied = group.fellows.copy(store, [move], (), copies)
    if copied.members < copies:
        raise Away(
            f"too few members hold {short(new.checkin)}: {copied.members} of the {copies} that have to: "
            f"{copied.reason}: do it again once others answer; if they never will, "
            f"`xferzone group join --copies {copied.members}` comes first, here"
        )
