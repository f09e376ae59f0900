"""No longer being a member of a group.

    others stay        one of them holds all that refs here stand on; then
                       one transaction: another member's key is there as it was read ─> ours goes;
                       then a clone here, which follows that one
    nobody is left     all that the keys name is here; then
                       one transaction: nobody has joined since ─> the group has ended;
                       then a primary here
    another is gone    removed by any member, if its group program does not run: its name is free again

Nobody leaves where too few would stay to hold each change: how many have to is a promise, and people take it back
first. Whoever is lost holds nothing any more, so it can be removed.
The keys come first. Interrupted between the two, the same again finds what the keys say, and goes on; meanwhile it may
have won what no other member has, so the last one does not end the group without that. What wins between the copy and
the end is unsent in the clone, as is what is pending.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from xferzone.errors import Away, NotFound, OnHold, Refused
from xferzone.exchange.group.joining import TRIES, Reach
from xferzone.exchange.group.laying import Overtaken, again
from xferzone.exchange.group.lines import lacking
from xferzone.hashing import ArtifactId, short
from xferzone.publish.publish import advance, publish
from xferzone.refs import DEFAULT_BRANCH, BranchName, LocalRefs, Move, Occasion, membership
from xferzone.refs.consensus import MAX_MOVES
from xferzone.refs.keys import Keys
from xferzone.refs.membership import Membership
from xferzone.refs.roster import Member, Names, Roster, ended, was_removed
from xferzone.store import Store, Writer, ancestry, places, schema, unsent
from xferzone.store.remotes import ORIGIN, Remote, put_remote


@dataclass(frozen=True, slots=True)
class Left:
    """What the repository is now: a clone of `origin`, or a primary if that is empty.

    Fields:
        pending: check-ins that the group had not decided about, or decided about while this member left; a clone
            pushes them.
        notices: what publishing them in a primary has told.
    """

    origin: str
    pending: int
    notices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Removed:
    """A member that was taken out. `shortage`: as Roster has it, of those who stay."""

    member: Member
    shortage: str


def leave(store: Store, keys: Keys, reach: Reach, occasion: Occasion) -> Left | None:
    """Leave the group. None: the repository is not a member.

    Raises:
        Refused: too few members that are alive would stay; or nobody would, and what the keys name is not here.
        OnHold: etcd does not have the group that it joined.
        Away: etcd cannot be reached, or no other member that would hold what is here.
    """
    with store.reader() as reader:
        share = membership.membership(reader)
        if share is None:
            return None
        space = share.space(reader.project_code)
    for _ in range(TRIES):
        roster = Roster.read(keys, space)
        stay = _who_stay(roster, share)
        try:
            stood = _held_elsewhere(store, roster, share, reach, occasion)
            origin = _left(keys, roster, share, stay, _whole(store, roster, share))
        except Overtaken:
            continue
        with store.writer() as writer:
            left = _end(writer, origin, stood, occasion)
        # The group program may have registered it again meanwhile, which had not seen yet that it is no member.
        _unregister(keys, Roster.read(keys, space), share)
        return left
    raise again(TRIES)


def remove(
    keys: Keys, space: str, name: str, known: Mapping[str, Member] = MappingProxyType({})
) -> Removed | None:
    """Take another member out of the group, whose repository is lost. None: there is no such member.

    `known`: members that the keys had; of these, too, nobody waits any more if the keys were set back.

    Raises:
        Refused: its group program runs.
        Away: etcd cannot be reached.
    """
    for _ in range(TRIES):
        roster = Roster.read(keys, space)
        member = roster.members.get(name) or known.get(name)
        if member is None or (name not in roster.members and roster.removed.get(name) == member.life):
            return None
        if roster.is_alive(name):
            raise Refused(f"{name} at {member.url} is alive: `xferzone group leave` there takes it out")
        names = roster.names
        key, alive = names.member(name), names.alive(name)
        compared = (names.group, key, alive)
        puts = {key: None, names.removed(name): was_removed(member.life)}
        if keys.transact({each: roster.values.get(each) for each in compared}, puts).succeeded:
            return Removed(member, roster.shortage(name))
    raise again(TRIES)


def not_there(name: str) -> NotFound:
    """The error for a member that is not in the group."""
    return NotFound(f"the group has no member {name}: `xferzone group status` lists them")


def _who_stay(roster: Roster, share: Membership) -> Sequence[str]:
    """As many members that are alive as have to hold each change; none, if nobody stays, or it has left already.

    Raises Refused: they are too few.
    """
    fellows, own, name = roster.fellows(share.name), roster.members.get(share.name), share.name
    if not fellows or own is None or own.life != share.life:
        return ()
    copies = 1 if roster.rules is None else roster.rules.copies
    stay = [each for each in fellows if roster.is_alive(each)]
    if copies > 1 and len(stay) < copies:
        left = f"only {', '.join(stay)}" if stay else "nobody"
        raise Refused(
            f"{copies} members that are alive must hold each change, and without {name} {left} would be left: let "
            f"another one join, or ask for fewer with `xferzone group join --copies {max(1, len(stay))}`; then leave"
        )
    return stay[:copies]


# many: what is to be held, and by whom
def _held_elsewhere(
    store: Store, roster: Roster, share: Membership, reach: Reach, occasion: Occasion
) -> Mapping[BranchName, ArtifactId]:
    """Where the refs here stand, all of which another member holds now, if there is one.

    Raises:
        OnHold: it is not the group that the member has joined.
        Away: no other member comes to hold it.
    """
    with store.reader() as reader:
        refs = LocalRefs(reader).list()
    stood = {ref.branch: ref.checkin for ref in refs}
    if roster.last is not None:
        return stood
    is_begun_here = roster.beginning != "" and roster.beginning_life == share.group
    if not is_begun_here and (roster.rules is None or roster.rules.life != share.group):
        raise OnHold(
            f"{roster.names.group}: etcd does not have the group that this member joined: `xferzone group check` says "
            "what to do"
        )
    fellows = roster.fellows(share.name)
    if fellows and refs:
        moves = [Move(ref.checkin, ref, occasion) for ref in refs]
        copied = reach(share, fellows).copy(store, moves, (), 2)
        if copied.members < 2:
            raise Away(
                f"no other member holds all that was published here: {copied.reason}: start one, then leave again"
            )
    return stood


def _whole(store: Store, roster: Roster, share: Membership) -> Mapping[str, bytes]:
    """The keys of branches, if the member is the last one, as many as are compared; all that they name is here.

    Raises Refused: it is not.
    """
    if roster.rules is None or roster.fellows(share.name):
        return {}
    tips = roster.tips()
    with store.reader() as reader:
        absent = lacking(reader, {tip.checkin for tip in tips.values()})
    for branch, tip in tips.items():
        if tip.checkin in absent:
            raise Refused(
                f"nobody else is in the group, and {branch} stands at {short(tip.checkin)}, which is not here: if "
                f"{tip.member} still has it, `xferzone group leave` there again gives it to this member; if it is lost "
                f"for ever, `xferzone group clobber {branch}` here comes first"
            )
    return {key: roster.values[key] for key in map(roster.names.ref, map(str, [*tips][:MAX_MOVES]))}


# many: what the keys are, who leaves, and what has to be as it was
def _left(
    keys: Keys, roster: Roster, share: Membership, stay: Sequence[str], whole: Mapping[str, bytes]
) -> str:
    """Where to be a clone of, once the keys say that the member has left; empty: it was the last one.

    Args:
        stay: members that have to be there still.
        whole: keys of branches that have not moved since, if nobody else is there.

    Raises:
        Overtaken: others have changed the group.
    """
    names, own = roster.names, Member(share.life, share.url)
    if roster.last is not None:  # interrupted, or somebody else was the last one
        return "" if roster.last.life == share.life else roster.last.url
    expected: dict[str, bytes | None] = {names.group: roster.group}
    fellows = roster.fellows(share.name)
    puts: dict[str, bytes | None] = {}
    origin = ""
    if fellows:
        name = next(iter(fellows))
        origin = fellows[name].url
        expected |= {key: roster.values[key] for key in map(names.member, {name, *stay})}
    else:
        expected |= {names.joins: roster.joins, **whole}
        puts[names.group] = ended(own)
    registered = roster.members.get(share.name)
    if registered is not None and registered.life == share.life:
        puts |= _gone(names, share)
    if puts and not keys.transact(expected, puts).succeeded:
        raise Overtaken
    return origin


def _gone(names: Names, share: Membership) -> dict[str, bytes | None]:
    """What is put when that member leaves."""
    name = share.name
    return {names.member(name): None, names.alive(name): None, names.removed(name): was_removed(share.life)}


def _unregister(keys: Keys, roster: Roster, share: Membership) -> None:
    names = roster.names
    registered = roster.members.get(share.name)
    if registered is not None and registered.life == share.life:
        key = names.member(share.name)
        if not keys.transact({key: roster.values[key]}, _gone(names, share)).succeeded:
            raise Away(f"{share.name} is registered still: `xferzone group remove {share.name}` at a member")


def _end(writer: Writer, origin: str, stood: Mapping[BranchName, ArtifactId], occasion: Occasion) -> Left:
    """Be a clone of `origin` here, or a primary if it is empty.

    `stood`: where refs stood when another member held all of it.
    """
    refs, pending = LocalRefs(writer), [each.id for each in places.unplaced(writer)]
    membership.end(writer, schema.CLONE if origin else schema.PRIMARY)
    if not origin:
        return Left("", len(pending), tuple(publish(writer, refs, occasion)))
    put_remote(writer, Remote(ORIGIN, origin))
    own = dict.fromkeys([*_won_since(writer, stood), *pending])
    for each in own:
        named = [card.id for card in writer.file_cards(each) if card.id is not None]
        unsent.add(writer, [*named, each])
    return Left(origin, len(own), tuple(advance(writer, refs, occasion)))


def _won_since(writer: Writer, stood: Mapping[BranchName, ArtifactId]) -> Iterable[ArtifactId]:
    """The check-ins that refs have passed since they stood there."""
    for ref in LocalRefs(writer).list():
        before = stood.get(ref.branch) or stood.get(BranchName(ref.branch.zone, DEFAULT_BRANCH))
        if ref.checkin != before:
            yield from ancestry.beyond(writer, ref.checkin, before)
