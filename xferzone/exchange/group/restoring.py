"""Another life of a group whose keys are gone, or are older than what its members have.

    every member known here, or to one that was asked, is asked where its refs stand ─> what they name is fetched
    ─> all refs of a branch on one line: its end is the key's      two lines: both are named, nothing is written
    ─> a new life, here and in the keys; refs, accounts; open      the others see another life, and join again

Accounts are those that are known here, or by the keys, if these know of later changes; what the others know beside
them they write as they join (accounts.py).

Members that cannot be reached may have what nobody else has: each has to be excused by name. If the keys change after
members were asked, by another restore or because members bring them forward, the restore is refused: what was heard is
out of date.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from xferzone.env import Env
from xferzone.errors import Away, Refused, UsageError
from xferzone.exchange.group import accounts
from xferzone.exchange.group.asking import Ask, Heard, heard_of
from xferzone.exchange.group.fellows import Fellows
from xferzone.exchange.group.laying import Laying, Overtaken
from xferzone.exchange.group.lines import MAX_NAMED, lacking
from xferzone.exchange.group.overview import overview
from xferzone.hashing import ArtifactId, short
from xferzone.publish.serials import serial_in
from xferzone.refs import BranchName, LocalRefs, membership, serving
from xferzone.refs.consensus import MAX_COPIES, Tip
from xferzone.refs.keys import Keys
from xferzone.refs.membership import Membership
from xferzone.refs.roster import Member, Roster, known_fellows, note_fellows
from xferzone.store import Reader, Store, ancestry
from xferzone.wording import listed

MAX_HOPS: Final = 16  # of asking members of whom the ones before have told; each brings new ones


@dataclass(frozen=True, slots=True)
class Terms:
    """How a group is restored.

    Fields:
        ask, fellows: how members are asked, and fetched from.
        excused: members that need not answer, since they are lost.
        copies: as of `group join`; None: as the keys say, else 1.
    """

    ask: Ask
    fellows: Fellows
    env: Env
    excused: Collection[str] = ()
    copies: int | None = None


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done: the group as it is now, and which members have to join again."""

    share: Membership
    roster: Roster
    others: Sequence[str]


def restore(store: Store, keys: Keys, terms: Terms) -> Restored:
    """Begin another life of the group that the repository, a member, belongs to.

    Raises:
        Refused: nothing is wrong with the keys, a member cannot be reached, refs lie on two lines, or the keys changed
            meanwhile. Nothing was written.
        OnHold: a key has a value that no member wrote.
        Away: etcd cannot be reached.
    """
    found = overview(store, keys)
    assert found is not None
    if found.why and not found.is_held:
        raise Away(found.why)
    if not found.why and not found.off:
        raise Refused(
            f"{keys.name} has the keys as this member knows them: there is nothing to restore. If a check-in is lost, "
            "`xferzone group clobber BRANCH`"
        )
    if terms.copies is not None and not 1 <= terms.copies <= MAX_COPIES:
        raise UsageError(f"{terms.copies} copies: give a number from 1 to {MAX_COPIES}")
    before = found.roster or Roster.read(keys, _space(store, found.share))
    fellows = _fellows(store, found.share, before)
    tips = _ends(store, _heard(store, found.share.name, fellows, terms), terms)
    share = msgspec.structs.replace(found.share, group=terms.env.token(16).hex())
    try:
        return _written(store, Laying(keys, before, share), tips, terms)
    except Overtaken as exc:
        raise Refused(
            f"{before.names.group}, or a ref beside it, has changed since members were asked: somebody else restores "
            "the group, or members have brought it forward: see `xferzone group check` before you do it again"
        ) from exc


def _space(store: Store, share: Membership) -> str:
    with store.reader() as reader:
        return share.space(reader.project_code)


def _fellows(store: Store, share: Membership, roster: Roster) -> Mapping[str, Member]:
    """All others of which the keys or this repository know."""
    with store.reader() as reader:
        known = known_fellows(reader)
    return {name: each for name, each in {**known, **roster.members}.items() if name != share.name}


def _heard(
    store: Store, own: str, fellows: Mapping[str, Member], terms: Terms
) -> Mapping[str, Mapping[str, ArtifactId]]:
    """Where the refs of each member stand, also of those of whom only a fellow knows, which are kept."""
    heard: dict[str, Heard] = {}
    unheard: dict[str, str] = {}
    known = dict(fellows)
    for _ in range(MAX_HOPS):
        done = {*heard, *unheard, *terms.excused}
        came, silent = heard_of({name: each for name, each in known.items() if name not in done}, terms.ask)
        if not came and not silent:
            break
        heard |= came
        unheard |= silent
        for each in came.values():
            known = {name: one for name, one in each.members.items() if name != own} | known
    if strangers := set(terms.excused) - known.keys():
        raise UsageError(f"--without {min(strangers)}: the group has no such member")
    if unheard:
        told = "\n".join(f"{name} at {known[name].url}: {why}" for name, why in unheard.items())
        raise Refused(
            f"{told}\na member that does not answer may have what no other has: start it, or excuse it with --without "
            f"{next(iter(unheard))} if it is lost for ever"
        )
    with store.writer() as writer:
        note_fellows(writer, known_fellows(writer) | known)
    return {name: each.tips for name, each in heard.items()}


def _ends(
    store: Store, heard: Mapping[str, Mapping[str, ArtifactId]], terms: Terms
) -> Mapping[BranchName, Tip]:
    """Where each branch ends, of the refs of all members. Raises Refused: a branch has several ends."""
    stands: dict[BranchName, dict[ArtifactId, str]] = {}
    with store.reader() as reader:
        for ref in LocalRefs(reader).list():
            stands.setdefault(ref.branch, {})[ref.checkin] = ""
    for name, tips in heard.items():
        for text, tip in tips.items():
            branch = BranchName.parse(text)
            if branch is not None and not branch.is_fork:
                stands.setdefault(branch, {}).setdefault(tip, name)
    with store.reader() as reader:
        absent = lacking(reader, {tip for each in stands.values() for tip in each})
    wanted = [Tip(tip, None, name) for ends in stands.values() for tip, name in ends.items() if tip in absent]
    terms.fellows.fetch(store, wanted)
    with store.reader() as reader:
        if left := lacking(reader, absent):
            raise Refused(f"no member gives check-in {short(min(left))}, where a ref of one of them stands")
        return _one_line_each(reader, stands)


def _one_line_each(
    reader: Reader, stands: Mapping[BranchName, Mapping[ArtifactId, str]]
) -> dict[BranchName, Tip]:
    ends: dict[BranchName, Tip] = {}
    beside = []
    for branch, tips in sorted(stands.items(), key=str):
        last = [each for each in tips if all(ancestry.leads_to(reader, each, other) for other in tips)]
        if not last:
            beside.append(f"{branch}: {_told(reader, branch, tips)}")
        else:
            ends[branch] = Tip(last[0], serial_in(reader, branch.zone, last[0]), tips[last[0]])
    if beside:
        raise Refused(
            f"{listed(beside, MAX_NAMED)}\nnothing was written: members have diverged. Keep one line: let the others "
            "leave, push what is theirs alone to a member that stays, and join with new files"
        )
    return ends


def _told(reader: Reader, branch: BranchName, tips: Mapping[ArtifactId, str]) -> str:
    found = [
        f"{name or 'this member'} has {short(tip)} (serial {serial_in(reader, branch.zone, tip)})"
        for tip, name in tips.items()
    ]
    return ", ".join(found)


def _written(store: Store, laying: Laying, tips: Mapping[BranchName, Tip], terms: Terms) -> Restored:
    """The group once its keys are written. `laying`: with the keys as they were before members were asked.

    Raises:
        Overtaken: others have changed the keys since.
    """
    keys, before, share = laying.keys, laying.roster, laying.share
    now = Roster.read(keys, before.space)
    if now.group != before.group or _refs(now) != _refs(before):
        raise Overtaken
    with store.writer() as writer:
        membership.put(writer, share)
        membership.begin_seen(writer, before.stand)
    laying.claim()
    now = Roster.read(keys, before.space)  # from here on nobody proposes
    if _refs(now) != _refs(before):
        raise Overtaken
    names = now.names
    with store.reader() as reader:
        shared = accounts.later(accounts.shared(reader), now.accounts)
        known = serving.value(reader)
    values = {names.account(login): each.encode() for login, each in shared.items()}
    values |= {
        names.ref(branch): Tip(tip.checkin, tip.serial, tip.member or share.name).encode()
        for branch, tip in tips.items()
    }
    if (rules := now.serving or known) is not None:
        values[names.serving] = rules
    laying = replace(laying, roster=now)
    laying.lay(values)
    copies = terms.copies or (1 if before.rules is None else before.rules.copies)
    others = _fellows(store, share, before).keys() - set(terms.excused)
    return Restored(share, laying.open(copies), sorted(others))


def _refs(roster: Roster) -> Mapping[str, bytes]:
    return {key: value for key, value in roster.values.items() if key.startswith(roster.names.refs)}
