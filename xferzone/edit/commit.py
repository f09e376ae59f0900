"""Commits of our own: each appends one check-in to a zone branch and publishes it, in the caller's transaction.

    change     some owners' records           (set, add, delete, apply)
    replace    every record of the zone       (zone add, zone import, edit)
    reset      the files of an older check-in
    remove     no files: the zone is served no more, its line stays for the day it is added again; in a primary alone
    fork_off   the first check-in of a new branch;   mark, close: a control artifact

What a check-in holds beside the zone's own files (a README, scripts) stays as it is, but for remove.

A zone that was written by hand gets one check-in that only changes its form before the first that changes its
records, so that the diff of the second shows just that. What could not be served is refused before anything is
stored: the caller's transaction rolls back on the error. In a clone all of it is kept in mind for the next push; where
a primary makes a fork of what lost a race, a clone stores nothing. In a mirror nothing is committed.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from xferzone.artifacts import CheckIn, Control, FileCard, Tag
from xferzone.edit import doubts
from xferzone.edit.naming import check_new
from xferzone.errors import Fault, NotFound, RefConflict, Refused, UsageError, ZoneInvalid
from xferzone.hashing import ArtifactId, short
from xferzone.publish import served
from xferzone.publish.deferred import compiled
from xferzone.publish.pending import MAX_AHEAD_MS
from xferzone.publish.plan import Liberties
from xferzone.publish.publish import publish, withdraw
from xferzone.publish.serials import floor
from xferzone.refs import BranchName, Door, LocalRefs, Occasion, Ref, State, lookup
from xferzone.store import Writer, places, schema, symbols, unsent
from xferzone.zone import changes, checks, cut
from xferzone.zone.changes import Change
from xferzone.zone.compile import IndexRow
from xferzone.zonefile import names, text
from xferzone.zonefile.rdtypes import SOA
from xferzone.zonefile.record import Record


@dataclass(frozen=True, slots=True)
class Author:
    """Who commits, when (milliseconds since 1970), and whether the serial may step over 2^30."""

    login: str
    now_ms: int
    serial_jump: bool = False


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit did. `checkin` None: nothing changed, so nothing was stored. `fork`: where it went when it
    lost a race, None when it was published. `tag`: the name that `checkin` was given, which stood before.
    `warnings`: what looks wrong in the zone since; of changes to a zone of several files nothing but its serial."""

    branch: BranchName
    checkin: ArtifactId | None
    serial: int | None
    fork: str | None = None
    tag: str | None = None
    warnings: tuple[str, ...] = ()


class Edit:
    """One branch of one zone, about to be committed to."""

    def __init__(self, writer: Writer, refs: LocalRefs, branch: BranchName, author: Author) -> None:
        if writer.role == schema.MIRROR:
            raise Refused(
                "this is a mirror: commit in its remote, or make it a primary with `xferzone promote`"
            )
        self.zone, self.branch = branch.zone, branch
        self._writer, self._refs, self._author = writer, refs, author
        self._occasion = Occasion(author.now_ms, author.login, Door.CLI)

    def change(self, wanted: Sequence[Change], comment: str) -> Commit:
        """Apply the changes in order, as one check-in.

        Raises:
            NotFound: no such zone, or a delete of what is not there.
            ZoneInvalid: the zone could not be served.
        """
        ref = self._served()
        ref = self._canonical(ref)
        own = self._zone_files(self._writer.files(ref.checkin))
        pieces = self._pieces(own)
        before, edits = self._edited_owners(pieces, wanted)
        if not edits:
            return Commit(self.branch, None, ref.serial)
        doubts.check_owners(self.zone, before, edits)
        doubtful = self._doubts(wanted, pieces)
        gone, come = cut.recut(self.zone, [piece for piece, _ in pieces], edits)
        kept = {name: file for name, file in own.items() if name not in gone}
        kept |= {name: unsent.put_own(self._writer, content) for name, content in come}
        if kept == own:
            return Commit(self.branch, None, ref.serial)
        done = self._commit(self._beside(ref.checkin, kept), comment, ref.checkin)
        says_soa = any(change.rdtype == SOA and change.verb != "delete" for change in wanted)
        told = self._serial_warning(done, ref, is_given=says_soa)
        lost = doubts.lost_comments(before, edits)
        return replace(
            done,
            warnings=(*doubtful, *self._new_warnings(own, kept), *lost, *told, *done.warnings),
        )

    def replace(self, records: Sequence[Record], comment: str, base: ArtifactId | None = None) -> Commit:
        """Make `records` the zone's content, on top of `base` (None: of what is served).

        Raises:
            ZoneInvalid: the zone could not be served.
        """
        ref = self._refs.get(self.branch)
        if ref is not None and ref.state is not State.REMOVED and base in (None, ref.checkin):
            ref = self._canonical(ref)
            base = None
        own = {name: unsent.put_own(self._writer, content) for name, content in cut.cut(self.zone, records)}
        parent = base or (None if ref is None else ref.checkin)
        if parent is None:
            check_new(str(self.branch))
        elif own == self._zone_files(self._writer.files(parent)):
            return Commit(self.branch, None, None if ref is None else ref.serial)
        done = self._commit(self._beside(parent, own), comment, parent)
        told = self._serial_warning(done, ref, is_given=False)
        return replace(done, warnings=(*told, *done.warnings))

    def reset(self, to: ArtifactId, comment: str) -> Commit:
        """Append a check-in with the files of `to`. Raises NotFound if the branch was never served."""
        ref = self._refs.get(self.branch)
        if ref is None:
            raise NotFound(
                f"{self.branch} has never been served: `xferzone branch {self.zone} NAME REV` begins a branch"
            )
        if not self._writer.files(to) and ref.state is not State.REMOVED:
            reason = f"{self.zone} was removed there: take another REV, as {short(to)}~1"
            raise ZoneInvalid([Fault("", 0, reason)])
        if self._writer.files(to) == self._writer.files(ref.checkin):
            return Commit(self.branch, None, ref.serial)
        return self._commit(self._writer.file_cards(to), comment, ref.checkin, as_cut=False)

    def remove(self, comment: str) -> Commit:
        """Append an empty check-in: the zone is served no more.

        Raises:
            NotFound: it is not served.
            Refused: this is a clone, whose primary would not take that by a push.
        """
        if self._writer.role != schema.PRIMARY:
            raise Refused(
                f"this is a clone: a zone is removed in the repository it follows (`xferzone zone remove {self.zone}` "
                "there, then sync here)"
            )
        ref = self._served()
        checkin = unsent.put_own(self._writer, self._manifest((), comment, ref.checkin).encode())
        withdraw(self._writer, self._refs, self.branch, checkin, self._occasion)
        return Commit(self.branch, checkin, ref.serial)

    def fork_off(self, at: ArtifactId, comment: str) -> Commit:
        """Begin the branch at check-in `at`, with its files. Raises UsageError if the name cannot be had."""
        check_new(str(self.branch))
        if self._refs.get(self.branch) is not None or str(self.branch) in symbols.branches(self._writer):
            raise UsageError(f"there is a branch {self.branch} already")
        if symbols.tagged(self._writer, f"sym-{self.branch}"):
            raise UsageError(f"{self.branch} is a tag: take another name")
        return self._commit(self._writer.file_cards(at), comment, at, as_cut=False)

    def mark(self, tag: str, at: ArtifactId) -> Commit:
        """Tag check-in `at`. Raises UsageError if the name is a branch's, or another check-in's."""
        check_new(tag)
        if tag in symbols.branches(self._writer):
            raise UsageError(f"{tag} is a branch: take another name for the tag")
        there = symbols.tagged(self._writer, f"sym-{tag}")
        if there == [at]:
            return Commit(self.branch, None, None, tag=tag)
        if there:
            raise UsageError(f"{tag} is a tag already, on {short(there[0])}: take another name")
        self._control(Tag("+", f"sym-{tag}", at, None))
        return Commit(self.branch, at, None, tag=tag)

    def close(self) -> Commit:
        """Close the branch at its tip, for stock's lists. Raises NotFound: none such; Refused: DNS serves it."""
        ref = self._refs.get(self.branch)
        if self.branch.is_main and ref is not None and ref.state is not State.REMOVED:
            raise Refused(
                f"{self.branch} is what DNS serves, so it stays open: `xferzone zone remove {self.zone}` ends the zone"
            )
        tip = symbols.branch_tip(self._writer, str(self.branch)) if ref is None else ref.checkin
        if tip is None:
            raise NotFound(f"there is no branch {self.branch}: `xferzone branch {self.zone}` lists them")
        if self._is_closed(tip):
            return Commit(self.branch, None, None)
        self._control(Tag("+", "closed", tip, None))
        return Commit(self.branch, tip, None if ref is None else ref.serial)

    # -- what looks wrong

    def _new_warnings(self, before: Mapping[str, ArtifactId], after: Mapping[str, ArtifactId]) -> list[str]:
        """The warnings of the zone now that it did not have before."""
        if len(before) > 1 or len(after) > 1:
            return []  # all of a large zone would have to be read
        known = self._warnings(before)
        return [warning for warning in self._warnings(after) if warning not in known]

    def _warnings(self, own: Mapping[str, ArtifactId]) -> list[str]:
        origin = names.zone_name(self.zone)
        records = served.read_all(self._writer, self.zone, own)
        return [warning.reason for warning in checks.faults(records, origin)[1]]

    def _doubts(self, wanted: Sequence[Change], pieces: Sequence[tuple[cut.Piece, bytes]]) -> list[str]:
        """Warnings of targets without final dot that may have been meant relative to the zone."""

        def is_held(owner: bytes) -> bool:
            at = bisect_left([last for _, last in pieces], names.owner_key(owner))
            return at < len(pieces) and owner in self._by_owner(pieces[at][0])

        looked = is_held if len(wanted) == 1 else None  # not for each change of a batch
        found = (doubts.relative(self._refs, self.zone, change, looked) for change in wanted)
        return [doubt for doubt in found if doubt is not None]

    def _serial_warning(self, done: Commit, ref: Ref | None, *, is_given: bool) -> tuple[str, ...]:
        """That a serial which was just given, so or by a text that has another than before, is not what is served."""
        if done.checkin is None or ref is None or done.serial is None:
            return ()
        given = floor(self._writer, self.zone, done.checkin)
        is_given |= given != floor(self._writer, self.zone, ref.checkin)
        if given in (None, done.serial) or not is_given:
            return ()
        return (
            f"the serial {given} is not after {ref.serial}, which was served: {done.serial} is served now",
        )

    # -- the steps

    def _served(self) -> Ref:
        ref = self._refs.get(self.branch)
        if ref is None or ref.state is State.REMOVED:
            raise NotFound(lookup.branch(self._refs, self.branch))
        return ref

    def _canonical(self, ref: Ref) -> Ref:
        """The ref, after a check-in that only changes the form if its files were written by hand."""
        ref = compiled(self._writer, self._refs, ref)
        own = self._writer.files(ref.checkin)
        if served.ordered(self._writer, self.zone, self._zone_files(own)) is not None:
            return ref
        records = served.read_all(self._writer, self.zone, own)
        rewritten = {
            name: unsent.put_own(self._writer, content) for name, content in cut.cut(self.zone, records)
        }
        cards = self._beside(ref.checkin, rewritten)
        self._commit(cards, f"canonical form of {self.zone}", ref.checkin)
        moved = self._refs.get(self.branch)
        assert moved is not None
        return moved

    def _zone_files(self, everything: Mapping[str, ArtifactId]) -> dict[str, ArtifactId]:
        return cut.zone_files(self.zone, everything)

    def _beside(self, parent: ArtifactId | None, own: Mapping[str, ArtifactId]) -> list[FileCard]:
        """The zone's files, and all others as the parent has them."""
        kept = [] if parent is None else self._writer.file_cards(parent)
        others = [card for card in kept if not cut.is_zone_file(self.zone, card.name)]
        return others + [FileCard(name, file) for name, file in own.items()]

    def _commit(
        self,
        cards: Iterable[FileCard],
        comment: str,
        parent: ArtifactId | None,
        *,
        as_cut: bool = True,
    ) -> Commit:
        cards = [card._replace(old_name=None) for card in cards]
        held = {card.name: card.id for card in cards if card.id is not None}
        served.numbers(self._writer, self.zone, held, as_cut=as_cut)
        waiting = [placed.id for placed in places.invalid(self._writer, str(self.branch))]
        was_closed = parent is not None and self._is_closed(parent)
        checkin = unsent.put_own(self._writer, self._manifest(cards, comment, parent).encode())
        liberties = Liberties(self._author.serial_jump, frozenset({checkin} if as_cut else ()))
        publish(self._writer, self._refs, self._occasion, liberties)
        ref = self._refs.get(self.branch)
        if ref is not None and ref.checkin == checkin:
            warnings = self._moved_aside(waiting)
            if was_closed and self._branch_of(parent) == str(self.branch):
                warnings.append(f"{self.branch} was closed: this check-in opens it again")
            return Commit(self.branch, checkin, ref.serial, warnings=tuple(warnings))
        placed = places.placed(self._writer, checkin)
        if placed is not None and placed.branch != str(self.branch):
            return Commit(self.branch, checkin, None, fork=placed.branch)
        reason = places.invalid_reason(self._writer, checkin)
        if reason is None and self._writer.role != schema.PRIMARY:
            raise RefConflict(str(self.branch), parent, None if ref is None else ref.checkin)
        raise Refused(reason or f"{self.branch} could not be published")

    def _manifest(self, cards: Sequence[FileCard], comment: str, parent: ArtifactId | None) -> CheckIn:
        before = 0 if parent is None else self._writer.checkin(parent).date_ms
        if before >= self._author.now_ms + MAX_AHEAD_MS:
            raise Refused(
                f"{self.branch}: the version before is dated over 5 minutes ahead of this machine's clock: "
                "set the clock right"
            )
        return CheckIn(
            comment=comment,
            date_ms=max(self._author.now_ms, before + 1),
            user=self._author.login,
            files=tuple(cards),
            parents=() if parent is None else (parent,),
            tags=self._branch_tags(parent),
        )

    def _branch_tags(self, parent: ArtifactId | None) -> tuple[Tag, ...]:
        """What puts a child of `parent` on the branch; nothing where it inherits it.

        It does not where an administrator has moved what is served to another branch (stock's amend --branch).
        """
        placed = None if parent is None else places.placed(self._writer, parent)
        if placed is not None and placed.branch == str(self.branch):
            return ()
        tags = [Tag("*", "branch", None, str(self.branch)), Tag("*", f"sym-{self.branch}", None, None)]
        if placed is not None and placed.branch is not None:
            tags.append(Tag("-", f"sym-{placed.branch}", None, None))
        return tuple(tags)

    def _branch_of(self, checkin: ArtifactId | None) -> str | None:
        placed = None if checkin is None else places.placed(self._writer, checkin)
        return None if placed is None else placed.branch

    def _is_closed(self, checkin: ArtifactId) -> bool:
        return symbols.tags(self._writer, checkin).get("closed", ("-",))[0] != "-"

    def _moved_aside(self, waiting: Iterable[ArtifactId]) -> list[str]:
        """A warning for each check-in that waited on the branch for a correction and lost its place to this commit."""
        moved = ((checkin, self._branch_of(checkin)) for checkin in waiting)
        return [
            f"{short(checkin)} ({self._writer.checkin(checkin).user}) waited unpublished; it is on branch {branch} now"
            for checkin, branch in moved
            if branch is not None and branch != str(self.branch)
        ]

    def _control(self, tag: Tag) -> None:
        artifact = Control(date_ms=self._author.now_ms, tags=(tag,), user=self._author.login)
        unsent.put_own(self._writer, artifact.encode())

    def _pieces(self, own: Mapping[str, ArtifactId]) -> list[tuple[cut.Piece, bytes]]:
        """The zone's canonical files in owner order, each with the key of its last owner."""
        rows = served.ordered(self._writer, self.zone, own)
        assert rows is not None
        return [(self._piece(name, row), row.last) for name, row in rows]

    def _piece(self, name: str, row: IndexRow) -> cut.Piece:
        return cut.Piece(name, self._writer.size(row.file), lambda: self._writer.content(row.file), row.first)

    def _edited_owners(
        self, pieces: Sequence[tuple[cut.Piece, bytes]], wanted: Sequence[Change]
    ) -> tuple[dict[bytes, list[Record]], dict[bytes, list[Record]]]:
        """The records of every owner that the changes touch, and the new ones of those that they really change."""
        lasts = [last for _, last in pieces]
        read: dict[int, dict[bytes, list[Record]]] = {}  # by owner, of each piece that a change may touch
        before: dict[bytes, list[Record]] = {}
        after: dict[bytes, list[Record]] = {}
        for change in wanted:
            owner = changes.owner_in(change.name, self.zone)
            if owner not in before:
                at = bisect_left(lasts, names.owner_key(owner))
                if at < len(pieces) and at not in read:
                    read[at] = self._by_owner(pieces[at][0])
                before[owner] = read.get(at, {}).get(owner, [])
            after[owner] = changes.changed(after.get(owner, before[owner]), owner, change)
        for owner in [owner for owner in after if after[owner] == before[owner]]:
            del after[owner]
        return before, after

    def _by_owner(self, piece: cut.Piece) -> dict[bytes, list[Record]]:
        held: dict[bytes, list[Record]] = {}
        for record in text.read(piece.load(), names.zone_name(self.zone), file=piece.name):
            held.setdefault(record.owner, []).append(record)
        return held


def check(zone: str, content: bytes, file: str) -> tuple[list[Record], list[str]]:
    """The records of a zone file and what it is warned of; `file` empty: people know of none, so no line is named.

    Raises:
        ZoneInvalid: it could not be served; every fault.
    """
    origin = names.zone_name(zone)
    records = text.read(content, origin, file=file)
    errors, warnings = checks.faults(records, origin)
    if errors:
        raise ZoneInvalid([replace(fault, file=file) for fault in errors])
    return records, [
        str(replace(warning, file=file, line=warning.line if file else 0)) for warning in warnings
    ]
