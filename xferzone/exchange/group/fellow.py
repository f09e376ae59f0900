"""A member and one of its fellows, kept alike: a part of the group program for each.

    soon after each commit here   what is new is sent with what came meanwhile, from where the last sending has ended;
                                  what a ref has moved to was sent as copies, or is fetched by who hears of its key
    every PULL_S                  what is new there is pulled, by the walk; its refs are compared with the keys, and
                                  soon again while they do not fit
    both                          unversioned files and synced tables are exchanged, if there are any here (files.py)
    the file there, or here, is   all is offered again: a backup was restored
    an older or another one
    it cannot be reached          again after pauses that grow; nothing that it missed is left out

A ref of a fellow that its key does not lead to puts this member on hold: etcd was set back. Keys are read after the
fellow was asked, so that a branch that moves meanwhile is no such case.
"""

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, suppress
from typing import Final, Protocol

from xferzone.env import Env
from xferzone.errors import Away, Denied, OnHold, PeerError, XferzoneError
from xferzone.exchange.group import files
from xferzone.exchange.group.copying import FellowFile
from xferzone.exchange.group.stance import Stance, about
from xferzone.exchange.mirror.following import Following as How
from xferzone.exchange.mirror.moving import Moving
from xferzone.exchange.mirror.walked import Aids, Pull
from xferzone.hashing import ArtifactId, short
from xferzone.publish.beforehand import Made
from xferzone.publish.clobbers import clobbers
from xferzone.publish.follow import Followed, Kept
from xferzone.publish.noted import Noted
from xferzone.refs import BranchName
from xferzone.refs.consensus import SharedRefs
from xferzone.refs.served import Served, Version
from xferzone.replicate.client import Client, Cursor, NotThere
from xferzone.replicate.copies import newest
from xferzone.replicate.messages import Refs
from xferzone.store import Reader, Store, ancestry, outgoing, places
from xferzone.wording import listed

PULL_S: Final = 30.0  # seconds between two pulls
LOOK_S: Final = 0.05  # seconds between two looks at whether something was committed here
TOGETHER_S: Final = 0.5  # seconds from a commit until what is new is sent, with all that came meanwhile
AGAIN_S: Final = 1.0  # seconds until another attempt
MAX_AGAIN_S: Final = 5.0  # the longest of these pauses, each twice the one before
MAX_NAMED: Final = 5  # branches that a reason names

_log = logging.getLogger(__name__)


class Reached(Protocol):
    """How fellows are reached, by their names: HTTPFellows, and files beside each other in simulations."""

    def push_new(self, store: Store, name: str, since_row: int, file: FellowFile) -> int:
        """Send a page of what came here behind a row; the row up to which that was, the same: all was sent.

        0: this file has no such row. Raises PeerError, Denied.
        """
        ...

    def look_back(self, store: Store, name: str, file: FellowFile) -> None:
        """Have the fellow tell of its file. Raises PeerError, Denied."""
        ...

    def client(self, name: str) -> AbstractContextManager[Client]:
        """The fellow's walk. Raises PeerError, Denied."""
        ...


class Fellow:
    """The part for one fellow.

    Fields:
        name: the fellow's, and life: the one in which it is known.
        next_at: when `turn` has something to do, in monotonic seconds.
        stands: where all of its refs stood, and as of which comparison (stance.py).
    """

    # many: who keeps which fellow alike, and who hears of it
    def __init__(
        self,
        store: Store,
        name: str,
        life: str,
        reached: Reached,
        refs: SharedRefs,
        stance: Stance,
        env: Env,
        has_pending: Callable[[], None],
    ) -> None:
        """
        Args:
            has_pending: called when a fellow that could not be reached has got all, and some of it is to be published.
        """
        self.name = name
        self.life = life
        self._store = store
        self._reached = reached
        self._refs = refs
        self._stance = stance
        self._env = env
        self._has_pending = has_pending
        self._how = How(waits=False, in_thread=False, env=env)
        known = stance.known(name, life)
        self._sent, self._own = known.sent, known.own
        self._file = FellowFile(life, known.newest)
        self._seen: Version | None = None  # what was committed here when all was sent last
        self._send_at: float | None = None  # when what is new here is due; None: nothing is
        self._served: Served | None = None
        self._cursor: Cursor | None = None
        self._is_held = False  # its refs do not fit the keys
        self._compared = 0  # the comparison that it was asked for last
        self._files = ""  # the hash of what was exchanged last
        self._said: tuple[str, ...] = ()  # what the log was told of that exchange
        self._pull_at = 0.0
        self._again_s = AGAIN_S
        self._was_missed = False  # it could not be reached since all was sent to it
        self.next_at = 0.0
        self.stands: tuple[int, Mapping[BranchName, ArtifactId]] = (-1, {})

    def turn(self) -> None:
        """Send what is new here, and pull what is new there when that is due."""
        now = self._env.monotonic()
        self.next_at = now + LOOK_S
        try:
            self._send()
            if now >= self._pull_at or self._stance.comparison > self._compared:
                self._pull()
                self._pull_at = now + (MAX_AGAIN_S if self._is_held else PULL_S)
        except OnHold:
            self._pull_at = self.next_at = now + MAX_AGAIN_S  # the keys are not believed
        except Away:
            self._pull_at = self.next_at = now + AGAIN_S  # without the keys nothing can be compared
        except (PeerError, Denied) as exc:
            self._was_missed = True
            self._stance.reached(self.name, exc)
            self._rest(now)
        except XferzoneError as exc:  # a full disk, a lock: people are told, and may mend it meanwhile
            self._stance.remark(about(self.name), exc)
            self._rest(now)
        else:
            self._again_s = AGAIN_S
            self._stance.remark(about(self.name), "")

    def try_soon(self) -> None:
        """Do not wait for long until another attempt: it is alive. Another thread may call this."""
        self._again_s = AGAIN_S

    def close(self) -> None:
        """Look no longer. To be called by the thread that calls `turn`."""
        if self._served is not None:
            self._served.close()
            self._served = None

    def _rest(self, now: float) -> None:
        self.next_at = now + self._again_s
        self._again_s = min(2 * self._again_s, MAX_AGAIN_S)

    # -- what is new here

    def _send(self) -> None:
        if self._served is None:
            self._served = Served(self._store.path)
        version, now = self._served.version(), self._env.monotonic()
        if version == self._seen:
            return
        if self._send_at is None:
            self._send_at = now + TOGETHER_S
        if now < self._send_at:
            return
        self._begin_sending()
        while True:
            sent = self._reached.push_new(self._store, self.name, self._sent, self._file)
            if sent == self._sent:
                break
            self._has_sent(sent)
            if self._offers_again():
                return
        self._exchange_files(is_due=False)
        self._seen, self._send_at = version, None
        if self._was_missed:
            self._was_missed = False
            with self._store.reader() as reader:
                is_pending = bool(places.unplaced_branches(reader))
            if is_pending:  # else nothing waited for a copy; what somebody has under way is his
                self._has_pending()

    def _begin_sending(self) -> None:
        """See that the file here is the one that was sent of."""
        with self._store.reader() as reader:
            if self._own is not None and not outgoing.is_at(
                reader, self._own.row, ArtifactId(self._own.hash)
            ):
                self._sent = 0
            self._own = newest(reader)

    def _has_sent(self, row: int) -> None:
        self._sent = row
        self._stance.has_sent(self.name, row, self._own, self._file.newest)

    def _offers_again(self) -> bool:
        """Whether the fellow's file was set back, and so all that is here is offered to it again."""
        if not self._file.is_set_back:
            return False
        self._file.is_set_back, self._seen = False, None
        self._has_sent(0)
        return True

    def _exchange_files(self, *, is_due: bool) -> None:
        """Exchange unversioned files and tables if those here have changed, or it is due."""
        with self._store.reader() as reader:
            own = files.held(reader)
        if not own or (own == self._files and not is_due):
            return
        with self._reached.client(self.name) as client, suppress(NotThere):  # of a release that knows none
            said = files.exchange(self._store, client, self._env)
            for text in said:
                if text not in self._said:  # a row that is left out is left out each time
                    _log.warning("fellow name=%s note=%r", self.name, text)
            self._said = said
        self._files = own

    # -- what is new there

    def _pull(self) -> None:
        self._reached.look_back(self._store, self.name, self._file)
        self._offers_again()
        comparison = self._stance.comparison
        is_whole = comparison > self._compared or self._is_held
        if is_whole:
            self._cursor = None  # all refs are told
        comparing = _Comparing(self._store, self._how, self.name)
        with self._reached.client(self.name) as client:
            told = client.refs(self._cursor)
            if told is not None:
                pull = Pull(self._store, client, self._how, comparing, is_wary=True)
                pull.run(told, self._cursor, Aids())
                self._cursor = pull.done.cursor
        if is_whole:
            self.stands = (comparison, comparing.tips)
        self._exchange_files(is_due=True)
        why = _beyond(self._store, self._refs, self.name, comparing.tips)
        self._is_held = bool(why)
        self._stance.hold(about(self.name), why)
        self._stance.compared(self.name, comparison)
        self._compared = comparison
        self._stance.reached(self.name)


class _Comparing(Moving):
    """What a pull does with refs here: none moves, for the keys tell where they stand."""

    def __init__(self, store: Store, options: How, url: str) -> None:
        super().__init__(store, options, url)
        self.tips: dict[BranchName, ArtifactId] = {}

    def follow(self, told: Refs, reached: Cursor, noted: Noted, made: Callable[[], Made]) -> Followed:
        tips = {f"{each.zone}/{each.name}": ArtifactId(each.hash) for each in told.branches}
        with self.store.reader() as reader:
            lacking = ancestry.broken(reader, tips.values())
        named = {BranchName.parse(text): tip for text, tip in tips.items()}
        found = {branch: tip for branch, tip in named.items() if branch is not None}
        self.tips |= found
        return Followed(
            incomplete=tuple(Kept(each, tip, "not complete") for each, tip in found.items() if tip in lacking)
        )


def _beyond(store: Store, refs: SharedRefs, name: str, theirs: Mapping[BranchName, ArtifactId]) -> str:
    """Why the keys seem to have been set back, by where the refs of a fellow stand; empty: they do not.

    Raises:
        Away: the keys do not answer, or name what is not here yet.
    """
    tips = refs.read(theirs)
    with store.reader() as reader:
        lacking = ancestry.broken(reader, (tip.checkin for tip in tips.values() if tip is not None))
        if lacking:
            raise Away(f"the keys name {short(min(lacking))}, which is not here yet")
        beyond = [
            f"{branch} at {short(at)}"
            for branch, at in theirs.items()
            if (tip := tips[branch]) is None or not _leads(reader, tip.checkin, at)
        ]
    if not beyond:
        return ""
    return (
        f"{name} has {listed(beyond, MAX_NAMED)}, which the keys do not lead to: etcd was set back; see `xferzone "
        "group check`"
    )


def _leads(reader: Reader, tip: ArtifactId, at: ArtifactId) -> bool:
    return ancestry.leads_to(reader, tip, at) or clobbers(reader, tip, at)
