"""Fault points: named places where a process may die, or a step may fail. Handed in from the rim: tests own bad luck.

    fault(faults, "store.before-commit", 0.02)             the process may die here
    if fails(faults, "store.disk-full", 0.02): raise ...   this step may fail; the place raises what would really happen

Nothing is set in a program that serves people: then each place costs one test for None.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Faults:
    """Bad luck as a test owns it. Both are given the name of the place, and how probable the fault is there.

    Probabilities are of 1, and relative to each other: whoever sets the faults makes them more or less frequent.

    Fields:
        dies: raises a BaseException of its owner's where the process is to die. Nothing of this package catches it;
            transactions that were not committed are rolled back. The owner then lets go of all that the process held.
        fails: whether the step is to fail.
    """

    dies: Callable[[str, float], None]
    fails: Callable[[str, float], bool]


def fault(faults: Faults | None, site: str, p: float) -> None:
    """A place where the process may die: a crash between two steps."""
    if faults is not None:
        faults.dies(site, p)


def fails(faults: Faults | None, site: str, p: float) -> bool:
    """Whether the step at this place is to fail, as it would for want of a disk, a lock or a peer."""
    return faults is not None and faults.fails(site, p)
