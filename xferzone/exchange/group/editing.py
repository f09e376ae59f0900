"""A verb's changes in a member: worked out as in a primary, taken back, and brought as a push would bring them.

    one transaction, rolled back     the verb does its work, as if this were a primary: it finds what it would store
    another, committed               what it would have stored, brought by whoever runs the verb: planned
    the group decides                deciding.py; then what became of each move

So no transaction is open while the group is asked, and what the verb reports is what was served then, or its error says
what became of the work. Verbs of one member take turns, since each builds on what is served.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from xferzone.env import SYSTEM, Env
from xferzone.errors import Away, Busy, LostRace, NoRoom, RefConflict, Refused, XferzoneError
from xferzone.exchange.group.deciding import Group
from xferzone.exchange.publishing import Run, follow_keys
from xferzone.hashing import ArtifactId, artifact_id, short
from xferzone.publish import forks, joint
from xferzone.publish.agreed import KEPT
from xferzone.refs import BranchName, LocalRefs, Occasion, Publication
from xferzone.refs.consensus import MAX_MOVES
from xferzone.store import Reader, Store, Writer, ancestry, brought, controls, places, schema
from xferzone.store.brought import Bringer
from xferzone.store.incoming import Received

PATIENCE_S: Final = 120.0  # seconds that a verb waits for others
AGAIN_S: Final = 5.0  # seconds that a verb waits for a group that cannot decide
_LOOK_S: Final = 0.2
_NAP_S: Final = 0.02
_TURNS: Final = (
    ".editing"  # behind the repository's name: the file that is locked by the verb whose turn it is
)


class _TakenBack(Exception):
    """Rolls the transaction back: what it found is known, and what waits is as it was."""


@dataclass
class _Worked:
    """What a verb would store, in order, the moves it would make, and where all refs stood before."""

    artifacts: list[Received] = field(default_factory=list)
    moves: Sequence[Publication] = ()
    stood: Mapping[BranchName, ArtifactId] = field(default_factory=dict)


@contextmanager
def editing(
    store: Store, group: Group | None, occasion: Occasion, env: Env = SYSTEM
) -> Iterator[tuple[Writer, LocalRefs]]:
    """The write transaction of a verb, and the refs in it; what it makes is served when the block has ended well.

    Raises:
        Away: the group cannot decide now; the message says whether anything was kept.
        Refused: it changes too many branches at once; nothing was kept.
        RefConflict: somebody else was first; nothing was kept.
        LostRace: the same, after it was; the message says where the work is.
    """
    if group is None:
        raise Busy(f"{store.path} has just left its group: try again")
    _check_allowed(group, env)
    with _alone(store.path, env):
        worked = _Worked()
        try:
            with store.writer() as writer:
                refs, row = LocalRefs(writer), writer.last_row()
                stood = {ref.branch: ref.checkin for ref in refs.list()}
                number = refs.newest()
                writer.set_setting("role", schema.PRIMARY)
                places.leave_unpublished(writer)  # what waits for the group is not decided here
                joint.begin(writer, f"{group.name} {env.clock_ms()} {row}")
                yield writer, refs
                writer.set_setting("role", schema.MEMBER)
                worked = _worked(writer, row, refs.since(number), stood, occasion.login)
                raise _TakenBack
        except _TakenBack:
            pass
        if worked.artifacts:
            try:
                _check_news(store, group, occasion, worked, env)
            except Away as exc:
                raise _nothing_kept(exc) from exc
            _bring(store, group, occasion, worked, env)


def _check_allowed(group: Group, env: Env) -> None:
    """Raise Away if the group cannot decide; what is over soon, as after a restart of etcd, is waited for."""
    end = env.monotonic() + AGAIN_S
    while True:
        try:
            group.check()
            return
        except Away as exc:
            if env.monotonic() > end:
                raise _nothing_kept(exc) from exc
            env.sleep(_LOOK_S)


def _nothing_kept(exc: Away) -> Away:
    return type(exc)(f"{exc}: nothing was kept; try again, or see `xferzone group check`")


def _worked(
    writer: Writer, row: int, moves: Sequence[Publication], stood: Mapping[BranchName, ArtifactId], login: str
) -> _Worked:
    """What was stored behind `row`, and what lists it if it is a joint change.

    Raises:
        Refused: of too many branches.
        RefConflict: a part has lost to what waits here already: a branch that is to begin, by somebody else's work.
    """
    ends = {move.branch: move.checkin for move in moves}
    if len(ends) > MAX_MOVES:
        raise Refused(
            f"this changes {len(ends)} branches, and members accept at most {MAX_MOVES} together: nothing was kept; "
            "change them by several commands, or in a clone, from which each branch is pushed by itself"
        )
    for lost in joint.left_out(writer, ends, writer.names_since(row)):
        placed = places.placed(writer, lost)
        now_on = BranchName.parse(None if placed is None else placed.branch)
        home = now_on.fork_of if now_on is not None and now_on.is_fork else now_on
        if home is not None:
            raise RefConflict(str(home), stood.get(home), ends.get(home))
    listing = joint.control(writer, ends, login)
    # It comes first: who has a part of what comes together has the list.
    first = [] if listing is None else [Received(artifact_id(listing), None, listing)]
    return _Worked([*first, *_stored_since(writer, row)], moves, stood)


def _stored_since(reader: Reader, row: int) -> list[Received]:
    """What was stored behind `row`, but for forks, which are made when the refs have moved."""
    contents = ((each, reader.content(each)) for each in reader.names_since(row))
    return [Received(each, None, content) for each, content in contents if not forks.is_one(content)]


def _check_news(store: Store, group: Group, occasion: Occasion, worked: _Worked, env: Env) -> None:
    """Raise RefConflict, before anything is kept, if the verb built on what the group has gone on from."""
    tips = group.refs.read([move.branch for move in worked.moves])
    news = {
        branch: tip
        for branch, tip in tips.items()
        if tip is not None and tip.checkin != worked.stood.get(branch)
    }
    if not news:
        return
    agreed = follow_keys(store, group, news, occasion, env)
    for branch, tip in news.items():
        if branch in agreed.left:
            raise Away(f"{branch}: {agreed.left[branch]}")
        raise RefConflict(str(branch), worked.stood.get(branch), tip.checkin)


def _bring(store: Store, group: Group, occasion: Occasion, worked: _Worked, env: Env) -> None:
    run = Run(store, env, group)
    with store.writer() as writer:
        row, before = writer.last_row(), {*places.unplaced_branches(writer)}
        writer.put_all(worked.artifacts)
        brought.note(
            writer, [each.artifact for each in worked.artifacts], Bringer(occasion.login, occasion.door.value)
        )
        writer.fault("group.brought", 0.1)
        released = {*places.unplaced_branches(writer)} - before
        run.decide_only(released | {str(move.branch) for move in worked.moves})
        notices, is_all = run.part(writer, occasion)
        loose = controls.names(writer, {position for position, _, _ in controls.since(writer, row)})
    try:
        while not is_all:
            run.between()
            with store.writer() as writer:
                more, is_all = run.part(writer, occasion)
            notices += more
        why = group.hold_copies(store, loose) if loose and not worked.moves else None
    except (Away, Busy, NoRoom) as exc:
        raise Away(f"{KEPT}: {exc}") from exc
    if why is not None:
        raise Away(f"kept here, and not safe yet: {why}")
    with store.reader() as reader:
        _check(reader, worked, notices)


def _check(reader: Reader, worked: _Worked, notices: Sequence[str]) -> None:
    """Raise what became of moves, unless their refs stand there, or have gone on from there."""
    forked: list[tuple[Publication, BranchName]] = []
    waiting: list[Publication] = []
    for move in worked.moves:
        ref = LocalRefs(reader).get(move.branch)
        if ref is not None and ancestry.leads_to(reader, ref.checkin, move.checkin):
            continue
        placed = places.placed(reader, move.checkin)
        now_on = BranchName.parse(None if placed is None else placed.branch)
        if now_on is not None and now_on.is_fork:
            forked.append((move, now_on))
        else:
            waiting.append(move)
    if forked:
        raise LostRace(_lost(reader, worked, forked))
    if waiting:
        first = waiting[0]
        why = next(
            (each for each in notices if each.startswith(f"{first.branch}: ")), f"{first.branch}: {KEPT}"
        )
        more = f", and with it what goes to {len(waiting) - 1} more branches" if len(waiting) > 1 else ""
        raise Away(f"{why} (check-in {short(first.checkin)}{more})")


def _lost(reader: Reader, worked: _Worked, forked: Sequence[tuple[Publication, BranchName]]) -> str:
    """Who was first where, and on which fork branches the work is."""
    refs = {ref.branch: ref.checkin for ref in LocalRefs(reader).list()}
    first = [move for move, _ in forked if refs.get(move.branch) != worked.stood.get(move.branch)]
    raced = " and ".join(dict.fromkeys(str(move.branch) for move in first or [move for move, _ in forked]))
    where = ", ".join(f"{short(move.checkin)} on branch {fork}" for move, fork in forked)
    if len(forked) == 1:
        where = f"{short(forked[0][0].checkin)}, is kept on branch {forked[0][1]}"
        return f"{raced}: somebody else was first; your work, {where}: look, and make the change again"
    return f"{raced}: somebody else was first; your work is kept: {where}: look, and make the changes again"


@contextmanager
def _alone(repository: Path, env: Env) -> Iterator[None]:
    """Be the only verb that changes this member. Raises Busy after PATIENCE_S."""
    path = repository.with_name(repository.name + _TURNS)
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise XferzoneError(f"{path}, by which verbs take turns, cannot be opened: {exc.strerror}") from exc
    try:
        end = env.monotonic() + PATIENCE_S
        while not _is_locked(lock):
            if env.monotonic() > end:
                raise Busy(f"another verb changes {repository}: try again")
            env.sleep(_NAP_S)
        yield
    finally:
        os.close(lock)


def _is_locked(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
