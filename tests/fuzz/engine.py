"""The loop of the fuzzer, for one kind.

    pick an input of the pool -> harm it 1 to 6 times -> check it, timed
        of a new shape, or by chance   -> check it again, its lines and its memory counted
        new lines, or a new shape      -> into the pool; with new lines, into the folder for what is kept, too
        a finding                      -> shrunk, written to a file, told with the command that repeats it

A seed gives the same inputs in the same order; how many depends on the seconds. The pool begins with the seeds of the
kind, which are checked first, and with its corpus.
"""

import random
import signal
import sys
import time
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Final

from tests.fuzz.harms import OF_OCTETS
from tests.fuzz.kind import Broken, Kind, Shape, kind_of_error
from tests.fuzz.reach import lines_of, peak_of
from tests.fuzz.shrink import shrunk

MOST_S: Final = 1.0  # of processor time, for a check
STUCK_S: Final = 10.0  # the same, after which it is interrupted
LOOKED_AT: Final = 200  # one input of so many is looked at without a new shape
MOST_POOL: Final = 2_000  # inputs; a new one takes the place of any that is no seed
MOST_FINDINGS: Final = 5  # different ones, after which the run ends
MOST_KEPT: Final = 8_192  # bytes of an input that is taken into the corpus
CORPUS: Final = Path(__file__).with_name("corpus")


class Stuck(Exception):
    """A check took STUCK_S."""


@dataclass(frozen=True, slots=True)
class Finding:
    """An input that broke something, shrunk, and what."""

    octets: bytes
    what: str


@dataclass(slots=True)
class Report:
    """What a run did."""

    kind: str
    executions: int = 0
    seconds: float = 0.0  # of processor time
    shapes: int = 0
    lines: int = 0
    kept: int = 0  # inputs that reached new lines
    slowest: float = 0.0  # seconds of processor time of one check
    findings: list[Finding] = field(default_factory=list)

    def __str__(self) -> str:
        speed = self.executions / self.seconds if self.seconds else 0.0
        return (
            f"{self.kind}: {self.executions:,} executions, {speed:,.0f} a second, {self.shapes:,} shapes, "
            f"{self.lines:,} lines reached, {self.kept} new inputs, slowest {self.slowest:.2f} s, "
            f"{len(self.findings)} findings"
        )


class Fuzzer:
    """One run of a kind. `keep`: the folder for inputs that reach new lines; None: they live as long as the run."""

    def __init__(self, kind: Kind, seed: int, keep: Path | None = None) -> None:
        self.report = Report(kind.name)
        self._kind, self._keep = kind, keep
        self._chance = random.Random(f"{kind.name} {seed}")
        self._pool = [*kind.seeds(), *corpus_of(kind)]
        self._begun = len(self._pool)
        self._shapes: set[Shape] = set()
        self._lines: set[tuple[str, int]] = set()
        self._broken: set[str] = set()

    def run(self, seconds: float) -> Report:
        """Check seeds and corpus, then mutations for `seconds` of processor time."""
        for octets in self._pool[: self._begun]:
            self._one(octets, is_seed=True)
        end = time.process_time() + seconds
        while (now := time.process_time()) < end and len(self._broken) < MOST_FINDINGS:
            for _ in range(20):
                self._one(self._next(), is_seed=False)
            self.report.seconds += time.process_time() - now
        self.report.shapes, self.report.lines = len(self._shapes), len(self._lines)
        return self.report

    def _next(self) -> bytes:
        """Another input."""
        chance, kind = self._chance, self._kind
        octets = min(chance.choice(self._pool), chance.choice(self._pool), key=len)  # small ones are fast
        for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
            harms = kind.harms if chance.random() < 0.8 else OF_OCTETS
            octets = chance.choice(harms)(chance, octets, self._pool)[: kind.largest]
        return octets

    def _one(self, octets: bytes, *, is_seed: bool) -> None:
        report = self.report
        begin = time.thread_time()
        what, shape = verdict(self._kind, octets)
        taken = time.thread_time() - begin
        report.executions += 1
        report.slowest = max(report.slowest, taken)
        is_new = shape not in self._shapes
        self._shapes.add(shape)
        by_chance = self._chance.randrange(LOOKED_AT) == 0
        if what is None and (is_new or by_chance or is_seed):
            what = self._look(octets, is_new=is_new, is_seed=is_seed)
        if what is not None:
            self._found(octets, what)

    def _look(self, octets: bytes, *, is_new: bool, is_seed: bool) -> str | None:
        """Count lines and memory; keep the input if it is worth it. What is wrong with its memory, or None."""
        lines = lines_of(lambda: verdict(self._kind, octets), self._kind.code) - self._lines
        self._lines |= lines
        if not is_seed and (lines or is_new):
            if len(self._pool) < MOST_POOL:
                self._pool.append(octets)
            else:
                self._pool[self._chance.randrange(self._begun, MOST_POOL)] = octets
        if not is_seed and lines:
            self.report.kept += 1
            if self._keep is not None:
                (self._keep / sha256(octets).hexdigest()[:16]).write_bytes(octets)
        return too_much(self._kind, octets)

    def _found(self, octets: bytes, what: str) -> None:
        """Note a finding, unless there is one of its name."""
        if what in self._broken:
            return
        self._broken.add(what)

        def is_same(smaller: bytes) -> bool:
            return wrong(self._kind, smaller) == what

        self.report.findings.append(Finding(shrunk(octets, is_same), what))


def corpus_of(kind: Kind) -> list[bytes]:
    """The inputs that are kept for a kind, by name."""
    return [path.read_bytes() for path in sorted((CORPUS / kind.name).glob("*"))]


def merge(kind: Kind, folder: Path) -> int:
    """Take the inputs of a folder into the corpus that reach new lines, small ones first; how many those are."""
    reached: set[tuple[str, int]] = set()
    for octets in (*kind.seeds(), *corpus_of(kind)):
        reached |= _lines_of(kind, octets)
    taken = 0
    for path in sorted(folder.glob("*"), key=lambda each: (each.stat().st_size, each.name)):
        octets = path.read_bytes()
        if len(octets) <= MOST_KEPT and (lines := _lines_of(kind, octets) - reached):
            reached |= lines
            (CORPUS / kind.name).mkdir(parents=True, exist_ok=True)
            (CORPUS / kind.name / path.name).write_bytes(octets)
            taken += 1
    return taken


def _lines_of(kind: Kind, octets: bytes) -> set[tuple[str, int]]:
    return lines_of(lambda: verdict(kind, octets), kind.code)


def wrong(kind: Kind, octets: bytes) -> str | None:
    """What an input breaks, its memory included; None: nothing."""
    what, _ = verdict(kind, octets)
    return what or too_much(kind, octets)


def verdict(kind: Kind, octets: bytes) -> tuple[str | None, Shape]:
    """What an input breaks, and its shape; None: nothing, but for its memory."""
    begin = time.thread_time()
    try:
        with _interrupted():
            shape = kind.check(octets)
    except Broken as exc:
        return f"broken: {exc}", None
    except Stuck:
        return f"over {STUCK_S:.0f} s", None
    except Exception as exc:  # noqa: BLE001  what a check lets out is what is looked for
        return f"{type(exc).__name__} in {_place(exc)}: {kind_of_error(exc)[1]}", None
    # What reach.py does makes a check slower, and is not counted against it.
    is_watched = sys.gettrace() is not None or tracemalloc.is_tracing()
    is_slow = time.thread_time() - begin > MOST_S and not is_watched
    return (f"over {MOST_S} s" if is_slow else None), shape


def too_much(kind: Kind, octets: bytes) -> str | None:
    """Whether a check takes more memory than its kind allows; None: it does not."""
    most = kind.memory(len(octets))
    return "too much memory" if peak_of(lambda: verdict(kind, octets)) > most else None


def _place(error: BaseException) -> str:
    """The innermost function that an error left, and its file."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "nowhere"
    return f"{Path(trace.tb_frame.f_code.co_filename).name} {trace.tb_frame.f_code.co_name}"


@contextmanager
def _interrupted() -> Iterator[None]:
    """Raise Stuck in a block that takes STUCK_S of processor time; in the main thread only."""

    def stuck(_signal: int, _frame: FrameType | None) -> None:
        raise Stuck

    before = signal.signal(signal.SIGVTALRM, stuck)
    signal.setitimer(signal.ITIMER_VIRTUAL, STUCK_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
