"""What must hold in a group, besides what holds of each node by itself (tests/simulation/facts.py).

when a key moves         along its branch's first parents, and not to what was refused; enough members hold all of it
after every step         refs of members are on their keys' lines; nothing on such a line is on a fork branch, anywhere
                         what was acknowledged is on a line; a row of the publication log is a move
at rest                  what was acknowledged leads to where its key stands; nothing waits that can be published
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.simulation.facts import Broken, Facts, _lacks
from tests.simulation.node import Node
from xferzone.edit.appending import Commit
from xferzone.errors import Refused
from xferzone.exchange import Outcome
from xferzone.hashing import ArtifactId, short
from xferzone.publish.clobbers import TAG
from xferzone.publish.pending import Pending
from xferzone.refs import BranchName, Door, LocalRefs, Occasion
from xferzone.refs.consensus import Tip
from xferzone.refs.roster import Account
from xferzone.store import Reader, Store, places, schema, symbols, unsent
from xferzone.store.accounts import User, users
from xferzone.store.chains import id_of
from xferzone.store.incoming import _needs_a_right

if TYPE_CHECKING:
    from tests.simulation.group.world import GroupWorld

_ASIDE = "SELECT hash FROM aside JOIN blob USING (rid)"
_WANTED = "SELECT hash FROM blob WHERE content IS NULL"
_FORKED = "SELECT hash, branch FROM checkin JOIN blob USING (rid) WHERE branch LIKE '%-fork-%'"


class GroupFacts(Facts):
    """Of all nodes and of the keys.

    Fields:
        lines: of each branch, all check-ins on the line of its key, in order.
    """

    def __init__(self, world: "GroupWorld") -> None:
        super().__init__()
        self._world = world
        self.lines: dict[BranchName, dict[ArtifactId, None]] = {}
        self._on_lines: set[ArtifactId] = set()
        self._said: dict[ArtifactId, str] = {}  # what was acknowledged, and by whom
        self._refused: set[ArtifactId] = set()
        self._gone: dict[str, set[ArtifactId]] = {}  # of each clone, what it counts as sent
        self._held: set[ArtifactId] = set()  # artifacts of verbs that have ended well
        self._attempted: set[ArtifactId] = set()
        self._counted: dict[str, set[ArtifactId]] = {}  # of each clone, what was looked for
        self._looked: dict[str, tuple[int, int]] = {}
        self._is_clobbering = False
        self.accounts: dict[str, Account] = {}  # as changes that ended well have left them
        self._together: list[Mapping[BranchName, ArtifactId]] = []  # where one command's branches have ended
        self._cut_off: set[ArtifactId] = set()  # what was on a line once, and is not

    # -- what the acts say

    def committed(self, node: Node, done: Commit) -> None:
        """A verb of a member has ended well."""
        if done.checkin is not None and done.fork is None and self._world.is_begun and self._is_member(node):
            self._acknowledge(node.name, [done.checkin])

    def held(self, node: Node, made: Iterable[ArtifactId]) -> None:
        """What is here of these is safe, said a verb; what it made in vain is not."""
        with self.eye(node).reader() as reader:
            self._held.update(reader.present(made))

    def refused(self, made: Iterable[ArtifactId]) -> None:
        """Nothing of these was kept, said a verb."""
        self._refused.update(made)

    def together(self, ends: Mapping[BranchName, ArtifactId]) -> None:
        """A verb of a member changes these branches, all or none."""
        self._together.append(ends)

    def exchanged(self, node: Node, done: Outcome) -> None:
        """What a clone has pushed is acknowledged, unless it was told something."""
        assert node.origin is not None
        new = self._newly_sent(node)
        if node.name in self._world.network.repeated:  # the reply to the first of two tells what became of it
            self._world.network.repeated.discard(node.name)
            self.attempted(node)
        if done.errors or done.messages or done.is_denied:  # stock clients see no more than that
            self.attempted(node)
            return
        with self._seen[node.origin.name].eye.reader() as reader:
            # What a session before has brought may be decided about since, and its reply with the news be lost.
            told = {each for each in new & self._attempted if _is_off(reader, each)}
        self._acknowledge(f"{node.origin.name} to {node.name}", sorted(new - told))

    def attempted(self, node: Node) -> None:
        """A clone may have pushed what is made in it, and did not hear what became of it."""
        self._newly_sent(node)
        self._attempted.update(self._made.get(node.name, ()))

    def _newly_sent(self, node: Node) -> set[ArtifactId]:
        """What a clone made and counts as sent since this was last asked."""
        with self._seen[node.name].eye.reader() as reader:
            sent = set(self._made.get(node.name, ())).difference(unsent.artifacts(reader))
        before = self._gone.get(node.name, set())
        self._gone[node.name] = before | sent
        return sent - before

    def forget(self, node: Node) -> None:
        """The file of a node is another one now."""
        seen = self._seen.pop(node.name, None)
        if seen is not None:
            seen.eye.close()
        self._looked.pop(node.name, None)
        self._acknowledged.pop(node.name, None)

    def _acknowledge(self, who: str, checkins: Iterable[ArtifactId]) -> None:
        for each in checkins:
            self._said.setdefault(each, who)
            if each not in self._on_lines:
                raise Broken(f"{who}: {short(each)} was acknowledged, and no key leads to it")

    # -- when a key moves

    def moved(self, branch: BranchName, before: Tip | None, tip: Tip | None) -> None:
        """A branch has moved."""
        if tip is None and self._world.is_set_back:
            self._cut(branch, None)  # it was moved there, and no ref has followed yet
            return
        if tip is None:
            raise Broken(f"the key of {branch} is gone")
        line = self.lines.setdefault(branch, {})
        end = next(reversed(line), None)
        if self._world.is_begun and not (self._world.is_set_back and tip.checkin in line):
            self._whole_at_enough(branch, tip)
        new: list[ArtifactId] = []
        with self.eye(self._holder(tip)).reader() as reader:
            at: ArtifactId | None = tip.checkin
            while at is not None and at not in line:
                new.append(at)
                parents = reader.checkin(at).parents
                at = parents[0] if parents else None
        if not new and self._world.is_set_back:
            self._cut(branch, tip.checkin)  # brought forward again, as far as any member's ref
            return
        if at != end and self._is_clobber(tip, new, end):
            self._cut(branch, at, [*line])
        elif at != end:
            raise Broken(f"the key of {branch} moves to {short(tip.checkin)}, which is not after {end}")
        line |= dict.fromkeys(reversed(new))
        self._on_lines.update(new)
        for each in self._refused.intersection(new):
            raise Broken(f"nothing of {short(each)} was kept, and the key of {branch} leads to it")

    def _cut(self, branch: BranchName, end: ArtifactId | None, lost: Collection[ArtifactId] = ()) -> None:
        """The branch's line ends there: what came after it was not settled anywhere, or is lost."""
        line = self.lines[branch]
        gone = []
        while line and next(reversed(line)) != end:
            gone.append(line.popitem()[0])
        self._cut_off.update(gone)
        self._on_lines = set().union(*self.lines.values())
        for each in set(gone) - self._on_lines:
            who = self._said.pop(each, None)
            if who is not None and each not in lost:
                raise Broken(f"{who}: {short(each)} was acknowledged, and is off the line of {branch}")

    def _is_clobber(self, tip: Tip, new: Sequence[ArtifactId], end: ArtifactId | None) -> bool:
        """Whether the oldest of these gives up the line that ended there, which no member has any more."""
        with self.eye(self._holder(tip)).reader() as reader:
            if end is None or symbols.tags(reader, new[-1]).get(TAG, ("", None))[1] != end:
                return False
        had = [each.name for each in self._world.members if self._is_whole(each, end)]
        if had and self._is_clobbering:
            raise Broken(f"{short(end)} is given up, and {', '.join(had)} has it")
        return True

    @contextmanager
    def clobbering(self, node: Node) -> Iterator[None]:
        """An operator may give up there what is lost; what is refused is never published."""
        self._is_clobbering = True
        row = self._last_row(node)
        try:
            yield
        except Refused:
            with self.eye(node).reader() as reader:
                self.refused(each for each in reader.names_since(row) if TAG in symbols.tags(reader, each))
            raise
        finally:
            self._is_clobbering = False

    def lost_branches(self, tips: Mapping[BranchName, Tip | None]) -> list[BranchName]:
        """The branches whose keys name what no member has."""
        return [
            branch
            for branch, tip in tips.items()
            if tip is not None and not any(self._is_whole(each, tip.checkin) for each in self._world.members)
        ]

    @contextmanager
    def changing(self, login: str) -> Iterator[None]:
        """An account is being changed: until that has ended well it may be as before or not."""
        self.accounts.pop(login, None)
        yield
        account = self._world.account(login)
        if account is not None:
            self.accounts[login] = account

    def _holder(self, tip: Tip) -> Node:
        members = self._world.members
        return min(members, key=lambda each: (not self.has(each, tip.checkin), each.name != tip.member))

    def _whole_at_enough(self, branch: BranchName, tip: Tip) -> None:
        whole = [each.name for each in self._world.members if self._is_whole(each, tip.checkin)]
        lost = self._world.files_lost
        if len(whole) + lost < self._world.copies:
            raise Broken(
                f"{branch} moves to {short(tip.checkin)}, which {', '.join(whole) or 'nobody'} has, and "
                f"{self._world.copies} members should"
            )

    # -- after a step

    def look(self, node: Node) -> None:
        """As Facts has it, and what holds in a group."""
        super().look(node)
        seen = self._seen[node.name]
        stand = seen.version, len(self._on_lines)
        if self._looked.get(node.name) == stand:
            return
        self._looked[node.name] = stand
        self._whole("the keys have", {branch: len(line) for branch, line in self.lines.items()})
        with seen.eye.reader() as reader:
            if reader.role == schema.MEMBER and self._world.is_begun:
                self._refs_on_lines(node, reader)
            for raw, branch in reader.db.execute(_FORKED).fetchall():
                fork = BranchName.parse(branch)
                if (
                    fork is not None
                    and fork.fork_of is not None
                    and id_of(raw) in self.lines.get(fork.fork_of, ())
                ):
                    raise Broken(f"{node.name}: {short(id_of(raw))} is published, and on {branch}")

    def _is_led(self, node: Node, reader: Reader) -> bool:
        """As Facts has it; a primary beside the group is demoted."""
        return reader.role != schema.MEMBER and self._world.is_begun

    def _refs_on_lines(self, node: Node, reader: Reader) -> None:
        for ref in LocalRefs(reader).list():
            if ref.checkin not in self.lines.get(ref.branch, ()):
                raise Broken(
                    f"{node.name}: {ref.branch} at {short(ref.checkin)} is not on the line of its key"
                )
        stand = {
            ref.branch: 1 + [*self.lines[ref.branch]].index(ref.checkin) for ref in LocalRefs(reader).list()
        }
        self._whole(f"{node.name} serves", stand)

    def _whole(self, who: str, stand: Mapping[BranchName, int]) -> None:
        """See that all of what one command has changed is there, or nothing; `stand`: how far on each line."""
        for ends in self._together:
            if self._cut_off.isdisjoint(ends.values()):
                there = [
                    branch
                    for branch, end in ends.items()
                    if end in [*self.lines.get(branch, ())][: stand.get(branch, 0)]
                ]
                if 0 < len(there) < len(ends):
                    raise Broken(
                        f"{who} a part of {', '.join(map(short, ends.values()))}: {', '.join(map(str, there))}"
                    )

    def _pushed(self, node: Node, origin: Node, reader: Reader) -> None:
        """See that the member has what does not count as unsent at the clone any more, if only as a delta kept aside:
        the source is at the member that it was first sent to, and comes from there. What is found then to be damaged,
        or to need a right, is a phantom from then on, and asked for again."""
        gone = set(self._made.get(node.name, ())).difference(unsent.artifacts(reader))
        new = gone - self._counted.setdefault(node.name, set())
        self._counted[node.name] |= gone
        with self._seen[origin.name].eye.reader() as there:
            aside = {id_of(raw) for (raw,) in there.db.execute(_ASIDE)}
            wanted = {id_of(raw) for (raw,) in there.db.execute(_WANTED)}
            for checkin in new - there.present(new) - aside if not self._world.files_lost else ():
                is_dropped = node.name in self._world.network.garbled or _needs_a_right(
                    reader.content(checkin)
                )
                if checkin not in wanted or not is_dropped:
                    raise Broken(f"{origin.name}: {short(checkin)} counts as pushed and is not here")

    # -- at rest

    def is_all_decided(self, members: Sequence[Node]) -> None:
        """See that nothing waits that can be published."""
        for what in self.waiting(members):
            raise Broken(f"{what} waits for ever")

    def waiting(self, members: Sequence[Node]) -> list[str]:
        """What waits that can be published, and where."""
        return [f"{node.name}: {what}" for node in members for what in _waiting(node)]

    def at_rest(self, members: Sequence[Node], tips: Mapping[BranchName, Tip | None]) -> None:
        """See that nothing that was acknowledged is lost, and nothing waits."""
        stand = {tip.checkin for tip in tips.values() if tip is not None}
        ends = {next(reversed(line)) for line in self.lines.values()}
        if stand != ends:
            raise Broken("the keys do not stand where their lines end")
        known = {tuple(self._accounts(node)) for node in members}
        if len(known) > 1:
            raise Broken(f"members have different accounts: {known}")
        here = {each.login: each.caps for each in self._accounts(members[0])}
        for login, wanted in self.accounts.items():
            if here.get(login, "") != wanted.caps:
                raise Broken(f"account {login} has {here.get(login)}, and was changed to {wanted}")
        self.is_all_decided(members)
        for node in members:
            with self._seen[node.name].eye.reader() as reader:
                for each in self._held - reader.present(self._held) if not self._world.is_lossy else ():
                    raise Broken(f"{node.name}: {short(each)}, which a verb made, is not here")

    # -- of one node

    def has(self, node: Node, artifact: ArtifactId) -> bool:
        """Whether the check-in is at the node."""
        if not node.path.exists():
            return False
        with self.eye(node).reader() as reader:
            return reader.is_checkin(artifact)

    def _is_whole(self, node: Node, tip: ArtifactId) -> bool:
        if not self.has(node, tip):
            return False
        with self.eye(node).reader() as reader:
            return not _lacks(reader, tip)

    def _is_member(self, node: Node) -> bool:
        with self.eye(node).reader() as reader:
            return reader.role == schema.MEMBER

    def _last_row(self, node: Node) -> int:
        with self.eye(node).reader() as reader:
            return reader.last_row()

    def _accounts(self, node: Node) -> list[User]:
        with self.eye(node).reader() as reader:
            return users(reader)


def _waiting(node: Node) -> Iterator[str]:
    """What is pending and can be published, of zones."""
    with Store.open(node.path) as store, store.writer() as writer:
        for text in places.unplaced_branches(writer):
            branch = BranchName.parse(text)
            if branch is None:
                continue
            checkins = {each.id: each for each in places.unplaced_on(writer, text)}
            occasion = Occasion(node.env.clock_ms(), "", Door.GROUP)
            ref = LocalRefs(writer).get(branch.fork_of or branch)
            pending = Pending(writer, branch.fork_of or branch, ref, occasion, dict(checkins))
            if not branch.is_fork and ref is None and not pending.begins():
                continue
            if not any(pending.unfit(each) for each in checkins.values()):
                yield f"{text}: {', '.join(map(short, checkins))}"


def _is_off(reader: Reader, checkin: ArtifactId) -> bool:
    """Whether it was decided that the check-in is not served: it is on a fork branch, or invalid."""
    placed = places.placed(reader, checkin)
    branch = None if placed is None else BranchName.parse(placed.branch)
    return placed is not None and (placed.place == schema.INVALID or (branch is not None and branch.is_fork))
