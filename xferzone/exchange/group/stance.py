"""What a member may do now, as the parts of its group program find out together (standing.py has what others see).

    etcd answers            away, once it does not
    it says what can be     hold, for each reason until that is gone: a key behind a ref, another life, ...
    after it was away       comparing, until the refs of each listed member were compared with the keys: etcd may have
                            been set back meanwhile, and what this member never saw of a fellow's refs would be lost;
                            an operator takes lost members from the list
    a watch broke off       fellows are asked as well, and nothing waits for it: a list has said that this was no outage
    else                    up

A program that ended while it was not up begins so again.
"""

import logging
import threading
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from xferzone.env import Env
from xferzone.exchange.group.standing import Fellow, Standing, State, record, standing, text
from xferzone.refs.roster import Member
from xferzone.replicate.copies import Newest

WRITE_MS: Final = 5_000  # between two writes of what has not changed
MAX_NAMED: Final = 5  # members that a reason names

_log = logging.getLogger(__name__)


@dataclass
class Stance:
    """Of one member; threads share it."""

    repository: Path
    name: str
    group: str
    env: Env
    _away: str = ""  # why etcd does not answer; empty: it does
    _holds: dict[str, str] = field(default_factory=dict)  # by what holds
    _remarks: dict[str, str] = field(default_factory=dict)  # the same, of what only somebody should look at
    _uncompared: set[str] = field(
        default_factory=set
    )  # members that are to be compared since etcd answers again
    _since: int = 0  # the comparison from which on they count as compared
    _fellows: dict[str, Fellow] = field(default_factory=dict)
    _answered_ms: int = 0
    _behind: int = 0
    _written: Standing | None = None
    _lock: threading.RLock = field(default_factory=threading.RLock)

    comparison: int = (
        0  # counts the times that etcd may have been set back: fellows are compared with the keys anew
    )
    answers: int = 0  # counts what etcd has answered

    def __post_init__(self) -> None:
        before = standing(self.repository)
        if before is not None and (before.name, before.group) == (self.name, self.group):
            self._written, self._answered_ms = before, before.answered_ms
            self._fellows = {each.name: each for each in before.fellows}
            if before.state != "up":
                self._again()

    # -- what is found out

    def answered(self) -> None:
        """Note that etcd has answered something."""
        with self._lock:
            self.answers += 1
            self._answered_ms = self.env.clock_ms()

    def listed(self) -> bool:
        """Note that the keys were heard; whether etcd did not answer before."""
        with self._lock:
            was_away, self._away = bool(self._away), ""
            self.answered()
            return was_away

    def away(self, why: object) -> None:
        """Note that etcd does not answer. When it does, all refs are compared first."""
        with self._lock:
            self._away = text(why)
            self._again()

    def ask_anew(self) -> None:
        """Have all fellows compared with the keys, which answer; what this member may do does not wait for that."""
        with self._lock:
            self.comparison += 1

    def _again(self) -> None:
        self.comparison += 1
        self._since = self.comparison
        self._uncompared = set(self._fellows)

    def hold(self, what: str, why: object) -> None:
        """Note what keeps this member from proposing; empty: it does no longer. When it begins all are compared."""
        with self._lock:
            if str(why) and not self._holds:
                self._again()
            _note(self._lock, self._holds, what, why)

    def remark(self, what: str, why: object) -> None:
        """Note what somebody should look at; empty: that is over."""
        _note(self._lock, self._remarks, what, why)

    def compared(self, fellow: str, comparison: int) -> None:
        """Note that this member's refs were compared with the keys; `comparison`: the current one when that began."""
        with self._lock:
            if comparison >= self._since:
                self._uncompared.discard(fellow)

    def members(self, fellows: Mapping[str, Member], alive: Iterable[str]) -> None:
        """Who is listed beside this member, and who of them is alive."""
        with self._lock:
            living = set(alive)
            self._uncompared &= set(fellows)
            for name in self._fellows.keys() - fellows.keys():
                self._holds.pop(about(name), None)
                self._remarks.pop(about(name), None)
            self._fellows = {
                name: replace(self.known(name, one.life), url=one.url, is_alive=name in living)
                for name, one in fellows.items()
            }

    def know(self, fellows: Mapping[str, Member]) -> None:
        """Who was listed beside this member when the keys were heard last: what is known of them stays."""
        with self._lock:
            self.members(fellows, {name for name in fellows if self.known(name, fellows[name].life).is_alive})

    def reached(self, fellow: str, error: object = "") -> None:
        """Note that all that a fellow has was fetched, or the error that came instead."""
        with self._lock:
            known, now = self._fellows.get(fellow), self.env.clock_ms()
            if known is not None and error:
                self._fellows[fellow] = replace(known, error=text(error), error_ms=now)
            elif known is not None:
                self._fellows[fellow] = replace(known, success_ms=now)

    def known(self, name: str, life: str) -> Fellow:
        """What is known of a fellow in that life, in which it may be new."""
        with self._lock:
            known = self._fellows.get(name)
            return known if known is not None and known.life == life else Fellow(name=name, life=life)

    def has_sent(self, fellow: str, row: int, own: Newest | None, newest: Newest | None) -> None:
        """Note up to which row it was sent, and what had come last here and there."""
        with self._lock:
            if (known := self._fellows.get(fellow)) is not None:
                self._fellows[fellow] = replace(known, sent=row, own=own, newest=newest)

    def behind(self, branches: int) -> None:
        """How many branches do not stand where their keys do."""
        with self._lock:
            self._behind = branches

    # -- what follows

    @property
    def awaited(self) -> Collection[str]:
        """The members that are listed beside this one."""
        with self._lock:
            return set(self._fellows)

    @property
    def state(self) -> State:
        return self._state()[0]

    def _state(self) -> tuple[State, str]:
        with self._lock:
            if self._away:
                return "away", self._away
            if self._holds:
                return "hold", "; ".join(self._holds.values())
            left = sorted(self._uncompared)
            if left:
                named = ", ".join(left[:MAX_NAMED]) + (", ..." if len(left) > MAX_NAMED else "")
                lost = left[0] if len(left) == 1 else "NAME"
                return "comparing", (
                    "etcd was away, or this member has just joined, so etcd may have been set back: waiting for "
                    f"{named} to say where refs stand there. A member that is lost for ever is taken off the list by "
                    f"`xferzone group remove {lost}`"
                )
            return "up", ""

    def write(self) -> None:
        """Let others see it, and tell the log of a change."""
        with self._lock:
            state, why = self._state()
            before, now = self._written, self.env.clock_ms()
            is_change = before is None or (before.state, before.why) != (state, why)
            stands = Standing(
                name=self.name,
                group=self.group,
                state=state,
                why=why,
                since_ms=now if before is None or before.state != state else before.since_ms,
                answered_ms=self._answered_ms,
                written_ms=now,
                behind=self._behind,
                remarks=tuple(self._remarks.values()),
                fellows=tuple(self._fellows[name] for name in sorted(self._fellows)),
            )
            told = set() if before is None else set(before.remarks)
        if is_change:
            level = logging.INFO if state == "up" else logging.WARNING
            _log.log(level, "group state=%s why=%r", state, why)
        for each in stands.remarks:
            if each not in told:
                _log.error("group remark=%r", each)
        if is_change or before is None or _differs(stands, before) or now - before.written_ms >= WRITE_MS:
            self._written = stands
            with suppress(OSError):  # on a full disk the group goes on all the same
                record(self.repository, stands)


def about(fellow: str) -> str:
    """What holds or is remarked of a fellow."""
    return f"fellow {fellow}"


def _differs(stands: Standing, before: Standing) -> bool:
    """Whether more than dates has changed."""

    def plain(each: Standing) -> Standing:
        fellows = tuple(
            replace(one, success_ms=0, error_ms=0, sent=0, own=None, newest=None) for one in each.fellows
        )
        return replace(each, answered_ms=0, written_ms=0, since_ms=0, fellows=fellows)

    return plain(stands) != plain(before)


def _note(lock: threading.RLock, notes: dict[str, str], what: str, why: object) -> None:
    with lock:
        if str(why):
            notes[what] = text(why)
        else:
            notes.pop(what, None)
