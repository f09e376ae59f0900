"""What a push brings: taken in in one write transaction, then published, in parts of which each is one more.

the sender comes again with more     left to it, or to `Later` (publishing.py)
a member of a group                  the group is asked first, so that nothing is kept while it cannot decide, and
                                     between the parts (group/deciding.py); a push decides about its own branches alone:
                                     those that its login has brought something to, or on which it let something go on
"""

import contextlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from xferzone.env import Env
from xferzone.errors import Away, Busy, NoRoom
from xferzone.exchange.group.deciding import Group
from xferzone.exchange.publishing import FIRST_S, REQUEST_S, Later, Run, rechained
from xferzone.faults import Faults, fault
from xferzone.publish import elsewhere, kept_waiting
from xferzone.publish.agreed import KEPT
from xferzone.publish.publish import Published
from xferzone.refs import Door, LocalRefs, Occasion
from xferzone.repository import shunning
from xferzone.store import Store, Writer, brought, controls, places, schema
from xferzone.sync.server.round import Round


class Terms(Protocol):
    """What of a server's terms matters here (answer.Terms)."""

    @property
    def later(self) -> Later | None: ...

    @property
    def env(self) -> Env: ...

    @property
    def faults(self) -> Faults | None: ...


@dataclass(frozen=True, slots=True)
class Push:
    """One request that may bring something.

    Fields:
        login: whose it is.
        terms: the server's.
        group: that of a repository that is a member; None: it decides alone.
        away: holds nothing that others wait for, during its block.
        seconds: how long the request has taken.
    """

    login: str
    terms: Terms
    group: Group | None
    away: Callable[[], contextlib.AbstractContextManager[None]]
    seconds: Callable[[], float]

    def taken_in(self, store: Store, begin: Callable[[Writer], Round]) -> tuple[Round, list[str]]:
        """The round and its notices: what the request brought is committed, and published or left to `Later`.

        Raises:
            Away: what was brought is kept, and not accepted yet.
        """
        later = self.terms.later
        with later.put_off() if later else contextlib.nullcontext():
            run = Run(store, self.terms.env, self.group)
            with store.writer(in_parts=True) as writer:
                writer.rechains_later = later is not None
                row = writer.last_row()
                before = {*places.unplaced_branches(writer)} if self.group is not None else set()
                round_ = begin(writer)
                said = self._received(writer, round_)
                writer.fault("server.received", 0.1)
                if round_.pushed:
                    round_.choose()
                writer.fault("server.chosen", 0.1)
                is_left = later is not None and self._comes_again(round_)
                is_rechained = not is_left and rechained(writer)
                if round_.pushed and not is_left:
                    writer.give_way()
                    self._choose(run, writer, round_, before)
                    part = self._published(writer, round_, run)
                    writer.fault("server.published", 0.1)
                else:
                    part = Published([], is_all=True)
            fault(self.terms.faults, "server.taken-in", 0.1)
            try:
                notices, is_all = self._go_on(store, round_, run, part)
            except (Away, Busy, NoRoom) as exc:
                if self.group is None:
                    raise
                raise Away(f"{KEPT}: {exc}") from exc
            if self.group is not None and is_all and round_.pushed:
                notices += self._not_held(store, self.group, row)
            if later is not None and not (is_rechained and is_all):
                later.soon()
            return round_, [*said, *notices]

    def _received(self, writer: Writer, round_: Round) -> list[str]:
        """Do what the cards ask, and shun what a list has that came; why something may not be."""
        round_.receive()
        wanted = round_.configuring.shun
        if not wanted:
            return []
        occasion = Occasion(self.terms.env.clock_ms(), self.login, Door.PUSH)
        return shunning.take(writer, LocalRefs(writer), wanted, occasion)[1]

    def _choose(self, run: Run, writer: Writer, round_: Round, before: Collection[str]) -> None:
        # Whoever only names what is here is told what became of it, whoever brought it.
        if round_.received:
            named = {each.branch for each in places.unplaced(writer) if each.id in round_.announced}
            run.decide_only(self._own(writer, before).union(filter(None, named)))

    def _own(self, writer: Writer, before: Collection[str]) -> set[str]:
        """The branches that this push decides about; `before`: those on which something was to be settled before it."""
        if self.group is None:
            return set()
        released = {*places.unplaced_branches(writer)}.difference(before)
        return brought.unplaced_branches(writer, self.login) | released

    def _comes_again(self, round_: Round) -> bool:
        """Whether the sender will.

        In a member, only one that has announced more. What others have made may name what he has not got, so he does
        not come again, and takes what is his for accepted.
        """
        return round_.comes_again and (self.group is None or not round_.has_all)

    def _go_on(self, store: Store, round_: Round, run: Run, part: Published) -> tuple[list[str], bool]:
        """Publish on after the first part; the notices of all, and whether nothing is left."""
        # Whoever pushed to the branch on which something came last is told what becomes of it.
        notices, first, later = part.notices, run.ahead.zone, self.terms.later
        while not part.is_all:
            patience = REQUEST_S if first is None and self.group is None else FIRST_S
            if later is not None and self.seconds() >= patience:
                break
            with contextlib.nullcontext() if self.group is None else self.away():
                run.between()
            with store.writer(in_parts=True) as writer:
                part = self._published(writer, round_, run, notices)
            notices, first = [*part.notices, *notices], first if run.ahead.zone == first else None
        return notices, part.is_all

    def _not_held(self, store: Store, group: Group, row: int) -> list[str]:
        """What is told of control artifacts that came behind `row` and that too few members hold."""
        if group.refs.copies == 1:
            return []
        with store.reader() as reader:
            positions = {position for position, _, _ in controls.since(reader, row)}
            came = controls.names(reader, positions)
        with self.away():
            try:
                why = group.hold_copies(store, came)
            except Away as exc:
                why = str(exc)
        return [] if why is None else [f"tags are kept here, and not safe yet: {why}"]

    def _end(self, writer: Writer, round_: Round, before: Sequence[str]) -> list[str]:
        """Nothing more of a push is to come: what became of it, unless `before` says it."""
        # One whose last request brings nothing is told of what has come from somebody else.
        lines: list[str] = []
        for push in round_.pushing.end(writer):
            waits = kept_waiting.told_to_pusher(writer, LocalRefs(writer), push)
            news = elsewhere.news(writer, push)
            text = "\n".join([*before, *lines])
            lines += [*waits, *(each.line for each in news if each.mark not in text)]
            round_.pushing.told(writer, push, is_news=bool(waits or news))
        return lines

    def _published(self, writer: Writer, round_: Round, run: Run, before: Sequence[str] = ()) -> Published:
        """One part; `before`: what was told in the ones before."""
        with writer.together():
            part = run.part(writer, Occasion(self.terms.env.clock_ms(), self.login, Door.PUSH))
        if self.group is None and round_.received and writer.role == schema.MEMBER:
            return part._replace(notices=[KEPT])  # whoever embeds this has no group: its program decides
        if part.is_all and not self._comes_again(round_):
            part = part._replace(
                notices=[*part.notices, *self._end(writer, round_, [*before, *part.notices])]
            )
        if part.is_all and round_.has_all:
            writer.make_clusters()
            writer.fault("server.clusters", 0.05)
        return part
