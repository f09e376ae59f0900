"""One check-in of ours: appended to a zone branch, published, and what came of it.

    files, comment, parent ─> checked, nothing stored yet ─> manifest ─> published ─> Commit
                                                                          | a race was lost
                                            primary: Commit with the fork it went to;  clone: RefConflict

A zone that could not be served is refused before its check-in is stored: the caller's transaction rolls back on the
error. In a clone everything is also recorded for the next push.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from xferzone.artifacts import CheckIn, Control, FileCard, Tag
from xferzone.errors import DatedAhead, RefConflict, Refused
from xferzone.hashing import ArtifactId, short
from xferzone.publish import joint, served
from xferzone.publish.pending import ALLOWED_STEP_MS, MAX_AHEAD_MS, MAX_PUSHED_AHEAD_MS, is_ahead
from xferzone.publish.plan import Liberties
from xferzone.publish.publish import publish
from xferzone.refs import BranchName, Door, LocalRefs, Occasion, Ref
from xferzone.store import Writer, places, schema, symbols, unsent
from xferzone.wording import instant
from xferzone.zone.difference import Difference

#: Milliseconds between commits of ours in one instant; a step of 1 ms is the mark of --allow-older.
ORDINARY_STEP_MS: Final = 2


@dataclass(frozen=True, slots=True)
class Author:
    """Who commits, when (milliseconds since 1970), whether on what is dated too far ahead of that, and whether on
    several branches at once."""

    login: str
    now_ms: int
    allow_older: bool = False
    is_joint: bool = False

    @property
    def occasion(self) -> Occasion:
        return Occasion(self.now_ms, self.login, Door.CLI)


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit did.

    Fields:
        checkin: None: nothing changed, so nothing was stored.
        fork: the branch it went to because it lost a race. None: it was published.
        tag: the name that `checkin` was given, which existed before.
        warnings: what looks wrong in the zone since; of a zone of several files only its serial.
        changes: of the zone's records, against the version before. None: it was no commit of records.
    """

    branch: BranchName
    checkin: ArtifactId | None
    serial: int | None
    fork: str | None = None
    tag: str | None = None
    warnings: tuple[str, ...] = ()
    changes: Difference | None = None

    def warned(self, warnings: Iterable[str]) -> "Commit":
        """The same, after warnings of the text that was given."""
        return replace(self, warnings=(*warnings, *self.warnings))


class Appending:
    """Appends to one branch."""

    def __init__(self, writer: Writer, refs: LocalRefs, branch: BranchName, author: Author) -> None:
        self._writer, self._refs, self._branch, self._author = writer, refs, branch, author

    def append(
        self, cards: Iterable[FileCard], comment: str, parent: ArtifactId | None, *, as_cut: bool = True
    ) -> Commit:
        """Append a check-in with these files. `as_cut`: the zone's files are what cut.cut() makes.

        Raises:
            ZoneInvalid: the zone could not be served.
            RefConflict: this is a clone, and another check-in was published meanwhile.
        """
        cards = [card._replace(old_name=None) for card in cards]
        held = {card.name: card.id for card in cards if card.id is not None}
        served.numbers(self._writer, self._branch.zone, held, as_cut=as_cut)
        invalid = [placed.id for placed in places.invalid(self._writer, str(self._branch))]
        reopens = parent is not None and self.is_closed(parent)
        checkin = unsent.put_own(self._writer, self.manifest(cards, comment, parent).encode())
        self._writer.fault("edit.stored", 0.1)
        liberties = Liberties(frozenset({checkin} if as_cut else ()))
        publish(self._writer, self._refs, self._author.occasion, liberties)
        ref = self._refs.get(self._branch)
        if ref is None or ref.checkin != checkin:
            return self._lost(checkin, parent, ref)
        warnings = self._displaced(invalid)
        if reopens and self._branch_of(parent) == str(self._branch):
            warnings.append(f"{self._branch} was closed: this check-in opens it again")
        return Commit(self._branch, checkin, ref.serial, warnings=tuple(warnings))

    def _lost(self, checkin: ArtifactId, parent: ArtifactId | None, ref: Ref | None) -> Commit:
        """What became of a check-in that was not published."""
        now_on = self._branch_of(checkin)
        if now_on is not None and now_on != str(self._branch):
            return Commit(self._branch, checkin, None, fork=now_on)
        reason = places.invalid_reason(self._writer, checkin)
        if reason is None and self._writer.role != schema.PRIMARY:
            raise RefConflict(str(self._branch), parent, None if ref is None else ref.checkin)
        raise Refused(reason or f"{self._branch} could not be published")

    def manifest(self, cards: Sequence[FileCard], comment: str, parent: ArtifactId | None) -> CheckIn:
        """A child of `parent` on the branch. Raises DatedAhead."""
        return CheckIn(
            comment=comment,
            date_ms=self._author.now_ms if parent is None else self._date_after(parent),
            user=self._author.login,
            files=tuple(cards),
            parents=() if parent is None else (parent,),
            tags=self._branch_tags(parent) + (joint.own_tag(self._writer) if self._author.is_joint else ()),
        )

    def _date_after(self, parent: ArtifactId) -> int:
        """The date of a child of `parent`. Raises DatedAhead."""
        placed = places.placed(self._writer, parent)
        assert placed is not None
        latest = self._author.now_ms + MAX_AHEAD_MS
        if placed.date_ms < latest:
            # A clone's work is pushed: what is further ahead than a push may be is taken as a step alone.
            pushable = placed.date_ms + ORDINARY_STEP_MS <= self._author.now_ms + MAX_PUSHED_AHEAD_MS
            step = ORDINARY_STEP_MS if pushable else ALLOWED_STEP_MS
            return max(self._author.now_ms, min(placed.date_ms + step, latest))
        before = places.placed(self._writer, placed.parents[0]) if placed.parents else None
        if not self._author.allow_older and is_ahead(placed, before, self._author.now_ms):
            raise DatedAhead(
                f"{self._branch} stands on {short(parent)}, which is dated {instant(placed.date_ms)}; this machine's "
                f"clock says {instant(self._author.now_ms)}. Set the clock right if it is wrong; if it is "
                "right, --allow-older dates this change 1 ms after that check-in, and later changes need no option"
            )
        return placed.date_ms + ALLOWED_STEP_MS

    def _branch_tags(self, parent: ArtifactId | None) -> tuple[Tag, ...]:
        """What puts a child of `parent` on the branch; nothing where the child inherits it.

        It does not inherit it where an administrator moved what is served to another branch (stock's amend --branch).
        """
        inherited = self._branch_of(parent)
        if inherited == str(self._branch):
            return ()
        tags = [Tag("*", "branch", None, str(self._branch)), Tag("*", f"sym-{self._branch}", None, None)]
        if inherited is not None:
            tags.append(Tag("-", f"sym-{inherited}", None, None))
        return tuple(tags)

    def control(self, tag: Tag) -> None:
        """Store a control artifact with this tag."""
        artifact = Control(date_ms=self._author.now_ms, tags=(tag,), user=self._author.login)
        unsent.put_own(self._writer, artifact.encode())

    def is_closed(self, checkin: ArtifactId) -> bool:
        return symbols.tags(self._writer, checkin).get("closed", ("-",))[0] != "-"

    def _branch_of(self, checkin: ArtifactId | None) -> str | None:
        placed = None if checkin is None else places.placed(self._writer, checkin)
        return None if placed is None else placed.branch

    def _displaced(self, invalid: Iterable[ArtifactId]) -> list[str]:
        """A warning for each check-in that could not be served, and that this commit moved off the branch."""
        moved = ((checkin, self._branch_of(checkin)) for checkin in invalid)
        return [
            f"{short(checkin)} ({self._writer.checkin(checkin).user}) was not published; it is on branch {branch} now"
            for checkin, branch in moved
            if branch is not None and branch != str(self._branch)
        ]
