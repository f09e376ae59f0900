"""What is wrong with a group, as one of its members sees it: each misconfiguration by name, with what mends it.

the keys       etcd away, of another project or cluster, set back, emptied, another life, written by a stranger
this member    not registered, or its name is another one's; its group program does not run
the fellows    not reached, somebody else at their URL, in another life of the group, a clock that is off
the serving    zones served otherwise than in the group; its rules gone from etcd
the refs       off the line of their keys; a key that names what no member has; a fellow ahead of the keys
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from xferzone.exchange.group.asking import Heard
from xferzone.exchange.group.lines import MAX_NAMED, lacking
from xferzone.exchange.group.overview import Overview
from xferzone.hashing import ArtifactId, short
from xferzone.refs import serving
from xferzone.refs.keys import Keys
from xferzone.refs.membership import Membership
from xferzone.refs.roster import Roster, projects
from xferzone.store import Reader, ancestry
from xferzone.wording import listed

MAX_OFF_S: Final = 5.0  # seconds between two clocks; check-ins dated over 60 s ahead are not accepted


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong, and what mends it."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found out.

    Fields:
        heard, unheard: what fellows said, and why others said nothing, by name.
        differing: how zones are served here otherwise than in the group, a line each.
    """

    found: Overview
    project: str
    heard: Mapping[str, Heard]
    unheard: Mapping[str, str]
    differing: Sequence[str] = ()


def problems(reader: Reader, keys: Keys, checked: Checked) -> Iterator[Problem]:
    """All of them; none: nothing is wrong. Raises Away: etcd went away meanwhile."""
    found, share, roster = checked.found, checked.found.share, checked.found.roster
    if roster is None:
        if found.is_held:
            yield Problem(found.why, "find out who wrote it; `etcdctl del KEY` removes it")
        else:
            yield Problem(found.why, found.remedy or "start etcd")
    else:
        if found.why:
            yield Problem(found.why, _of_the_keys(keys, roster, share, checked.project))
        yield from _members(roster, share)
        yield from _fellows(checked, roster)
    yield from _serving(reader, checked)
    yield from _refs(found, checked)
    if roster is not None:
        yield from _ahead(reader, roster, checked.heard)


def _of_the_keys(keys: Keys, roster: Roster, share: Membership, project: str) -> str:
    """What mends it where the keys are not those of the group that was joined."""
    if roster.beginning:
        return f"`xferzone group join` at {roster.beginning} again, if it was interrupted there"
    if roster.last is not None:
        return "`xferzone group leave`, which makes this a clone of that one"
    if roster.rules is not None and roster.rules.life != share.group:
        return "`xferzone group join`, if another member has restored the group"
    others = [] if roster.rules is not None else projects(keys, share.prefix)
    if others:
        return (
            f"it has the group of project {' and '.join(others)}, and this is {project}: is it the right etcd, and is "
            "the prefix right?"
        )
    return "if it is the right etcd, `xferzone group restore` writes the keys again, as another life of the group"


def _members(roster: Roster, share: Membership) -> Iterator[Problem]:
    own = roster.members.get(share.name)
    if roster.rules is None or roster.rules.life != share.group:
        return
    if own is None:
        yield Problem(f"{share.name} is not registered", "`xferzone group join`, or start its servers")
    elif own.life != share.life:
        yield Problem(
            f"another member is called {share.name}, at {own.url}",
            "`xferzone group leave` here, then join under another name",
        )
    elif not roster.is_alive(share.name):
        yield Problem(
            f"the group program of {share.name} does not run", "start `xferzone up` or `xferzone serve` here"
        )
    if own is not None:
        same = roster.at(own.url, share.name)
        if same is not None:
            yield Problem(
                f"{share.name} and {same} have one URL, {own.url}",
                "`xferzone group join --url URL` at one of them",
            )
    if shortage := roster.shortage():
        yield Problem(shortage, "join another one, or `xferzone group join --copies K`")


def _fellows(checked: Checked, roster: Roster) -> Iterator[Problem]:
    for name, why in checked.unheard.items():
        member = roster.members.get(name)
        url = "" if member is None else f" at {member.url}"
        if roster.is_alive(name):
            remedy = "it reaches etcd, so is its URL right? `xferzone group join --url URL` there changes it"
        else:
            remedy = f"start it; if it is lost for ever, `xferzone group remove {name}`"
        yield Problem(f"{name}{url} does not answer: {why}", remedy)
    for name, heard in checked.heard.items():
        member = roster.members.get(name)
        if heard.doubt:
            # To a member of another life of the group each fellow says so.
            if not checked.found.why:
                yield Problem(
                    f"{name} answers, and takes no copies: {heard.doubt}", "`xferzone group join` there again"
                )
        elif member is not None and (heard.name, heard.life) != (name, member.life):
            yield Problem(
                f"{heard.name} answers at {member.url}, which is the URL of {name}",
                "`xferzone group join --url URL` at both, with URLs that lead to one of them each",
            )
        if member is not None and not roster.is_alive(name):
            yield Problem(
                f"{name} answers, and is away: it does not reach etcd, or its group program does not run",
                f"`xferzone group check` at {name} says more",
            )
        if abs(heard.ahead_s) > MAX_OFF_S:
            way = "ahead of" if heard.ahead_s > 0 else "behind"
            yield Problem(
                f"the clock of {name} is {abs(heard.ahead_s):.0f} s {way} the one here",
                "let NTP set both clocks",
            )


def _serving(reader: Reader, checked: Checked) -> Iterator[Problem]:
    roster = checked.found.roster
    for line in checked.differing:
        yield Problem(
            line,
            "let the configuration, or options, say what `xferzone group serving` shows, or change that with `xferzone "
            "group serving FILE`",
        )
    is_ours = roster is not None and roster.rules is not None and not checked.found.why
    if roster is not None and is_ours and roster.serving is None and serving.value(reader) is not None:
        yield Problem(
            f"{roster.names.serving} is gone, which says what all members serve",
            "`xferzone group serving FILE` writes it again",
        )


def _refs(found: Overview, checked: Checked) -> Iterator[Problem]:
    if found.off:
        yield Problem(
            f"{listed(list(map(str, found.off)), MAX_NAMED)}",
            "if etcd was set back, `xferzone group restore`; if the branch was clobbered, `xferzone group clobber "
            "BRANCH --accept-clobber` goes where the group went",
        )
    lost = [each for each in found.behind if not each.is_here]
    if lost:
        who = "no member that answers has" if checked.unheard else "no member has"
        named = [f"{each.branch} {short(each.tip.checkin)} from {each.tip.member}" for each in lost]
        yield Problem(
            f"{'a key names' if len(lost) == 1 else f'{len(lost)} keys name'} a check-in that {who}: "
            f"{listed(named, MAX_NAMED)}",
            f"bring back {lost[0].tip.member}; if it is lost for ever, `xferzone group clobber {lost[0].branch}`",
        )


def _ahead(reader: Reader, roster: Roster, heard: Mapping[str, Heard]) -> Iterator[Problem]:
    keys = {str(branch): tip.checkin for branch, tip in roster.tips().items()}
    absent = lacking(
        reader, {*keys.values(), *(tip for each in heard.values() for tip in each.tips.values())}
    )
    for name, each in heard.items():
        beyond = [
            branch
            for branch, tip in each.tips.items()
            if tip not in absent and not _leads(reader, keys.get(branch), tip, absent)
        ]
        if beyond:
            yield Problem(
                f"{name} is not on the line of the keys with {listed(beyond, MAX_NAMED)}",
                "etcd was set back, or a branch was clobbered: `xferzone group check` there says more",
            )


def _leads(reader: Reader, key: ArtifactId | None, tip: ArtifactId, absent: set[ArtifactId]) -> bool:
    """Whether the key is at `tip` or after it, as far as that can be seen here."""
    return key is not None and (key in absent or ancestry.leads_to(reader, key, tip))
