"""Commits of our own: each appends one check-in to a zone branch and publishes it, in the caller's transaction.

    change     some owners' records           (set, add, delete, apply)
    replace    every record of the zone       (zone add, zone import, edit)
    reset      the files of an older check-in
    remove     no files: the zone is no longer served. If it is added again, its history continues. In a primary only
    fork_off   the first check-in of a new branch
    mark       a control artifact: a tag;   close: one that closes the branch

Only `remove` touches what a check-in holds beside the zone's own files (a README, scripts).

A zone that was written by hand gets one check-in that only changes its form before the first that changes its
records, so that the diff of the second shows the records alone. A mirror takes no commits.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from xferzone.artifacts import FileCard, Tag
from xferzone.edit import changed, delegation, doubts, merging
from xferzone.edit.appending import Appending, Author, Commit
from xferzone.edit.naming import check_new, check_new_tag
from xferzone.edit.pieces import Pieces
from xferzone.errors import Exists, Fault, NotFound, RecordsLost, Refused, UsageError, ZoneInvalid
from xferzone.hashing import ArtifactId, short
from xferzone.publish import above, losing, served
from xferzone.publish.deferred import compiled
from xferzone.publish.publish import withdraw
from xferzone.publish.serials import floor
from xferzone.refs import BranchName, LocalRefs, Ref, State, lookup
from xferzone.store import Writer, schema, symbols, unsent
from xferzone.store.places import Placed
from xferzone.store.remotes import origin_of
from xferzone.zone import checks, cut, loss
from xferzone.zone.changes import Change
from xferzone.zone.difference import Difference
from xferzone.zonefile import names
from xferzone.zonefile.rdtypes import SOA
from xferzone.zonefile.whole import DefaultTTL, ZoneText


class Edit:
    """One branch of one zone, about to be committed to."""

    def __init__(
        self, writer: Writer, refs: LocalRefs, branch: BranchName, author: Author, *, allow_loss: bool = False
    ) -> None:
        if writer.role == schema.MIRROR:
            raise Refused(
                f"this is a mirror{origin_of(writer, ' of ')}: commit there, or make it a primary with "
                "`xferzone promote`"
            )
        self.zone, self.branch = branch.zone, branch
        self._writer, self._refs, self._author = writer, refs, author
        self._allow_loss = allow_loss
        self._appending = Appending(writer, refs, branch, author)
        self._told: list[str] = []  # what the check-in warned of that only changed the form

    def change(self, wanted: Sequence[Change], comment: str) -> Commit:
        """Apply the changes in order, as one check-in.

        Raises:
            NotFound: no such zone, or a delete of what is not there.
            ZoneInvalid: the zone could not be served.
            RecordsLost: much of it would go.
        """
        ref = self._served()
        ref = self._canonical(ref)
        own = self._zone_files(self._writer.files(ref.checkin))
        pieces = Pieces(self._writer, self.zone, own)
        before, edits = pieces.edited(wanted)
        if not edits:
            return Commit(self.branch, None, ref.serial)
        doubts.check_owners(self.branch, wanted, before, edits)
        doubtful = self._doubts(wanted, pieces)
        doubtful += delegation.warnings(self._writer, self._refs, self.branch, wanted, edits)
        gone, come = cut.recut(self.zone, pieces.all, edits, pieces.default)
        kept = {name: file for name, file in own.items() if name not in gone}
        kept |= {name: unsent.put_own(self._writer, content) for name, content in come}
        if kept == own:
            return Commit(self.branch, None, ref.serial)
        done = self._appending.append(self._beside(ref.checkin, kept), comment, ref.checkin)
        changes = changed.in_owners(self.zone, before, edits, pieces.default)
        is_batch = any(change.place for change in wanted)
        self._check_loss(ref, changes, at_least=1 if is_batch else loss.MIN_RECORDS)
        says_soa = any(change.rdtype == SOA and change.verb != "delete" for change in wanted)
        told = self._serial_warning(done, ref, is_given=says_soa)
        lost = doubts.lost_comments(before, edits)
        warnings = dict.fromkeys(
            (*doubtful, *self._new_warnings(own, kept), *lost, *told, *self._told, *done.warnings)
        )
        return replace(done, warnings=tuple(warnings), changes=changes)

    def replace(self, given: ZoneText, comment: str, base: ArtifactId | None = None) -> Commit:
        """Make `given` the zone's content. If it was made from `base`, what was published since is merged in.

        If it says nothing of the default TTL, the zone keeps its own.

        Raises:
            NotFound: it was made from `base`, and the zone is no longer served.
            LostRace: what was published since changed the same records.
            ZoneInvalid: the zone could not be served.
            RecordsLost: much of it would go.
        """
        ref = self._refs.get(self.branch) if base is None else self._served()
        if ref is not None and base not in (None, ref.checkin):
            given = merging.onto(self._writer, ref, base, given)
        if ref is not None and ref.state is not State.REMOVED:
            ref = self._canonical(ref)
        parent = None if ref is None else ref.checkin
        default = given.default or self._default_ttl(parent)
        own = self._stored(cut.cut(self.zone, given.records, default))
        if parent is None:
            check_new(str(self.branch), self._refs)
        before = {} if parent is None else self._zone_files(self._writer.files(parent))
        if own == before:
            return Commit(self.branch, None, None if ref is None else ref.serial)
        done = self._appending.append(self._beside(parent, own), comment, parent)
        changes = self._changes(before, own)
        self._check_loss(ref, changes)
        told = self._serial_warning(done, ref, is_given=False)
        return replace(done, warnings=(*told, *self._told, *done.warnings), changes=changes)

    def reset(self, to: ArtifactId, comment: str) -> Commit:
        """Append a check-in with the files of `to`, above what was not published.

        Raises:
            NotFound: the branch was never served.
            ZoneInvalid: the zone could not be served.
            RecordsLost: much of it would go.
        """
        ref = self._refs.get(self.branch)
        if ref is None:
            raise NotFound(
                f"{self.branch} has never been served: `xferzone branch {self.zone} NAME REV` begins a branch"
            )
        if not self._writer.files(to) and ref.state is not State.REMOVED:
            reason = f"{self.zone} was removed there: take another REV, as {short(to)}~1"
            raise ZoneInvalid([Fault("", 0, reason)])
        before, after = self._writer.files(ref.checkin), self._writer.files(to)
        left = above.unpublished(self._writer, ref)
        if before == after and not left:
            return Commit(self.branch, None, ref.serial)
        if not self._allow_loss:
            ref = compiled(self._writer, self._refs, ref)
        done = self._append_above(ref, left, to, comment)
        changes = self._changes(before, after)
        self._check_loss(ref, changes)
        return replace(done, changes=changes)

    def _append_above(self, ref: Ref, left: Sequence[Placed], to: ArtifactId, comment: str) -> Commit:
        """Append a check-in with the files of `to`, above `left`, which stands unpublished on the ref."""
        passed = above.revertible(self._writer, ref, left, self._author.now_ms)
        parent = passed[-1].id if passed else ref.checkin
        try:
            done = self._appending.append(self._writer.file_cards(to), comment, parent, as_cut=False)
        except ZoneInvalid as exc:
            reason = f"{short(to)} could not be served: take another REV, as {short(to)}~1"
            raise ZoneInvalid([*exc.faults, Fault("", 0, reason)]) from exc
        return done.warned(
            f"{short(each.id)} ({self._writer.checkin(each.id).user}) was not published; this check-in replaces it"
            for each in passed
        )

    def remove(self, comment: str) -> Commit:
        """Append an empty check-in: the zone is no longer served.

        Raises:
            NotFound: it is not served.
            Refused: this is a clone, and its primary would not take the removal by a push.
        """
        ref = self._served()
        if self._writer.role != schema.PRIMARY:
            raise Refused(
                "this is a clone: remove the zone in the repository that it follows "
                f"(`xferzone zone remove {self.zone}` there, then sync here)"
            )
        checkin = unsent.put_own(self._writer, self._appending.manifest((), comment, ref.checkin).encode())
        withdraw(self._writer, self._refs, self.branch, checkin, self._author.occasion)
        changes = self._changes(self._writer.files(ref.checkin), {})
        return Commit(self.branch, checkin, ref.serial, changes=changes)

    def fork_off(self, at: ArtifactId, comment: str) -> Commit:
        """Begin the branch at check-in `at`, with its files.

        Raises:
            Exists: it is there already.
            UsageError: it cannot have that name.
        """
        check_new(str(self.branch), self._refs)
        if self._refs.get(self.branch) is not None or str(self.branch) in symbols.branches(self._writer):
            raise Exists(f"there is a branch {self.branch} already")
        if symbols.tagged(self._writer, f"sym-{self.branch}"):
            raise UsageError(f"{self.branch} is a tag: take another name")
        return self._appending.append(self._writer.file_cards(at), comment, at, as_cut=False)

    def mark(self, tag: str, at: ArtifactId) -> Commit:
        """Tag check-in `at`.

        Raises:
            Exists: it is on another one already.
            UsageError: it cannot have that name.
        """
        check_new_tag(tag, self._refs)
        if tag in symbols.branches(self._writer):
            raise UsageError(f"{tag} is a branch: take another name for the tag")
        there = symbols.tagged(self._writer, f"sym-{tag}")
        if there == [at]:
            return Commit(self.branch, None, None, tag=tag)
        if there:
            raise Exists(f"{tag} is a tag already, on {short(there[0])}: take another name")
        self._appending.control(Tag("+", f"sym-{tag}", at, None))
        return Commit(self.branch, at, None, tag=tag)

    def close(self) -> Commit:
        """Close the branch at its tip, for stock's lists. Raises NotFound: no such branch; Refused: DNS serves it."""
        ref = self._refs.get(self.branch)
        if self.branch.is_main and ref is not None and ref.state is not State.REMOVED:
            raise Refused(
                f"{self.branch} is what DNS serves, so it stays open: `xferzone zone remove {self.zone}` ends the zone"
            )
        tip = symbols.branch_tip(self._writer, str(self.branch)) if ref is None else ref.checkin
        if tip is None:
            raise NotFound(f"there is no branch {self.branch}: `xferzone branch {self.zone}` lists them")
        if self._appending.is_closed(tip):
            return Commit(self.branch, None, None)
        self._appending.control(Tag("+", "closed", tip, None))
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
        records = served.read_all(self._writer, self.zone, own).records
        return [warning.reason for warning in checks.faults(records, origin)[1]]

    def _doubts(self, wanted: Sequence[Change], pieces: Pieces) -> list[str]:
        """Warnings of targets without final dot that may have been meant relative to the zone."""

        def is_held(owner: bytes) -> bool:
            return bool(pieces.records(owner))

        asked = is_held if len(wanted) == 1 else None  # not for each change of a batch
        targets = (target for change in wanted if change.verb != "delete" for target in change.targets)
        found = (doubts.relative(self._refs, self.zone, target, asked) for target in targets)
        return [doubt for doubt in found if doubt is not None]

    def _serial_warning(self, done: Commit, ref: Ref | None, *, is_given: bool) -> tuple[str, ...]:
        """A warning if a serial that the change or its text has just given is not the one that is served."""
        if done.checkin is None or ref is None or done.serial is None:
            return ()
        given = floor(self._writer, self.zone, done.checkin)
        is_given |= given != floor(self._writer, self.zone, ref.checkin)
        if given in (None, done.serial) or not is_given:
            return ()
        return (
            f"the serial {given} is not after {ref.serial}, which was served: {done.serial} is served now",
        )

    def _check_loss(self, before: Ref | None, change: Difference, *, at_least: int = 1) -> None:
        """Raise RecordsLost if the change takes too much of the zone at `before`, and `at_least` so many records."""
        lost = loss.of_lines(change)
        if self._allow_loss or before is None or sum(lost.values()) < at_least:
            return
        found = losing.too_much(self._writer, before, lost)
        if found is not None:
            raise RecordsLost(
                f"{self.branch} would lose {found.told(self.zone)}; the limit is {loss.MAX_LOST} %"
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
        read = served.read_all(self._writer, self.zone, own)
        cards = self._beside(ref.checkin, self._stored(cut.cut(self.zone, read.records, read.default)))
        done = self._appending.append(cards, f"canonical form of {self.zone}", ref.checkin)
        self._told += done.warnings
        moved = self._refs.get(self.branch)
        assert moved is not None
        return moved

    def _changes(self, before: Mapping[str, ArtifactId], after: Mapping[str, ArtifactId]) -> Difference:
        """Of the zone between two versions, both published, given with all their files."""
        return changed.in_files(self._writer, self.zone, self._zone_files(before), self._zone_files(after))

    def _default_ttl(self, parent: ArtifactId | None) -> DefaultTTL | None:
        """The default TTL of the zone in `parent`. None: it has no records there."""
        held = {} if parent is None else self._zone_files(self._writer.files(parent))
        return served.default_ttl(self._writer, self.zone, held) if held else None

    def _stored(self, files: Iterable[tuple[str, bytes]]) -> dict[str, ArtifactId]:
        return {name: unsent.put_own(self._writer, content) for name, content in files}

    def _zone_files(self, everything: Mapping[str, ArtifactId]) -> dict[str, ArtifactId]:
        return cut.zone_files(self.zone, everything)

    def _beside(self, parent: ArtifactId | None, own: Mapping[str, ArtifactId]) -> list[FileCard]:
        """The zone's files, and all others as the parent has them."""
        kept = [] if parent is None else self._writer.file_cards(parent)
        others = [card for card in kept if not cut.is_zone_file(self.zone, card.name)]
        return others + [FileCard(name, file) for name, file in own.items()]
