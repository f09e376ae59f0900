"""Commits that go on in the background while something else is tried."""

import contextlib
import itertools
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.live import Person

LEAST = 3  # commits that end before the block does


@contextlib.contextmanager
def committing(repository: Path, person: Person, zones: Sequence[str]) -> Iterator[list[str]]:
    """`xferzone set` in a loop, on the zones in turn; the owners that were set so far. Each must succeed."""
    made: list[str] = []
    over = threading.Event()

    def commit() -> None:
        for number, zone in enumerate(itertools.cycle(zones)):
            if over.is_set() and number >= LEAST:
                return
            owner = f"busy{number}.{zone}"
            person.xferzone("-R", repository, "set", owner, "A", f"192.0.2.{number % 250 + 1}")
            made.append(owner)

    with ThreadPoolExecutor(1) as pool:
        commits = pool.submit(commit)
        try:
            yield made
        finally:
            over.set()
        commits.result()
