"""Artifacts that are damaged here, fetched anew from any repository of the project: they are known by their hash."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from xferzone.errors import CorruptArtifact, NotFound
from xferzone.exchange.options import Options
from xferzone.exchange.running import Running
from xferzone.hashing import ArtifactId
from xferzone.store import Reader, Store, Writer
from xferzone.store.check import replace
from xferzone.sync.client.repair import RepairSession
from xferzone.transport import Transport

MAX_PASSES: Final = 10  # a damaged delta shows when what it needs has been mended


@dataclass(frozen=True, slots=True)
class Repaired:
    """What a repair came to.

    Fields:
        repaired: artifacts put in their place, in order.
        damaged: what is damaged still.
        errors: why the peer ended the session; empty: it did not.
    """

    repaired: tuple[ArtifactId, ...] = ()
    damaged: tuple[ArtifactId, ...] = ()
    errors: tuple[str, ...] = ()


def repair(
    store: Store,
    transport: Transport,
    options: Options | None = None,
    damaged: Sequence[ArtifactId] | None = None,
) -> Repaired:
    """Fetch what is damaged, by default all that cannot be read. What is sound stays as it is.

    Raises:
        PeerError: the peer cannot be reached, or breaks the protocol. What was put in place stays.
        Cancelled: `options.cancelled` said so; the same.
    """
    options = options or Options()
    left = find_damaged(store) if damaged is None else list(damaged)
    repaired: list[ArtifactId] = []
    for _ in range(MAX_PASSES):
        if not left:
            break
        with store.reader() as reader:
            wishes = dataclasses.replace(options, tables=False).for_session(pull=True, push=False)
            session = RepairSession(reader.project_code, wishes, left)
        running = Running(store, transport, session, options)
        with running.observed("repair"):
            running.drive()
        repaired += session.repaired
        left = find_damaged(store)
        if session.errors:
            return Repaired(tuple(repaired), tuple(left), tuple(session.errors))
        if not session.repaired:
            break
    return Repaired(tuple(repaired), tuple(left))


def repair_from(store: Store, source: Store, damaged: Sequence[ArtifactId]) -> Repaired:
    """Replace what is damaged by what `source`, another repository here, has. What is sound stays as it is."""
    left, repaired = list(damaged), list[ArtifactId]()
    for _ in range(MAX_PASSES):
        with store.writer() as writer, source.reader() as reader:
            found = [artifact for artifact in left if _replaced(writer, reader, artifact)]
        repaired += found
        if not found:
            break
        left = find_damaged(store)
    return Repaired(tuple(repaired), tuple(left))


def _replaced(writer: Writer, source: Reader, artifact: ArtifactId) -> bool:
    """Whether `source` could be read there."""
    try:
        content = source.content(artifact)
    except (NotFound, CorruptArtifact):
        return False
    replace.replace(writer, artifact, content)
    return True


def find_damaged(store: Store) -> list[ArtifactId]:
    """Every artifact that cannot be read, all of them looked at."""
    with store.reader() as reader:
        return replace.damaged(reader)
