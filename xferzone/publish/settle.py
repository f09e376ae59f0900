"""Publishing: which check-in each zone branch serves, decided anew from what is pending (architecture.md law 4).

    unplaced check-ins of a branch            its ref r
      forward   r is on the first-parent line      -> the ref moves there, as far as it goes
      merge     r is reached by other parents      -> append a check-in: parents r and the tip, content the tip's
      invalid   a child of r that cannot be served -> recorded and told; stays until a child mends it
      loser     left the ref's line before r       -> a control artifact moves it to BRANCH-fork-<16 hex of it>
    unplaced check-ins of a fork branch
      merge     as above, onto the branch it left
      else      told the way back, once

Arrival decides races: of two children of r the one that came first wins. What is passed on the way forward is not
checked: only what is served must be valid. A branch without a ref begins with its first valid check-in that has no
parent on it. Every decision is a function of the artifacts and the refs, so a crash at any point is caught up by the
next run.

Only a primary does all of that. In a clone refs go forward alone, over check-ins that were made in it; what else there
is waits for its remote to say where it belongs (publish/follow.py). So a clone makes no fork and appends no merge.
"""

from xferzone.artifacts import CheckIn
from xferzone.errors import Fault, ZoneInvalid
from xferzone.hashing import ArtifactId, short
from xferzone.publish import forks, served
from xferzone.publish.serials import floor, serial_in, serial_of
from xferzone.refs import BranchName, LocalRefs, Move, Ref, State
from xferzone.store import Writer, ancestry, places, schema, symbols, unsent
from xferzone.store.places import Placed
from xferzone.wording import listed
from xferzone.zone.cut import is_zone_file, mean_a_zone
from xferzone.zone.serial import following

MAX_AHEAD_MS = 5 * 60 * 1000  # how far a check-in's date may be ahead of our clock (law 4)
MAX_STEP = 2**30  # a larger step of the serial needs --serial-jump (law 3)
MAX_TOLD = 10  # faults of one check-in that the pusher is shown


def publish(
    writer: Writer,
    refs: LocalRefs,
    now_ms: int,
    *,
    serial_jump: bool = False,
    as_cut: frozenset[ArtifactId] = frozenset(),
) -> list[str]:
    """Settle every unplaced check-in; what the people who pushed them should be told, in order.

    Args:
        now_ms: the clock, milliseconds since 1970.
        serial_jump: let serials step over 2^30.
        as_cut: check-ins whose files are known to be cut by the rule, since the caller has just cut them.
    """
    if writer.role != schema.PRIMARY:
        return _keep(writer) + advance(writer, refs, now_ms, serial_jump=serial_jump, as_cut=as_cut)
    notices: list[str] = []
    by_branch: dict[str, list[Placed]] = {}
    for checkin in places.unplaced(writer):
        by_branch.setdefault(checkin.branch or "", []).append(checkin)
    named = {branch: BranchName.parse(branch) for branch in by_branch}
    # Forks come last: what a branch loses in this run is told of its fork in the same run.
    for text, branch in sorted(named.items(), key=lambda item: item[1] is not None and item[1].is_fork):
        if branch is None:
            for checkin in by_branch[text]:
                places.place(writer, checkin.id, schema.ELSEWHERE)
            continue
        run = _Run(writer, refs, now_ms, branch.fork_of or branch, serial_jump, as_cut, notices)
        if branch.is_fork:
            run.settle_fork(branch, by_branch[text])
        else:
            run.settle(by_branch[text])
    return notices


def advance(
    writer: Writer,
    refs: LocalRefs,
    now_ms: int,
    *,
    serial_jump: bool = False,
    as_cut: frozenset[ArtifactId] = frozenset(),
) -> list[str]:
    """In a clone: publish what was made here, where it goes on from what is served; settle all else as not published.

    Returns what whoever made it should be told, in order. Arguments as of `publish`.
    """
    notices: list[str] = []
    own: dict[BranchName, list[Placed]] = {}
    for checkin in unsent.checkins(writer):
        named = BranchName.parse(checkin.branch)
        if named is not None and not named.is_fork:
            own.setdefault(named, []).append(checkin)
    for branch, made in own.items():
        _Run(writer, refs, now_ms, branch, serial_jump, as_cut, notices).go_ahead(made)
    places.leave_unpublished(writer)
    return notices


def withdraw(writer: Writer, refs: LocalRefs, branch: BranchName, to: ArtifactId, now_ms: int) -> None:
    """Move the ref of `branch` to check-in `to`, its heir, which has no files: the zone is no longer served."""
    run = _Run(writer, refs, now_ms, branch)
    run.move(to, ())
    if writer.role == schema.PRIMARY:
        run.fork_losers()


class _Run:
    """One branch of one zone, being settled."""

    def __init__(
        self,
        writer: Writer,
        refs: LocalRefs,
        now_ms: int,
        branch: BranchName,
        serial_jump: bool = False,
        as_cut: frozenset[ArtifactId] = frozenset(),
        notices: list[str] | None = None,
    ) -> None:
        self.writer, self.refs, self.now_ms, self.branch = writer, refs, now_ms, branch
        self.serial_jump, self.as_cut = serial_jump, as_cut
        self.notices = [] if notices is None else notices
        self.zone, self.name = branch.zone, str(branch)
        self.ref = refs.get(branch)
        self.pending: dict[ArtifactId, Placed] = {}
        self.passed: list[Placed] = []  # what a move or a fork may have left as a leaf of the branch

    def settle(self, arrived: list[Placed]) -> None:
        self.pending = {checkin.id: checkin for checkin in arrived}
        while self.pending and (self._forward() or self._merge()):
            pass
        self.fork_losers()

    def go_ahead(self, made: list[Placed]) -> None:
        """Publish of what was made in this clone what follows the ref by first parents."""
        self.pending = {checkin.id: checkin for checkin in made if checkin.place != schema.INVALID}
        while self.pending and self._forward():
            pass
        self.notices += [
            f"{self.branch}: check-in {short(checkin.id)} is kept but not served here, since it does not follow "
            "what is served. Push it: the primary says what becomes of it."
            for checkin in self.pending.values()
            if checkin.place == schema.UNPLACED
        ]

    def settle_fork(self, fork: BranchName, arrived: list[Placed]) -> None:
        """Publish a merge made on a fork branch, else tell the way back."""
        self.pending = {checkin.id: checkin for checkin in arrived}
        self._merge()
        self._fork_leaves()
        for checkin in self.pending.values():
            places.place(self.writer, checkin.id, schema.ELSEWHERE)
        if self.pending:
            last = list(self.pending)[-1]
            self.notices.append(
                f"{short(last)} is on branch {fork}, which is not served. {forks.way_back(self.branch, fork)}"
            )

    # -- forward along first parents

    def _forward(self) -> bool:
        """Move the ref as far as it goes down one line of heirs; whether it moved."""
        queue = self._starts()
        for start in queue:
            line = self._line(start)
            for at in reversed(range(len(line))):
                if self._published(line[at]):
                    return True
            queue.extend(self._heirs(line[-1].id) if line else ())
        return False

    def _line(self, start: Placed) -> list[Placed]:
        """`start` and its heirs while there is just one; it ends before the first that is unfit."""
        line: list[Placed] = []
        heirs = [start]
        while len(heirs) == 1 and self._unfit(heirs[0]) is None:
            line.append(heirs[0])
            heirs = self._heirs(heirs[0].id)
        return line

    def _starts(self) -> list[Placed]:
        if self.ref is not None:
            return self._heirs(self.ref.checkin)
        known = [*places.invalid(self.writer, self.name), *self.pending.values()]
        return [checkin for checkin in known if self._is_start(checkin)]

    def _is_start(self, checkin: Placed) -> bool:
        if not checkin.parents:
            return True
        first = places.placed(self.writer, checkin.parents[0])
        return first is not None and first.branch != self.name

    def _heirs(self, parent: ArtifactId) -> list[Placed]:
        """Children of `parent` on this branch, in order of arrival, pending or recorded invalid."""
        heirs = []
        for child in ancestry.children(self.writer, parent):
            placed = self.pending.get(child) or places.placed(self.writer, child)
            known = placed is not None and placed.branch == self.name
            if placed and known and (child in self.pending or placed.place == schema.INVALID):
                heirs.append(placed)
        return heirs

    def _published(self, checkin: Placed) -> bool:
        """Publish the check-in if it is valid; else record why not. One found invalid before stays so."""
        if checkin.id not in self.pending:
            return False
        try:
            self.move(checkin.id, self._numbers(checkin.id, serial_in(self.writer, self.zone, checkin.id)))
        except ZoneInvalid as exc:
            self._record_invalid(checkin.id, exc)
            return False
        return True

    def _numbers(self, checkin: ArtifactId, serial: int | None) -> tuple[int, ...]:
        """The indexes of a check-in that would be served with `serial`. Raises ZoneInvalid."""
        previous = None if self.ref is None else self.ref.serial
        step = 0 if previous is None or serial is None else (serial - previous) % 2**32
        if step > MAX_STEP and not self.serial_jump:
            reason = (
                f"the serial would step from {previous} to {serial}, over 2^30: publish it with --serial-jump"
            )
            raise ZoneInvalid([Fault("", 0, reason)])
        own = self.writer.files(checkin)
        return served.numbers(self.writer, self.zone, own, as_cut=checkin in self.as_cut)

    def move(self, to: ArtifactId, numbers: tuple[int, ...]) -> None:
        was = self.ref
        state = State.SERVED if numbers else State.REMOVED
        ref = Ref(self.branch, to, serial_of(self.writer, self.zone, to), state, numbers)
        self.refs.compare_and_set([Move(None if was is None else was.checkin, ref, self.now_ms)])
        self.ref = ref
        self._settle_ancestors(to)

    def _settle_ancestors(self, tip: ArtifactId) -> None:
        queue = [tip]
        for at in queue:
            placed = places.placed(self.writer, at)
            if placed is None or placed.place == schema.PUBLISHED:
                continue
            # What is invalid on another branch is mended there by nothing that happens here.
            if placed.place != schema.INVALID or placed.branch == self.name:
                places.place(self.writer, at, schema.PUBLISHED)
                self.pending.pop(at, None)
                self.passed.append(placed)
            queue.extend(placed.parents)

    # -- merges

    def _merge(self) -> bool:
        """Publish the first valid tip that has the ref among its ancestors by other parents; whether there was one."""
        if self.ref is None:
            return False
        inner = {parent for checkin in self.pending.values() for parent in checkin.parents}
        for tip in list(self.pending.values()):
            if tip.id in inner or tip.place == schema.INVALID or not self._reaches_ref(tip):
                continue
            if tip.date_ms > self.now_ms + MAX_AHEAD_MS or self._off_the_line(tip)[1] == self.ref.checkin:
                continue
            try:
                numbers = self._numbers(tip.id, self._serial_if_appended(tip.id))
            except ZoneInvalid as exc:
                self._record_invalid(tip.id, exc)
                continue
            self.move(self._append(tip), numbers)
            return True
        return False

    def _reaches_ref(self, tip: Placed) -> bool:
        assert self.ref is not None
        queue, seen = [tip], {tip.id}
        for at in queue:
            for parent in at.parents:
                if parent == self.ref.checkin:
                    return True
                placed = places.placed(self.writer, parent)
                if placed is not None and parent not in seen and placed.place != schema.PUBLISHED:
                    seen.add(parent)
                    queue.append(placed)
        return False

    def _serial_if_appended(self, tip: ArtifactId) -> int | None:
        """The serial of the check-in that _append would make: its first parent is the ref, its text the tip's."""
        assert self.ref is not None
        return following(self.ref.serial, floor(self.writer, self.zone, tip))

    def _append(self, tip: Placed) -> ArtifactId:
        """A check-in on the branch whose first parent is the ref, and whose content is the tip's."""
        assert self.ref is not None
        merged = self.writer.checkin(tip.id)
        before = self.writer.checkin(self.ref.checkin).date_ms
        files = tuple(card._replace(old_name=None) for card in self.writer.file_cards(tip.id))
        appended = CheckIn(
            comment=merged.comment or "merge",
            date_ms=max(self.now_ms, before + 1, merged.date_ms + 1),
            user=merged.user,
            files=files,
            parents=(self.ref.checkin, tip.id),
        )
        return self.writer.put(appended.encode())

    # -- losers

    def fork_losers(self) -> None:
        losers: dict[ArtifactId, Placed] = {}
        for checkin in [*self.pending.values(), *places.invalid(self.writer, self.name)]:
            first, base = self._off_the_line(checkin)
            stays = (base is None) if self.ref is None else (base == self.ref.checkin)
            if self._unfit(first) is not None or not stays:
                losers[first.id] = first
        for loser in losers.values():
            self._fork(loser)
        self._fork_leaves()

    def _off_the_line(self, checkin: Placed) -> tuple[Placed, ArtifactId | None]:
        """The first check-in down to `checkin` that is not on the ref's line, and what it was made from."""
        while True:
            parent = places.placed(self.writer, checkin.parents[0]) if checkin.parents else None
            if parent is None or parent.branch != self.name:
                return checkin, None
            if parent.place == schema.PUBLISHED:
                return checkin, parent.id
            checkin = parent

    def _fork(self, loser: Placed) -> None:
        fork = forks.name(self.branch, loser.id)
        self.writer.put(forks.artifact(self.branch, loser.id, self.writer.checkin(loser.id)))
        reason = self._unfit(loser) or forks.LOST_RACE
        self.notices.append(
            f"{self.branch}: check-in {short(loser.id)} was moved to branch {fork}, which is not served: {reason}. "
            f"{forks.way_back(self.branch, fork)}"
        )
        for checkin in places.unplaced(self.writer):
            if checkin.branch == str(fork):
                places.place(self.writer, checkin.id, schema.ELSEWHERE)
        merged = (places.placed(self.writer, parent) for parent in loser.parents)
        self.passed.extend(placed for placed in merged if placed and placed.place == schema.PUBLISHED)

    def _fork_leaves(self) -> None:
        """Move what was merged by way of other branches alone: on this one it would stay a second leaf."""
        for checkin in self.passed:
            placed = places.placed(self.writer, checkin.id)
            if (
                placed is None
                or placed.branch != self.name
                or ancestry.has_child(self.writer, placed.id, self.name)
            ):
                continue
            if self.ref is not None and placed.id != self.ref.checkin:
                self.writer.put(forks.artifact(self.branch, placed.id, self.writer.checkin(placed.id)))
                parents = (places.placed(self.writer, parent) for parent in placed.parents)
                self.passed.extend(filter(None, parents))

    def _unfit(self, checkin: Placed) -> str | None:
        """Why the check-in, and all that follows it, can never be served, whatever a child mends; None: it can."""
        if checkin.date_ms > self.now_ms + MAX_AHEAD_MS:
            return "its date is over 5 minutes ahead of this server's clock"
        first = places.placed(self.writer, checkin.parents[0]) if checkin.parents else None
        if first is not None and first.date_ms >= checkin.date_ms:
            return "its date is not after its parent's"
        for name, (prefix, _) in symbols.tags(self.writer, checkin.id).items():
            if name in forks.HARM and prefix != "-":
                return f"it carries the tag {name}, {forks.HARM[name]}"
        return None

    # -- what people are told

    def _record_invalid(self, checkin: ArtifactId, exc: ZoneInvalid) -> None:
        links = [
            Fault(
                card.name,
                0,
                "it is a symbolic link, and only where it leads has come: commit the file itself",
            )
            for card in self.writer.file_cards(checkin)
            if card.perm == "l" and is_zone_file(self.zone, card.name)
        ]
        exc = ZoneInvalid(links) if links else exc
        placed = self.pending.pop(checkin)
        if placed.branch == self.name:
            places.record_invalid(self.writer, checkin, str(exc))
        else:
            # A merge on a fork: what is served moves on without it.
            places.place(self.writer, checkin, schema.ELSEWHERE)
        if self.ref is None and not mean_a_zone(self.zone, self.writer.files(checkin)):
            return
        told = listed([str(fault) for fault in exc.faults], MAX_TOLD, "; ")
        self.notices.append(
            f"{self.branch}: check-in {short(checkin)} is kept but not served: {told}. "
            "The last good version is still served; commit a correction on top of it."
        )


def _keep(writer: Writer) -> list[str]:
    """In a clone: what people who pushed check-ins that were not made in it are told."""
    own = {checkin.id for checkin in unsent.checkins(writer)}
    kept = [c for c in places.unplaced(writer) if c.id not in own and BranchName.parse(c.branch) is not None]
    if not kept:
        return []
    named = listed([f"{short(checkin.id)} on {checkin.branch}" for checkin in kept], MAX_TOLD)
    return [f"kept: {named}. This repository is a {writer.role}: it serves them when its remote does."]
