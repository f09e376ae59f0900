"""Faults of the dictionaries that a repository has of its own: what artifacts are packed with has to be there."""

from collections.abc import Iterator

from xferzone.store import frames, training
from xferzone.store.check.layout import BACKUP
from xferzone.store.reader import Reader


def faults(reader: Reader) -> Iterator[str]:
    """A line for each that is damaged, or missing."""
    kept = training.kept(reader)
    for name in sorted(kept.keys() | training.needed(reader)):
        if name not in kept:
            yield f"setting {name}, a dictionary that artifacts are packed with, is missing: {BACKUP}"
        elif not (octets := frames.parse(kept[name])) or name != f"{frames.OWN}{frames.id_of(octets)}":
            yield f"setting {name}, a dictionary, is damaged: {BACKUP}"
