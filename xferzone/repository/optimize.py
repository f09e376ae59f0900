"""Keeping a repository in less room; what it holds and serves stays."""

from pathlib import Path
from typing import NamedTuple

from xferzone.store import Store, repacking, training
from xferzone.store.repacking import Repacked


class Optimized(NamedTuple):
    """Bytes of the file before and after, and what became of its frames."""

    before: int
    after: int
    repacked: Repacked


def optimize(path: Path) -> Optimized:
    """Repack the repository `path`. Others may use it, but for a while at the end, in which nobody can write.

    Raises:
        Busy: somebody keeps it open to read or write while it is written anew.
        NoRoom: the disk is full. What was repacked until then stays.
    """
    with Store.open(path) as store:
        store.write_out()
        before = path.stat().st_size
        with store.writer(in_parts=True) as writer:
            repacking.note_all(writer)
        with store.writer(in_parts=True) as writer:
            repacking.rechain(writer)
        with store.reader() as reader:
            dictionary = training.trained(reader)
        with store.writer(in_parts=True) as writer:
            if dictionary is not None:
                training.keep(writer, dictionary)
            repacked = repacking.recompress(writer, dictionary)
            repacking.recompress_compiled(writer)
        with store.writer() as writer:
            training.drop_unused(writer)
        store.vacuum()
        return Optimized(before, path.stat().st_size, repacked)
