"""Which lines of some files a call reaches, and how much memory it takes at its peak.

The interpreter's trace function tells lines; only frames of the files that are asked for are traced line by line.
It makes a call some ten times as slow, so the engine looks at few.
"""

import sys
import tracemalloc
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

from tests.live import PROJECT

PACKAGE: Final = str(PROJECT / "xferzone") + "/"


def lines_of(call: Callable[[], object], code: tuple[str, ...]) -> set[tuple[str, int]]:
    """The lines that `call` reaches, as (file, number), in files below xferzone/ that begin with one of `code`."""
    reached: set[tuple[str, int]] = set()
    wanted = tuple(PACKAGE + each for each in code)
    known: dict[str, bool] = {}

    # Any: a trace function returns a trace function, a type without end.
    def line(frame: FrameType, event: str, _arg: object) -> Any:
        if event == "line":
            reached.add((frame.f_code.co_filename, frame.f_lineno))
        return line

    def begun(frame: FrameType, _event: str, _arg: object) -> Any:
        name = frame.f_code.co_filename
        if name not in known:
            known[name] = name.startswith(wanted)
        return line if known[name] else None

    before = sys.gettrace()
    sys.settrace(begun)
    try:
        call()
    finally:
        sys.settrace(before)
    return reached


def peak_of(call: Callable[[], object]) -> int:
    """The most bytes that `call` had allocated at one time."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
