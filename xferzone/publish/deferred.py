"""Zones of a fresh clone, compiled when somebody first needs it: who clones to read and to edit may never do.

    refs as a server of ours told them ─> DEFERRED ─> compiled   before DNS is answered from this repository,
                                                                 before the zone is edited here,
                                                                 or with the ref's next move

Until then they stand where that server has published them, which checked the zones. One that cannot be compiled here,
or whose artifacts are damaged, stays as it is, and whoever asks for it is told so; all others are served.
"""

from collections.abc import Sequence
from typing import Final

from xferzone.errors import CorruptArtifact, NotFound, XferzoneError, ZoneInvalid
from xferzone.publish import served
from xferzone.publish.served import Compiler, compile_all
from xferzone.refs import DEFERRED, LocalRefs, Ref
from xferzone.store import Writer

AT_ONCE: Final = 500  # zones compiled in one transaction, some 2 s


def waiting(refs: LocalRefs) -> list[Ref]:
    """The refs whose zones are not compiled yet, by branch."""
    return [ref for ref in refs.list() if ref.numbers == DEFERRED]


def compile_deferred(
    writer: Writer, refs: LocalRefs, which: Sequence[Ref], compiler: Compiler
) -> list[tuple[Ref, XferzoneError]]:
    """Compile what those of these refs stand on that wait still; the ones that cannot be served, and why."""
    try:
        return _compile(writer, refs, which, compiler)
    except (CorruptArtifact, NotFound) as exc:
        if len(which) == 1:
            return [(which[0], exc)]
    # One of them is damaged, and no reason why the others should not be served.
    return [left for ref in which for left in compile_deferred(writer, refs, [ref], compiler)]


def _compile(
    writer: Writer, refs: LocalRefs, which: Sequence[Ref], compiler: Compiler
) -> list[tuple[Ref, XferzoneError]]:
    which = [ref for ref in which if refs.get(ref.branch) == ref]
    wanted = [(ref.branch.partition("/")[0], writer.files(ref.checkin)) for ref in which]
    invalid: list[tuple[Ref, XferzoneError]] = []
    for ref, made in zip(which, served.served_forms(writer, wanted, compiler), strict=True):
        if isinstance(made, ZoneInvalid):
            invalid.append((ref, made))
        else:
            refs.repack(ref.branch, made.numbers, ())
    return invalid


def compiled(writer: Writer, refs: LocalRefs, ref: Ref) -> Ref:
    """The ref, its zone compiled now if it was not yet. Raises ZoneInvalid, or CorruptArtifact."""
    if ref.numbers != DEFERRED:
        return ref
    for _, invalid in compile_deferred(writer, refs, [ref], compile_all):
        raise invalid
    found = refs.get(ref.branch)
    assert found is not None
    return found
