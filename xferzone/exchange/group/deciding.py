"""How a member decides: what is pending is planned, held by enough members, proposed, and settled where it was won.

    plan       one transaction, committed     what came, and appended merges; nothing moves   (publish/agreed.py)
    ask        no transaction                 keys are read while copies are made, one proposal a branch or joint
                                              change; what a key names comes; before the first one over a new
                                              connection to the keys fellows are asked whether their refs are behind
                                              it: the keys may have been set back
    settle     the next transaction           refs follow their keys, what lost goes to forks, what is left is planned

A door asks `check` first: while the group cannot decide, nothing is kept. What was planned is kept whatever comes, and
may be accepted later: by the next push, or by the group program, which looks at what is pending.
"""

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, Protocol

from xferzone.errors import Away
from xferzone.exchange.group.fellows import Copied, Fellows, nothing
from xferzone.hashing import ArtifactId
from xferzone.publish.agreed import Agreed, Together
from xferzone.refs import BranchName, Move
from xferzone.refs.consensus import Lost, Rules, SharedRefs, Tip, Unknown, Wish, Won
from xferzone.store import Store

MAX_ASKING: Final = 16  # runs of one process that wait for the network at the same time
PATIENCE_S: Final = 10.0  # seconds that another one waits to be among them
AT_ONCE: Final = 8  # proposals under way for one run
MAX_COMPARED: Final = 100_000  # branches of which it is remembered
IN_TURN: Final = 4  # proposals of one run, up to which they are made one after the other


def _always() -> None:
    """Nothing keeps a member from proposing."""


class Group:
    """What one process asks of the group that its repository is a member of; threads may share it.

    Fields:
        name: the member's.
        refs: where the group's branches stand.
        fellows: the other members.
    """

    # many: who, what, and what is known of both
    def __init__(
        self,
        name: str,
        refs: SharedRefs,
        fellows: Fellows,
        allowed: Callable[[], None] = _always,
        alive: Callable[[int], int] | None = None,
    ) -> None:
        """
        Args:
            allowed: raises Away or OnHold while this member may propose nothing.
            alive: how many members are alive, this one included, as far as the keys say, given how many are enough;
                None: that is not known.
        """
        self._allowed = allowed
        self._alive = alive
        self.name = name
        self.refs = refs
        self.fellows = fellows
        self._asking = threading.BoundedSemaphore(MAX_ASKING)
        self._compared: dict[BranchName, int] = {}  # as of how many connections to the keys

    def check(self) -> Rules:
        """What the group has agreed on; to be asked before anything is kept.

        Raises:
            Away, OnHold: it cannot decide now.
        """
        self._allowed()
        rules = self.refs.rules()
        if (
            rules.copies > 1
            and self._alive is not None
            and (alive := self._alive(rules.copies)) < rules.copies
        ):
            raise Away(f"too few members are alive: {alive} of the {rules.copies} that have to hold a change")
        return rules

    def ask(self, store: Store, agreed: Agreed) -> None:
        """Ask what a part of the publishing has left to be asked. Not to be called in a transaction.

        What cannot be had is left, with its reason.
        """
        asked = agreed.take()
        if not asked.branches:
            return
        with self._among_few() as is_among:
            if not is_among:
                agreed.leave(asked.branches, "too much waits for the group at once here")
                return
            self._propose_all(store, agreed, asked.wishes, asked.unread)
            if asked.lacking:
                zones = {branch.zone for branch in asked.lacking}
                self.fellows.fetch(store, [*dict.fromkeys(asked.lacking.values())], zones)

    def hold_copies(self, store: Store, controls: Sequence[ArtifactId]) -> str | None:
        """Have enough members hold control artifacts that move no ref. Returns why they do not; None: they do.

        Raises:
            Away, OnHold: how many are enough is not known.
        """
        if not controls or (copies := self.refs.rules().copies) == 1:
            return None
        return _too_few(self.fellows.copy(store, (), controls, copies).members, copies)

    @contextmanager
    def _among_few(self) -> Iterator[bool]:
        is_among = self._asking.acquire(timeout=PATIENCE_S)
        try:
            yield is_among
        finally:
            if is_among:
                self._asking.release()

    def _propose_all(
        self, store: Store, agreed: Agreed, wishes: Sequence[Together], unread: Sequence[BranchName]
    ) -> None:
        try:
            found, copied = self._read_and_copied(store, wishes, unread)
            known = self.refs.known
        except Away as exc:
            agreed.leave([*(branch for each in wishes for branch in each.branches), *unread], str(exc))
            return
        agreed.tips |= {branch: found[branch] for branch in unread}
        fit: list[Together] = []
        for each in wishes:
            if all(move.expected == _at(found[move.to.branch]) for move in each.moves):
                fit.append(each)
            else:
                agreed.tips |= {branch: found[branch] for branch in each.branches}
        held = self._held(store, agreed, found, fit, copied)

        def outcome(each: Together) -> Won | Lost | Unknown:
            asked = [Wish(move.to.branch, found[move.to.branch], self._tip(move)) for move in each.moves]
            try:
                return self.refs.propose(asked, known, lambda: not self._beyond(store, each.moves))
            except Away as exc:
                return Unknown(str(exc))

        for each, came in zip(held, _each(outcome, held), strict=True):
            if isinstance(came, Won):
                agreed.tips |= {move.to.branch: self._tip(move) for move in each.moves}
            elif isinstance(came, Lost):
                agreed.tips |= came.found
            else:
                agreed.leave(each.branches, came.reason)

    def _tip(self, move: Move) -> Tip:
        return Tip(move.to.checkin, move.to.serial, self.name)

    def _read_and_copied(
        self, store: Store, wishes: Sequence[Together], unread: Sequence[BranchName]
    ) -> tuple[Mapping[BranchName, Tip | None], Copied | None]:
        """Where the keys of all these stand, and what came of copies; None: none were made that count.

        Most keys stand where it is expected, so copies travel while they are read.
        """
        found: dict[BranchName, Tip | None] = {}
        copies, copied = self.refs.copies, None

        def read() -> None:
            found.update(self._read([branch for each in wishes for branch in each.branches], unread))

        if wishes and copies > 1:
            copied = self._copied(store, wishes, read)
        else:
            read()
        return found, copied if self.refs.copies == copies else None

    def _copied(
        self, store: Store, wishes: Sequence[Together], meanwhile: Callable[[], None] = nothing
    ) -> Copied:
        moves = [move for each in wishes for move in each.moves]
        controls = [control for each in wishes for control in each.controls]
        return self.fellows.copy(store, moves, controls, self.refs.copies, meanwhile)

    # many: what is wished, where it stands, and who has it
    def _held(
        self,
        store: Store,
        agreed: Agreed,
        found: Mapping[BranchName, Tip | None],
        wishes: Sequence[Together],
        copied: Copied | None,
    ) -> Sequence[Together]:
        """Those of the wishes that no fellow is known to be ahead of, once enough members hold what they lead to.

        `copied`: what came of copies that were made already; None: none were.
        """
        moves = [move for each in wishes for move in each.moves]
        copies, beyond = self.refs.copies, dict(self._beyond(store, moves))
        if moves and copies > 1:
            copied = copied or self._copied(store, wishes)
            reason = _too_few(copied.members, copies, copied.reason)
            if reason is not None:
                agreed.leave([move.to.branch for move in moves], reason)
                return []
            wished = {move.to.branch for move in moves}
            beyond |= {branch: at for branch, at in copied.beyond.items() if branch in wished}
        if beyond:
            self._look_again(agreed, {branch: found[branch] for branch in beyond}, beyond)
        held = [each for each in wishes if beyond.keys().isdisjoint(each.branches)]
        for each in wishes:
            if left := agreed.left.keys() & each.branches:
                agreed.leave(each.branches, agreed.left[min(left, key=str)])
        return held

    def _beyond(self, store: Store, moves: Sequence[Move]) -> Mapping[BranchName, str]:
        """The branches on which a fellow that can be reached is not behind the wish, and where it stands.

        Nobody is asked again about a branch over the connections to the keys that there are.
        """
        connections = self.refs.keys.connections
        new = [move for move in moves if self._compared.get(move.to.branch) != connections]
        if not new:
            return {}
        beyond = self.fellows.beyond(store, new)
        if len(self._compared) > MAX_COMPARED:
            self._compared = {}
        self._compared |= {move.to.branch: connections for move in new if move.to.branch not in beyond}
        return beyond

    def _look_again(
        self,
        agreed: Agreed,
        found: Mapping[BranchName, Tip | None],
        beyond: Mapping[BranchName, str],
    ) -> None:
        """What becomes of branches on which a fellow is not behind the wish: the key has moved, or it was set back."""
        try:
            now = self.refs.read(found)
        except Away as exc:
            agreed.leave([*found], str(exc))
            return
        for branch, tip in now.items():
            if tip != found[branch]:
                agreed.tips[branch] = tip
            else:
                agreed.leave([branch], f"{beyond[branch]}, and its key is not: see `xferzone group check`")

    def _read(
        self, wishes: Collection[BranchName], unread: Collection[BranchName]
    ) -> Mapping[BranchName, Tip | None]:
        if wishes:
            self._allowed()
        return self.refs.read([*wishes, *unread])


class Groups(Protocol):
    """Knows the group of a repository, as long as it is a member of one."""

    def of(self, store: Store) -> Group | None:
        """None: the repository is not a member. Raises XferzoneError: what it knows of its group is damaged."""
        ...


def _at(tip: Tip | None) -> ArtifactId | None:
    return None if tip is None else tip.checkin


def _each(
    act: Callable[[Together], Won | Lost | Unknown], wishes: Sequence[Together]
) -> Sequence[Won | Lost | Unknown]:
    if len(wishes) <= IN_TURN:
        return [act(each) for each in wishes]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(act, wishes))


def _too_few(members: int, copies: int, reason: str = "") -> str | None:
    if members >= copies:
        return None
    why = f": {reason}" if reason else ""
    return f"too few members hold it: {members} of the {copies} that have to{why}"
