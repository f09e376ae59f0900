"""A walk, page by page: what leads to some roots and is not complete at the client, oldest first.

    roots that are not check-ins, and the trunk root, where nothing is known      first of all
    check-ins, each with what it names: its baseline, its files, itself           after their parents
    controls on these; those that came later also on what is known                last, in order of arrival

    more    HASH.N[.q]    so many of what this check-in names have been told         the next page goes on from there
            +N            the controls up to position N have been told

A file is told with the first check-in that has it and whose parents do not. Clusters are not walked. The order depends
on roots and known alone (store/closure.py), so a cursor needs no memory, and nothing told is looked at again. Only what
a baseline beside the lines brings is told once a page.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from xferzone.artifacts import CheckIn
from xferzone.env import Env
from xferzone.errors import CorruptArtifact, NotFound, PeerError
from xferzone.hashing import ArtifactId
from xferzone.replicate.messages import MAX_PAGE, MAX_WALK_S, Walk
from xferzone.store import Reader, closure, controls
from xferzone.store.closure import Closure

_QUICK: Final = ".q"


class UnknownRoot(PeerError):
    """A root that is not here; the message names it."""


@dataclass(slots=True)
class Page:
    """A page of a walk.

    Fields:
        older: of artifacts told with a check-in, the version before, which that one's first parent names.
        more: of the next page; empty: this is the last one.
    """

    missing: dict[ArtifactId, None] = field(default_factory=dict)
    older: dict[ArtifactId, ArtifactId] = field(default_factory=dict)
    more: str = ""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one page: ids, and seconds of looking for them; one id at least is told."""

    ids: int = MAX_PAGE
    seconds: float = MAX_WALK_S


_BOUNDS: Final = Bounds()


class _BesideTheLines(Exception):
    """A baseline was met that the quick search does not know."""


class _Lines(NamedTuple):
    """The check-ins of a walk: what they are, in which order, and their names."""

    begun: Closure
    order: list[int]
    names: Mapping[int, ArtifactId]


class Walking:
    """A walk, page by page; what one object has told it does not tell again."""

    def __init__(self, reader: Reader, walk: Walk, position: int, env: Env) -> None:
        """Begin at `walk.more`. `position`: that up to which the client knows the controls.

        Raises:
            UnknownRoot: a root is not here.
        """
        self._reader = reader
        self._position = position
        self._env = env
        self._more = walk.more
        named = closure.rows(reader, [ArtifactId(each) for each in walk.roots])
        for each in walk.roots:
            if each not in named:
                raise UnknownRoot(f"no artifact {each} here: it cannot be a root")
        self._roots = list(named.values())
        self._known = set(closure.rows(reader, [ArtifactId(each) for each in walk.known]).values())
        first = None if self._known else closure.trunk_root(reader)
        if first is not None:
            self._roots.insert(0, first)
        self._has_all = not closure.is_anything_awaited(reader)
        self._lines: _Lines | None = None
        self._at = 0  # in the order of check-ins
        self._named_already = 0  # how many of the names told with that one were told
        self._left: list[ArtifactId] | None = None  # the others; None: they were not looked at
        self._told: set[int] = set()  # check-ins
        self._seen: set[ArtifactId] = set()
        self._page = Page()

    def page(self, reader: Reader, bounds: Bounds = _BOUNDS) -> Page:
        """The next page; there is one as long as the last one had a cursor.

        Raises:
            PeerError: `walk.more` is not a cursor.
        """
        self._reader, self._page = reader, Page()
        end = self._env.monotonic() + bounds.seconds
        if self._lines is None:
            self._begin()
        try:
            self._tell_all(bounds.ids, end)
        except _BesideTheLines:
            self._begin_anew()
            self._tell_all(bounds.ids, end)
        self._more = self._page.more
        return self._page

    def _begin(self) -> None:
        if self._more and not self._more.endswith(_QUICK):
            self._line_up(closure.closure(self._reader, self._roots, self._known))
            return
        begun = closure.quick(self._reader, self._roots, self._known)
        if begun is not None and self._knows_controls(begun):
            self._line_up(begun)
        else:
            self._begin_anew()

    def _begin_anew(self) -> None:
        """Look at all that leads anywhere. The order is another one: what the quick search told comes again."""
        if self._more.endswith(_QUICK):
            self._more = ""
        self._told, self._left = set(), None
        self._line_up(closure.closure(self._reader, self._roots, self._known))

    def _line_up(self, begun: Closure) -> None:
        order = closure.order(begun.parents, self._roots)
        self._lines = _Lines(begun, order, closure.ids(self._reader, order))
        self._at, self._named_already = self._place(self._lines)
        self._told |= set(order[: self._at])

    def _place(self, lines: _Lines) -> tuple[int, int]:
        """Where in the order the page begins, and how many of the names there were told; as far as the cursor says."""
        if not self._more or self._more.startswith("+"):
            return 0, 0
        name, _, count = self._more.removesuffix(_QUICK).partition(".")
        if not count.isdecimal():
            raise PeerError("more: give that of the page before, as it came")
        for at, row in enumerate(lines.order):
            if lines.names[row] == name:
                return at, int(count)
        # It is left out by now, with all before it that leads to it: what came meanwhile completed something known.
        return 0, 0

    def _knows_controls(self, begun: Closure) -> bool:
        """Whether of each control that came later it is known if what it is about leads to a root."""
        later = controls.since(self._reader, self._position)
        return all(is_published or row in begun.parents for _, row, is_published in later)

    def _tell_all(self, most: int, end: float) -> None:
        assert self._lines is not None
        if not self._more:
            others = set(self._roots) - closure.checkins(self._reader, self._roots) - self._known
            rows = closure.ids(self._reader, others)
            self._tell(rows[row] for row in dict.fromkeys(self._roots) if row in others)
        if not self._more.startswith("+"):
            self._tell_checkins(self._lines, most, end)
        if not self._page.more:
            self._tell_controls(self._lines.begun, most)

    # -- check-ins

    def _tell_checkins(self, lines: _Lines, most: int, end: float) -> None:
        while self._at < len(lines.order):
            row = lines.order[self._at]
            if self._left is None and row not in self._told:
                own = self._own(lines.begun, row, lines.names[row])
                self._left = own[self._named_already :]
            if self._left and not self._tell_left(most):
                self._page.more = self._cursor(lines, self._named_already)
                return
            self._at, self._named_already, self._left = self._at + 1, 0, None
            self._reader.give_way()
            if self._env.monotonic() > end and self._page.missing and self._at < len(lines.order):
                self._page.more = self._cursor(lines, 0)
                return

    def _tell_left(self, most: int) -> bool:
        """Whether all that is left to tell with a check-in had room on the page."""
        left = self._left or []
        here = set(left) if self._has_all else self._reader.present(left)
        for at, each in enumerate(left):
            if len(self._page.missing) >= most:
                self._named_already += at
                self._left = left[at:]
                return False
            if each in here and each not in self._seen:
                self._page.missing[each] = None
                self._seen.add(each)
        return True

    def _cursor(self, lines: _Lines, count: int) -> str:
        return f"{lines.names[lines.order[self._at]]}.{count}" + (
            _QUICK if lines.begun.reached is None else ""
        )

    def _own(self, begun: Closure, row: int, name: ArtifactId) -> list[ArtifactId]:
        """What is told with a check-in, itself last."""
        before = self._before(begun, row, name)
        self._told |= {*before, row}
        if not before:
            return self._named(name)
        beside = closure.ids(self._reader, before)
        about = controls.names(self._reader, controls.about(self._reader, before))
        return [*(each for at in before for each in self._named(beside[at])), *about, *self._named(name)]

    def _before(self, begun: Closure, row: int, name: ArtifactId) -> list[int]:
        """What must be told before a check-in, since it is the baseline of it, and was not; oldest first."""
        baseline = self._baseline(name)
        if baseline is None:
            return []
        found = closure.rows(self._reader, [baseline]).get(baseline)
        if found is None or found in self._told:
            return []
        if begun.left_out is None:
            raise _BesideTheLines
        if found in begun.left_out:
            return []
        beside = closure.closure(self._reader, [found], self._known)
        return [
            each for each in closure.order(beside.parents, [found]) if each not in self._told and each != row
        ]

    def _baseline(self, name: ArtifactId) -> ArtifactId | None:
        checkin = self._checkin(name)
        return None if checkin is None else checkin.baseline

    def _checkin(self, name: ArtifactId) -> CheckIn | None:
        """None: it is not here, or damaged."""
        with suppress(NotFound, CorruptArtifact):
            return self._reader.checkin(name)
        return None

    def _named(self, name: ArtifactId) -> list[ArtifactId]:
        """The files of a check-in that its parents do not have, and itself."""
        checkin = self._checkin(name)
        if checkin is None:
            return [name]
        parent = self._checkin(checkin.parents[0]) if checkin.parents else None
        if parent is not None:
            self._page.older[name] = checkin.parents[0]
        if parent is not None and checkin.baseline is None and parent.baseline is None:
            return [*self._changed(parent, checkin), name]
        had = set(self._files(parent, checkin.parents[0]).values()) if parent is not None else set()
        own = self._files(checkin, name)
        if parent is not None:
            was = self._files(parent, checkin.parents[0])
            self._page.older |= {
                new: was[path] for path, new in own.items() if path in was and was[path] != new
            }
        return [*(each for each in dict.fromkeys(own.values()) if each not in had), name]

    def _changed(self, parent: CheckIn, checkin: CheckIn) -> list[ArtifactId]:
        """The files of the F cards that are not the parent's, too; of some the parent may have the content."""
        found: dict[ArtifactId, None] = {}
        if len(parent.files) == len(checkin.files):
            # Nearly always each stands in the place that it had, and most are the same objects.
            pairs = zip(parent.files, checkin.files, strict=True)
            differing = [(old, new) for old, new in pairs if old is not new and old != new]
            for old, new in differing:
                if new.id is not None:
                    found[new.id] = None
                    if old.name == new.name and old.id is not None and old.id != new.id:
                        self._page.older[new.id] = old.id
            return list(found)
        was = {card.name: card.id for card in parent.files}
        had = set(was.values())
        for card in checkin.files:
            if card.id is not None and card.id not in had:
                found[card.id] = None
                if (before := was.get(card.name)) is not None:
                    self._page.older[card.id] = before
        return list(found)

    def _files(self, checkin: CheckIn, name: ArtifactId) -> dict[str, ArtifactId]:
        with suppress(NotFound, CorruptArtifact):
            return self._reader.files(name)
        return {card.name: card.id for card in checkin.files if card.id is not None}

    # -- controls

    def _tell_controls(self, begun: Closure, most: int) -> None:
        told = int(self._more[1:]) if self._more.startswith("+") and self._more[1:].isdecimal() else 0
        about = controls.about(self._reader, begun.parents)
        for position, row, is_published in controls.since(self._reader, self._position):
            if is_published or row in (begun.reached or ()):
                about.add(position)
        positions = sorted(position for position in about if position > told)
        room = max(most - len(self._page.missing), 0)
        self._tell(controls.names(self._reader, positions[:room]))
        if len(positions) > room:
            self._page.more = f"+{positions[room - 1] if room else told}"

    def _tell(self, names: Iterable[ArtifactId]) -> None:
        new = [each for each in names if each not in self._seen]
        self._seen.update(new)
        self._page.missing |= dict.fromkeys(new)
