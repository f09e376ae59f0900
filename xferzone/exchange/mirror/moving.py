"""The refs of a mirror follow what a primary told (law 5), and their zones are compiled.

parts of PART branches, a transaction each; the last one remembers the cursor, too
zones that are new here are deferred in it, and compiled afterwards, outside of any transaction
a large zone all of whose files are new is compiled before the transaction that moves its ref
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from xferzone.errors import CorruptArtifact, NotFound, PeerError
from xferzone.exchange.mirror.following import Following
from xferzone.faults import fault
from xferzone.hashing import ArtifactId
from xferzone.publish import beforehand
from xferzone.publish.ahead import LARGE
from xferzone.publish.beforehand import Made, task_of
from xferzone.publish.deferred import compile_deferred, deferred
from xferzone.publish.follow import Compiling, Followed, follow
from xferzone.publish.noted import Noted
from xferzone.refs import BranchName, Door, LocalRefs, Occasion, indexes
from xferzone.replicate.client import Cursor
from xferzone.replicate.messages import Refs
from xferzone.store import Reader, Store, Writer
from xferzone.store.remotes import Mark, origin, put_remote
from xferzone.zone import cut
from xferzone.zone.compile import Task

PART: Final = 500  # branches followed in one transaction, some 0.4 s


@dataclass
class Moving:
    """The refs of one mirror.

    Fields:
        url: of the primary.
        accept_clobber: refs go where the primary's are, whatever leads there.
    """

    store: Store
    options: Following
    url: str = ""
    accept_clobber: bool = False

    def adopt(self, project: str) -> None:
        """Be of this project: that of the primary, if there was none yet. Raises PeerError: it is of another one."""
        with self.store.reader() as reader:
            ours = reader.setting("project-code")
        if ours is None:
            with self.store.writer() as writer:
                writer.set_setting("project-code", project)
        elif ours != project:
            raise PeerError(f"{self.url} is of project {project}, and this repository of {ours}")

    def follow(self, told: Refs, reached: Cursor, noted: Noted, made: Callable[[], Made]) -> Followed:
        """Move the refs to what was told, and remember the cursor unless something is incomplete, or stays behind.

        `made`: what was compiled meanwhile; asked for when the refs have moved.
        """
        tips = {f"{each.zone}/{each.name}": ArtifactId(each.hash) for each in told.branches}
        with self.store.reader() as reader:
            news = _news(reader, tips)
        done: list[Followed] = []
        for start in range(0, max(len(news), 1), PART):
            part = dict(list(news.items())[start : start + PART])
            ahead = self._compiled_ahead(part)
            is_last = start + PART >= len(news)
            with self.store.writer() as writer:
                refs = LocalRefs(writer)
                occasion = Occasion(self.options.env.clock_ms(), "", Door.PULL)
                compiling = Compiling(ahead.compile, noted, defers=True)
                done.append(
                    follow(writer, refs, part, occasion, compiling, accept_clobber=self.accept_clobber)
                )
                if is_last and not any(each.incomplete or each.invalid for each in done):
                    self._remember(writer, reached)
                fault(self.options.faults, "follower.before-last-commit", 0.05)
            fault(self.options.faults, "follower.after-last-commit", 0.05)
        self.compile_rest(made())
        return joined(done)

    def _remember(self, writer: Writer, reached: Cursor) -> None:
        known = origin(writer)
        if known is None:
            return  # `promote` has renamed it meanwhile
        epochs = {epoch: number for epoch, number in known.epochs.items() if epoch != reached.epoch}
        epochs[reached.epoch] = reached.number
        marks = {**known.marks, reached.epoch: Mark(reached.position, reached.checkin)}
        put_remote(writer, replace(known, epochs=epochs, marks=marks))

    # -- compiling

    def compile_rest(self, already: Made | None = None) -> None:
        """Compile the zones that were deferred, of this pull or of one that was interrupted.

        `already`: what is compiled.
        """
        with self.store.reader() as reader:
            left = deferred(LocalRefs(reader))
        while left:
            which, made = beforehand.some_made(self.store, left, self.options.compiler, already)
            left = left[len(which) :]
            with self.store.writer() as writer:
                compile_deferred(writer, LocalRefs(writer), which, made.compile)
                fault(self.options.faults, "follower.before-compiled", 0.02)

    def _compiled_ahead(self, tips: Mapping[str, ArtifactId]) -> Made:
        """What is large and all new, of branches that stand here."""
        tasks: list[Task] = []
        with self.store.reader() as reader:
            refs = LocalRefs(reader)
            for text, tip in tips.items():
                branch = BranchName.parse(text)
                if branch is None or refs.get(branch) is None or not reader.is_checkin(tip):
                    continue
                if _is_large_and_new(reader, branch.zone, tip):
                    task = task_of(reader, branch.zone, tip)
                    tasks += [] if task is None else [task]
        return Made.of(tasks, self.options.compiler)


def _is_large_and_new(reader: Reader, zone: str, checkin: ArtifactId) -> bool:
    try:
        files = cut.zone_files(zone, reader.files(checkin)).values()
    except (CorruptArtifact, NotFound):
        return False
    sizes = reader.sizes(files)
    if not LARGE < sum(sizes.values()) <= cut.MAX_ZONE or len(files) > cut.MAX_FILES:
        return False
    return not indexes.of_files(reader, zone, files)


def _news(reader: Reader, tips: Mapping[str, ArtifactId]) -> dict[str, ArtifactId]:
    stands = {str(ref.branch): ref.checkin for ref in LocalRefs(reader).list()}
    return {branch: tip for branch, tip in tips.items() if stands.get(branch) != tip}


def joined(parts: Sequence[Followed]) -> Followed:
    """What several parts did, as one."""
    return Followed(
        moved=tuple(each for part in parts for each in part.moved),
        diverged=tuple(each for part in parts for each in part.diverged),
        incomplete=tuple(each for part in parts for each in part.incomplete),
        invalid=tuple(each for part in parts for each in part.invalid),
        notices=tuple(dict.fromkeys(each for part in parts for each in part.notices)),
    )
