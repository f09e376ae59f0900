"""The group program of a member: what it does while it is served, whatever anybody asks of it.

    registering    its keys, and the lease that shows that it is alive                                registered.py
    following      refs go where their keys stand, what is pending is published, accounts are as the group has them
    NAME           one for each fellow: what is new here is sent, what is new there is pulled         fellow.py

Each is a part with a `turn`, and none of them waits for another. A process runs each in a thread of its own
(serve/group.py); a simulation calls `turn` of the program, which does one of each in order. DNS and readers need none.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from xferzone.env import SYSTEM, Env
from xferzone.errors import Away, Exists, OnHold
from xferzone.exchange.group import accounts
from xferzone.exchange.group.deciding import Group
from xferzone.exchange.group.fellow import Fellow, Reached
from xferzone.exchange.group.following import Following
from xferzone.exchange.group.healing import Theirs
from xferzone.exchange.group.registered import Registration
from xferzone.exchange.group.stance import Stance
from xferzone.refs import membership, serving
from xferzone.refs.membership import Membership
from xferzone.refs.roster import Member, Roster, known_fellows, note_fellows
from xferzone.store import Store

FOLLOWING: Final = Following.name  # the part that is woken
GONE_S: Final = 3.0  # seconds until a registration that is gone is made again
LOOK_S: Final = 1.0  # seconds between two looks at whether the repository is the member still that it was


class Part(Protocol):
    """One of the parts; one thread calls it.

    Fields:
        next_at: when `turn` has something to do, in monotonic seconds.
    """

    @property
    def name(self) -> str: ...

    @property
    def next_at(self) -> float: ...

    def turn(self) -> None:
        """Do what is due. What another attempt may mend is told, not raised."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


@dataclass(frozen=True, slots=True)
class Options:
    """How the program goes.

    Fields:
        wake: called by another thread when `following` has something to do; None: there is no other thread.
        env: clock, randomness and sleep.
    """

    wake: Callable[[], None] | None = None
    env: Env = SYSTEM


class Program:
    """Of one member, as long as its share in the group stays as it is.

    Fields:
        stance: what it may do now.
        members: who is registered, this member included, by name; what is there is not changed, but replaced.
    """

    # many: whose program it is, whom it asks, and how
    def __init__(
        self,
        store: Store,
        share: Membership,
        group: Group,
        reached: Reached,
        options: Options | None = None,
    ) -> None:
        options = options or Options()
        self._store = store
        self._share = share
        self._group = group
        self._reached = reached
        self._env = options.env
        self.stance = Stance(store.path, share.name, share.group, options.env)
        self._following = Following(
            store, group, share.group, self.stance, options.env, self._heard, self._stands, options.wake
        )
        registration = Registration(group.refs, share, options.env)
        self._registering = Registering(
            registration, self.stance, self._following.doubt, self._is_member, options.env
        )
        self._fellows: dict[str, Fellow] = {}
        self.members: Mapping[str, Member] = {}
        self._next_look = 0.0
        self._is_over = False
        with store.reader() as reader:
            # While the keys say nothing that can be believed, fellows are compared all the same.
            self.members = known_fellows(reader)
        known = {name: one for name, one in self.members.items() if name != share.name}
        self.stance.know(known)
        self._meet(known)

    def is_over(self) -> bool:
        """Look at the repository: whether it is that member no more, and another program, or none, is to run."""
        now = self._env.monotonic()
        if now >= self._next_look:
            self._next_look = now + LOOK_S
            self._is_over = not self._is_member()
        return self._is_over

    def _is_member(self) -> bool:
        with self._store.reader() as reader:
            return membership.membership(reader) == self._share

    @property
    def parts(self) -> Sequence[Part]:
        """Those that there are now; those for fellows come and go."""
        return [self._registering, self._following, *self._fellows.values()]

    def turn(self) -> None:
        """One turn of each part that is due, in order; nothing, once it is over."""
        if self.is_over():
            return
        for part in self.parts:
            if part.next_at <= self._env.monotonic():
                part.turn()
        self.stance.write()

    def close(self) -> None:
        """Let go of what is open; fellows see at once that this member is away, if that can be said."""
        for part in self.parts:
            part.close()

    def _heard(self, roster: Roster) -> None:
        """Have one part for each fellow, accounts as the group has them, and the registration that this member has.

        Who the members are and what they serve is kept, for when the keys are gone.
        """
        name, life = self._share.name, self._share.life
        own = roster.members.get(name)
        if own is None or own.life != life or roster.alive.get(name) != life:
            self._registering.lost(roster.stand.revision)
        self.members, fellows = roster.members, roster.fellows(name)
        alive = {each for each in fellows if roster.is_alive(each)}
        self.stance.members(fellows, alive)
        for each, part in self._fellows.items():
            if each in alive:
                part.try_soon()
        self._meet(fellows)
        accounts.apply(self._store, roster.values, roster.names)
        is_ours = roster.rules is not None and roster.rules.life == self._share.group
        with self._store.reader() as reader:
            is_known = known_fellows(reader) == roster.members and serving.is_noted(reader, roster.serving)
        if is_ours and not is_known:
            with self._store.writer() as writer:
                note_fellows(writer, roster.members)
                serving.note(writer, roster.serving)
        if is_ours:
            accounts.renewed(self._store, self._group.refs, roster)

    def _meet(self, fellows: Mapping[str, Member]) -> None:
        """Have one part for each fellow."""
        self._fellows = {
            name: known
            if (known := self._fellows.get(name)) is not None and known.life == one.life
            else self._fellow(name, one.life)
            for name, one in fellows.items()
        }

    def _fellow(self, name: str, life: str) -> Fellow:
        refs, look_soon = self._group.refs, self._following.look_soon
        return Fellow(self._store, name, life, self._reached, refs, self.stance, self._env, look_soon)

    def _stands(self) -> Theirs | None:
        """Where the refs of all fellows stood since they were to be asked anew. None: not all have answered.

        Of one that was removed nobody waits for an answer; if it gives one all the same, that counts.
        """
        fellows, comparison, removed = self._fellows, self.stance.comparison, self._following.removed
        found = {}
        for name in self.stance.awaited:
            one = fellows.get(name)
            at, tips = (-1, {}) if one is None else one.stands
            if at >= comparison:
                found[name] = tips
            elif one is None or removed.get(name) != one.life:
                return None
        return found


class Registering:
    """The part that keeps the registration.

    Two attempts without an answer, and without one to anybody else between them: etcd is away. A registration
    that is gone is made again after GONE_S, unless the repository is not a member any more: whoever leaves takes
    his keys away first.
    """

    name: Final = "registering"

    # many: what is registered, who doubts, and by which clock
    def __init__(
        self,
        registration: Registration,
        stance: Stance,
        doubt: Callable[[], None],
        is_member: Callable[[], bool],
        env: Env,
    ) -> None:
        """`doubt`: called when the keys do not answer; `is_member`: whether the repository still is."""
        self._registration = registration
        self._doubt = doubt
        self._is_member = is_member
        self._env = env
        self._stance = stance
        self._unanswered = -1  # how many answers there were when the last attempt had none
        self._lost: tuple[int, float] | None = (
            None  # at which revision it was seen to be gone, and when to act
        )

    @property
    def next_at(self) -> float:
        lost = self._lost
        return self._registration.next_at if lost is None else min(lost[1], self._registration.next_at)

    def lost(self, revision: int) -> None:
        """Note that it was not there at that revision. Another thread may call this."""
        if revision > self._registration.made_at and self._lost is None:
            self._lost = revision, self._env.monotonic() + GONE_S

    def turn(self) -> None:
        try:
            self._make_again()
            self._registration.turn()
        except OnHold:  # it answers, and a list tells what is wrong
            self._doubt()
        except Away as exc:
            # Whoever follows may be fetching, and would list the keys in a minute only.
            if self._unanswered == self._stance.answers:
                self._stance.away(exc)
            self._unanswered = self._stance.answers
            self._doubt()
        except Exists as exc:
            self._stance.remark(self.name, exc)
        else:
            self._stance.answered()
            self._stance.remark(self.name, "")

    def close(self) -> None:
        with suppress(Away):
            self._registration.end()

    def _make_again(self) -> None:
        lost = self._lost
        if lost is None or self._env.monotonic() < lost[1]:
            return
        self._lost = None
        if lost[0] > self._registration.made_at and self._is_member():
            self._registration.lost()
