"""Zones of a fresh clone are compiled on first use; a clone that only reads and edits may never need it.

    refs as a server of ours told them ─> DEFERRED ─> SERVED     before DNS is answered from this repository,
                                                                 before the zone is edited here,
                                                                 or with the ref's next move

Until then the refs stand where that server published them, after it checked the zones. A zone that cannot be compiled
here, or whose artifacts are damaged, stays deferred and is reported to whoever asks for it; all others are served.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from xferzone.errors import CorruptArtifact, NotFound, XferzoneError, ZoneInvalid
from xferzone.publish import served
from xferzone.publish.served import Compiler, compile_all
from xferzone.refs import LocalRefs, Ref, State
from xferzone.store import Writer

AT_ONCE: Final = 100  # zones compiled in one transaction, some 0.4 s


def deferred(refs: LocalRefs) -> list[Ref]:
    """The refs whose zones are still to be compiled, by branch."""
    return [ref for ref in refs.list() if ref.state is State.DEFERRED]


def compile_deferred(
    writer: Writer, refs: LocalRefs, which: Sequence[Ref], compiler: Compiler
) -> list[tuple[Ref, XferzoneError]]:
    """Compile the zones of those of these refs that have not moved since.

    Returns the refs whose zones cannot be served, and why.
    """
    try:
        return _compile(writer, refs, which, compiler)
    except (CorruptArtifact, NotFound) as exc:
        if len(which) == 1:
            return [(which[0], exc)]
    # One of them is damaged. Compile each alone, so that the others are served.
    return [left for ref in which for left in compile_deferred(writer, refs, [ref], compiler)]


def _compile(
    writer: Writer, refs: LocalRefs, which: Sequence[Ref], compiler: Compiler
) -> list[tuple[Ref, XferzoneError]]:
    which = [ref for ref in which if refs.get(ref.branch) == ref]
    wanted = [(ref.branch.zone, writer.files(ref.checkin)) for ref in which]
    invalid: list[tuple[Ref, XferzoneError]] = []
    for ref, made in zip(which, served.numbers_of_each(writer, wanted, compiler), strict=True):
        if isinstance(made, ZoneInvalid):
            invalid.append((ref, made))
        else:
            refs.repack(replace(ref, state=State.SERVED, numbers=made), ())
    return invalid


def compiled(writer: Writer, refs: LocalRefs, ref: Ref) -> Ref:
    """The ref, its zone compiled now if that was deferred. Raises ZoneInvalid, or CorruptArtifact."""
    if ref.state is not State.DEFERRED:
        return ref
    for _, invalid in compile_deferred(writer, refs, [ref], compile_all):
        raise invalid
    found = refs.get(ref.branch)
    assert found is not None
    return found
