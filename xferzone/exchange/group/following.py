"""A member's refs follow the keys of its group, and what is pending is published.

news            refs of branches whose keys have moved go where these stand; what lacks is fetched first
own news        the same, OWN_S later: whoever has moved a key at this member moves the ref, too, and would wait for us
left            is tried again when what it lacked has come, and after pauses that grow; a key that a ref does not lead
                to is read again, and if it is so the member is on hold: the keys were set back, or the branch clobbered
every PENDING_S, when the keys answer again, and    what is pending is looked at, whoever took it in
when a fellow has got all that is here
"""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from typing import Final

from xferzone.env import Env
from xferzone.errors import Away, OnHold, XferzoneError
from xferzone.exchange.group.deciding import Group
from xferzone.exchange.group.healing import Theirs, healed
from xferzone.exchange.group.listening import Listening, News
from xferzone.exchange.group.overview import not_ours
from xferzone.exchange.group.stance import Stance
from xferzone.exchange.publishing import follow_keys, publish_in_parts
from xferzone.hashing import ArtifactId
from xferzone.publish.clobbers import clobbers
from xferzone.refs import BranchName, Door, LocalRefs, Occasion
from xferzone.refs.consensus import Tip
from xferzone.refs.roster import Roster
from xferzone.store import Store, ancestry
from xferzone.wording import listed

AGAIN_S: Final = 1.0  # seconds until another attempt
OWN_S: Final = 0.5  # seconds that whoever has moved a key at this member has to move the ref
MAX_AGAIN_S: Final = 10.0  # the longest of these pauses, each twice the one before
HEAL_S: Final = 5.0  # seconds between two looks at keys that are not believed
PENDING_S: Final = 30.0  # seconds between two looks at what is pending
LOOK_S: Final = (
    0.2  # seconds between two looks at whether this member may publish again, or what lacked has come
)
MAX_NAMED: Final = 5  # branches that a reason names
MAX_TOLD: Final = 1_000  # notices that are remembered, so that each is logged once

_log = logging.getLogger(__name__)


class Following:
    """Of one member; a part of its group program.

    Fields:
        next_at: when `turn` has something to do, in monotonic seconds.
        tips: where the keys stood when they were heard of last.
    """

    name: Final = "following"

    # many: who follows what, and who hears of it
    def __init__(
        self,
        store: Store,
        group: Group,
        life: str,
        stance: Stance,
        env: Env,
        heard: Callable[[Roster], None],
        stands: Callable[[], Theirs | None],
        wake: Callable[[], None] | None = None,
    ) -> None:
        """
        Args:
            life: of the group.
            heard: called when something but refs has changed in the keys.
            stands: where the refs of all fellows stand; None: not all could be asked yet.
            wake: called by another thread when a turn has something to do; None: there is no other thread.
        """
        self._store = store
        self._group = group
        self._life = life
        self._stance = stance
        self._env = env
        self._heard = heard
        self._stands = stands
        self._wake = wake
        self._listening = Listening(group.refs, env, wake)
        self._moved: dict[BranchName, Tip] = {}  # where keys stand that have just moved
        self._own: dict[BranchName, Tip] = {}  # the same, moved by somebody at this member
        self._left: dict[BranchName, Tip] = {}  # where keys stand, and refs could not go
        self._absent: set[ArtifactId] = set()  # of these, what was not here when it was tried last
        self._set_back: set[BranchName] = set()  # of these, those whose key does not lead from the ref
        self._given_up: set[BranchName] = set()  # the same, those that the group has clobbered
        self._told: set[str] = set()
        self._is_well = True  # nothing has failed in this turn
        self._retry_at = self._pending_at = self._heal_at = self._own_at = 0.0
        self._again_s = AGAIN_S
        self.tips: dict[BranchName, Tip] = {}
        self.next_at = 0.0

    def turn(self) -> None:
        """Hear what the keys say, and follow."""
        now = self._env.monotonic()
        self._is_well = True
        self._try(self._listen)
        if self._own and now >= self._own_at:
            self._moved, self._own = self._own | self._moved, {}
        # What nobody gives may keep a fetch for seconds: what has just moved comes before it.
        if self._moved:
            self._retry_at, self._again_s = now + AGAIN_S, 2 * AGAIN_S
            moved, self._moved = self._moved, {}
            self._left |= moved
            self._try(partial(self._follow, moved))
        elif self._left and now >= self._retry_at:
            self._retry_at = now + self._again_s
            self._again_s = min(2 * self._again_s, MAX_AGAIN_S)
            self._try(partial(self._follow, dict(self._left)))
        elif self._absent and (come := self._come()):
            self._try(partial(self._follow, come))
        if now >= self._pending_at and self._stance.state == "up":
            self._pending_at = now + PENDING_S
            self._try(self._publish)
        if now >= self._heal_at and self._stance.state == "hold":
            self._heal_at = now + HEAL_S
            self._try(self._heal)
        if self._is_well:
            self._stance.remark(self.name, "")
        self.next_at = self._next_at(now) if self._wake is not None else 0.0

    def _come(self) -> dict[BranchName, Tip]:
        """What is left and has come since it was tried: a fellow has sent it that could not be asked."""
        with self._store.reader() as reader:
            come = self._absent - ancestry.broken(reader, self._absent)
        return {branch: tip for branch, tip in self._left.items() if tip.checkin in come}

    @property
    def removed(self) -> Mapping[str, str]:
        """The lives of members that were taken out of the group, by name, as far as was heard."""
        return self._listening.removed

    def _next_at(self, now: float) -> float:
        if not self._is_well:
            return now + (HEAL_S if self._stance.state == "hold" else AGAIN_S)
        is_up = self._stance.state == "up"
        retry_at = [now + LOOK_S if self._absent else self._retry_at] if self._left else []
        own_at = [self._own_at] if self._own else []
        return min(self._listening.next_list, self._pending_at if is_up else now + LOOK_S, *retry_at, *own_at)

    def doubt(self) -> None:
        """List the keys soon: somebody has not had an answer. Another thread may call this."""
        self._listening.next_list = 0.0
        self._begin_turn()

    def look_soon(self) -> None:
        """Look at what is pending: a fellow has got what it waited for, maybe. Another thread may call this."""
        self._pending_at = 0.0
        self._begin_turn()

    def _begin_turn(self) -> None:
        self.next_at = 0.0
        if self._wake is not None:
            self._wake()

    def _try(self, act: Callable[[], None]) -> None:
        try:
            act()
        except OnHold as exc:
            self._stance.hold(self.name, exc)
            self._stance.listed()  # it answers
        except Away as exc:
            self._stance.away(exc)
        except XferzoneError as exc:  # a full disk, a lock, a damaged file: people may mend it meanwhile
            self._stance.remark(self.name, exc)
        else:
            return
        self._is_well = False
        self._listening.next_list = 0.0

    def close(self) -> None:
        """Listen no longer."""
        self._listening.close()

    def _listen(self) -> None:
        news = self._listening.news()
        if news is None:
            return
        if self._stance.listed():
            self._pending_at = 0.0
        if news.is_after_break:
            self._stance.ask_anew()
        self._stance.hold(self.name, "")
        if news.others is not None:
            self._heard(news.others)
            self._stance.hold("group", not_ours(news.others, self._life, self._group.refs.keys.name))
        if news.is_all:
            self.tips = dict(news.tips)
            self._look_for_lost(news)
        else:
            self.tips |= news.tips
        moved = {branch: tip for branch, tip in news.tips.items() if self._left.get(branch) != tip}
        own = {} if news.is_all else {each: tip for each, tip in moved.items() if self._is_own(tip)}
        if own and not self._own:
            self._own_at = self._env.monotonic() + OWN_S
        self._moved = _without(self._moved, moved) | _without(moved, own)
        self._own = _without(self._own, moved) | own

    def _is_own(self, tip: Tip) -> bool:
        return tip.member == self._group.name

    def _look_for_lost(self, news: News) -> None:
        """Hold if the keys of branches that have refs here are gone, as no member deletes any."""
        with self._store.reader() as reader:
            own = [ref.branch for ref in LocalRefs(reader).list()]
        gone = [branch for branch in own if branch not in news.tips]
        # Others may have moved a ref here, after its key, since the list was made.
        found = self._group.refs.read(gone) if gone else {}
        self._hold("gone", [branch for branch, tip in found.items() if tip is None], "no key has")

    def _follow(self, tips: Mapping[BranchName, Tip]) -> None:
        """Go there; those that cannot are left."""
        with self._store.reader() as reader:
            stands = {ref.branch: ref.checkin for ref in LocalRefs(reader).list()}
        elsewhere = {branch: tip for branch, tip in tips.items() if stands.get(branch) != tip.checkin}
        left, set_back = self._led(elsewhere)
        with self._store.reader() as reader:
            given_up = {each for each in set_back if clobbers(reader, tips[each].checkin, stands[each])}
            self._left = {
                branch: tip for branch, tip in self._left.items() if branch in left or tips.get(branch) != tip
            }
            self._absent = ancestry.broken(reader, {tip.checkin for tip in self._left.values()})
        self._set_back = (self._set_back - tips.keys()) | (set_back - given_up)
        self._given_up = (self._given_up - tips.keys()) | given_up
        self._stance.behind(len(self._left))
        self._hold("behind", self._set_back, "another line, or an older check-in, than is served here, has")
        named = listed(sorted(map(str, self._given_up)), MAX_NAMED)
        why = f"the group has clobbered what is served here of {named}: see `xferzone group check`"
        self._stance.remark("clobbered", why if self._given_up else "")

    def _led(self, tips: Mapping[BranchName, Tip]) -> tuple[set[BranchName], set[BranchName]]:
        """Which branches do not stand there now; of them, those whose key does not lead from their ref."""
        if not tips:
            return set(), set()
        agreed = follow_keys(self._store, self._group, tips, self._occasion(), self._env)
        return agreed.left.keys() & tips.keys(), agreed.set_back & tips.keys()

    def _publish(self) -> None:
        self._tell(publish_in_parts(self._store, self._occasion(), self._env, self._group))

    def _heal(self) -> None:
        theirs, group = self._stands(), self._group
        if theirs is not None and healed(self._store, group, self._life, theirs):
            self._listening.next_list = self._retry_at = 0.0
            self._stance.hold(self.name, "")
            _log.warning("group healed=yes: etcd's keys are as new as all members again")

    def _tell(self, notices: Iterable[str]) -> None:
        if len(self._told) >= MAX_TOLD:
            self._told.clear()
        for notice in notices:
            if notice not in self._told:
                self._told.add(notice)
                _log.warning("group notice=%r", notice)

    def _hold(self, what: str, branches: Collection[BranchName], found: str) -> None:
        named = listed(sorted(map(str, branches)), MAX_NAMED)
        why = f"{found} {named}: etcd was set back; see `xferzone group check`"
        self._stance.hold(what, why if branches else "")

    def _occasion(self) -> Occasion:
        return Occasion(self._env.clock_ms(), "", Door.GROUP)


def _without(tips: Mapping[BranchName, Tip], those: Collection[BranchName]) -> dict[BranchName, Tip]:
    return {branch: tip for branch, tip in tips.items() if branch not in those}
