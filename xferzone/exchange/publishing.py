"""When what pushes have brought is published: with the request, in parts, or later.

    the reply asks for more that the sender announced    left: the sender comes again with it; without `Later` as below
    any other push                                       in parts, one transaction each, for up to REQUEST_S
    what is left then, or nobody came back for           by `Later`, a thread of the process

A long push would compile each zone once a request otherwise. In the same way chains of deltas are left as they came,
and turned round once (store/rechaining.py), by `Later` if they are many. All that waits is in the database: whichever
process publishes next decides about it, and whoever brought it is in the publication log (store/brought.py).
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from contextvars import copy_context
from pathlib import Path
from types import MappingProxyType
from typing import Final

from xferzone.env import SYSTEM, Env
from xferzone.errors import XferzoneError
from xferzone.exchange.group.deciding import Group, Groups
from xferzone.publish import served
from xferzone.publish.agreed import Agreed
from xferzone.publish.ahead import Ahead
from xferzone.publish.plan import Liberties
from xferzone.publish.publish import Published, lead, publish_part
from xferzone.refs import BranchName, Door, LocalRefs, Occasion, membership
from xferzone.refs.consensus import Tip
from xferzone.store import Store, Writer, ancestry, rechaining

PART_S: Final = 1.0  # seconds of publishing in one transaction: other writers wait for it
REQUEST_S: Final = 3.0  # seconds that one request goes on publishing
FIRST_S: Final = 60.0  # the same, while a large zone is compiled on whose branch something came last
QUIET_S: Final = 2.0  # seconds without a push after which what waits is published
FEW: Final = 100  # check-ins whose chains of deltas are turned round by the request that brought them
AGAIN_S: Final = 30.0  # seconds until another attempt, after one that failed

_log = logging.getLogger(__name__)


class Run:
    """One run of the publishing: parts, one transaction each, and what is done between them in none.

    Fields:
        ahead: zones that are compiled between parts.
        agreed: what the group has agreed on; None: the repository is no member.
    """

    def __init__(
        self,
        store: Store,
        env: Env = SYSTEM,
        group: Group | None = None,
        tips: Mapping[BranchName, Tip | None] = MappingProxyType({}),
    ) -> None:
        """`group`: that of a repository that is a member; `tips`: where its keys stand, as far as they were read."""
        self.ahead = Ahead()
        self._store = store
        self._env = env
        self._group = group
        self.agreed = None if group is None else Agreed(dict(tips))

    def decide_only(self, branches: Collection[str]) -> None:
        """In a member: decide about these branches alone, from the next part on."""
        if self.agreed is not None:
            self.agreed.own = frozenset(branches)

    def part(self, writer: Writer, occasion: Occasion) -> Published:
        """Publish for PART_S."""
        if self._group is not None:
            membership.note_seen(writer, self._group.refs.seen)
        liberties = Liberties(ahead=self.ahead, agreed=self.agreed)
        return publish_part(writer, LocalRefs(writer), occasion, _part_is_over(self._env), liberties)

    def lead(self, writer: Writer, occasion: Occasion) -> bool:
        """Move refs to where keys stand that were read, for PART_S; whether that was all."""
        assert self._group is not None
        assert self.agreed is not None
        membership.note_seen(writer, self._group.refs.seen)
        is_over = _part_is_over(self._env)
        liberties = Liberties(ahead=self.ahead)
        liberties.begin_part(is_over)
        return lead(writer, LocalRefs(writer), occasion, self.agreed, liberties, is_over)

    def fetch_first(self) -> None:
        """Fetch what keys lead to if no ref can move without it: else a transaction would only find that out."""
        assert self.agreed is not None
        tips = {branch: tip for branch, tip in self.agreed.tips.items() if tip is not None}
        with self._store.reader() as reader:
            lacking = ancestry.broken(reader, {tip.checkin for tip in tips.values()})
        if tips and all(tip.checkin in lacking for tip in tips.values()):
            for branch, tip in tips.items():
                self.agreed.lack(branch, tip)
            self.between()

    def between(self) -> None:
        """Do what the last part has ended for. Not to be called in a transaction."""
        served.compile_wanted(self._store, self.ahead)
        if self._group is not None and self.agreed is not None:
            self._group.ask(self._store, self.agreed)


def follow_keys(
    store: Store, group: Group, tips: Mapping[BranchName, Tip | None], occasion: Occasion, env: Env = SYSTEM
) -> Agreed:
    """Move the refs of a member to where keys stand, in parts; what lacks for that is fetched.

    Returns what is known then: `left` has the branches that do not stand there, and why.
    """
    run, is_all = Run(store, env, group, tips), False
    run.fetch_first()
    while not is_all:
        with store.writer() as writer:
            is_all = run.lead(writer, occasion)
        run.between()
    assert run.agreed is not None
    return run.agreed


def publish_in_parts(
    store: Store, occasion: Occasion, env: Env = SYSTEM, group: Group | None = None
) -> Iterator[str]:
    """Publish all that waits, in parts, one transaction each; what people should be told."""
    is_all, run = False, Run(store, env, group)
    while not is_all:
        with store.writer() as writer:
            notices, is_all = run.part(writer, occasion)
            writer.fault("publish.part", 0.1)
        yield from notices
        run.between()


def _part_is_over(env: Env) -> Callable[[], bool]:
    end = env.monotonic() + PART_S
    return lambda: env.monotonic() >= end


def rechained(writer: Writer) -> bool:
    """Whether a push leaves no chains of deltas to `Later`: they are turned round at once if they are few."""
    return rechaining.noted(writer, FEW + 1) <= FEW and rechaining.rechain_noted(writer)


class Later:
    """Publishes what requests have left, once no more has been left for QUIET_S.

    One for each process that answers; threads may share it. A process that is killed leaves what waits to the next
    one that starts, or to the next push.
    """

    def __init__(self, repository: Path, env: Env = SYSTEM, groups: Groups | None = None) -> None:
        """`groups`: knows the group of a repository that is a member; None: it is none."""
        self._repository = repository
        self._env = env
        self._groups = groups
        self._changed = threading.Condition()
        self._due: float | None = None  # when to publish; None: nothing waits
        self._pushes = 0  # requests under way that may bring more
        self._is_closed = False
        self._thread: threading.Thread | None = None

    def soon(self) -> None:
        """Note that something may wait."""
        self._wait(QUIET_S)

    @contextlib.contextmanager
    def put_off(self) -> Iterator[None]:
        """Publish nothing during the block, nor within QUIET_S after it."""
        with self._changed:
            self._pushes += 1
        try:
            yield
        finally:
            with self._changed:
                self._pushes -= 1
                if self._due is not None:
                    self._due = self._env.monotonic() + QUIET_S
                self._changed.notify()

    def close(self) -> None:
        """Publish what waits at once, and end the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _wait(self, seconds: float) -> None:
        with self._changed:
            self._due = self._env.monotonic() + seconds
            if self._is_closed:
                return
            if self._thread is None or not self._thread.is_alive():  # never started, or lost in a fork
                self._thread = threading.Thread(
                    target=copy_context().run, args=(self._run,), name="publishing", daemon=True
                )
                self._thread.start()
            self._changed.notify()

    def _run(self) -> None:
        while self._is_due():
            try:
                self._publish()
            except (XferzoneError, OSError) as exc:
                _log.error("what pushes have brought is not published yet: %s", exc)
                if self._is_closed:
                    return  # the next process that starts, or the next push, tries again
                self._wait(AGAIN_S)

    def _is_due(self) -> bool:
        """Wait until something is to be published. False: there is nothing, and the end has come."""
        with self._changed:
            while not self._is_closed:
                left = None
                if self._due is not None and not self._pushes:
                    left = self._due - self._env.monotonic()
                if left is not None and left <= 0:
                    break
                self._changed.wait(left)
            is_due, self._due = self._due is not None, None
            return is_due

    def _publish(self) -> None:
        with Store.open(self._repository) as store:
            group = None if self._groups is None else self._groups.of(store)
            for notice in publish_left(store, self._env, group):
                _log.warning("%s", notice)


def publish_left(store: Store, env: Env, group: Group | None = None) -> Iterator[str]:
    """Publish what requests have left, in parts; what people should be told."""
    is_all, run = False, Run(store, env, group)
    with store.writer(in_parts=True) as writer:
        writer.take_waiting()
        writer.fault("later.taken", 0.2)
    while not is_all:
        with store.writer() as writer:
            is_over = _part_is_over(env)  # from here on, not while others wrote
            notices, is_all = run.part(writer, Occasion(env.clock_ms(), "", Door.PUSH))
            writer.fault("later.published", 0.2)
            is_all = is_all and rechaining.rechain_noted(writer, is_over)
        yield from notices
        run.between()
