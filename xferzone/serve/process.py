"""The services of the system for a process: an end in order, its terminal, and, on Linux, death with the parent,
adoption of orphans, a title.

On other systems the latter do nothing: children of a killed parent then have to notice by themselves.

Source: prctl(2), PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER, PR_SET_NAME; proc(5), fields 48 and 49 of stat; tty(4).
"""

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

HANGUP_S = 0.2  # seconds that the kernel may take to hang a terminal up
_SET_PDEATHSIG = 1
_SET_NAME = 15
_SET_CHILD_SUBREAPER = 36
_NAME_SIZE = 15  # bytes, what the kernel keeps of PR_SET_NAME
_THRESHOLD = gc.get_threshold()


def die_with(parent: int) -> None:
    """Let the kernel kill this process when `parent`, which forked it, ends; now if it has already."""
    _prctl(_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of processes whose own parent, a child of ours, ends: we can then end and reap them."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def children() -> list[int] | None:
    """Our children, adopted ones too; None where the kernel does not tell.

    Only the caller reaps them, so that no number among them can mean a stranger.
    """
    try:
        return [int(pid) for pid in Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()]
    except OSError:
        return None


class Terminal:
    """The terminal from which this process was started, if any."""

    def __init__(self) -> None:
        self._was_there = _has_terminal()

    def has_hung_up(self) -> bool:
        """Whether it was there and is no longer; to be asked after a SIGHUP.

        The signal may come a moment before the kernel takes the terminal away, so look twice.
        """
        if not self._was_there:
            return False
        if _has_terminal():
            time.sleep(HANGUP_S)
        return not _has_terminal()


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def seek_cycles_seldom() -> None:
    """Let Python look for garbage in cycles less often: most objects of a verb live until it ends.

    Looking as often as usual takes an eighth of the time of a clone.
    """
    gc.set_threshold(200_000, 20, 100)


def seek_cycles_often() -> None:
    """As Python does by default: for a process that runs for days."""
    gc.set_threshold(*_THRESHOLD)


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Let TERM and HUP end the program as INT does, by an exception, so that it clears up what is half done."""
    if threading.current_thread() is not threading.main_thread():
        yield  # a thread gets no signals
        return
    before = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, action in before.items():
            signal.signal(number, action)


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)


def entitle(part: str) -> None:
    """Show this process as "xferzone: PART" in `ps`, and as the first 15 bytes of PART in `top`.

    The former is written over the arguments of the process, and cut to their length.
    """
    if sys.platform != "linux":
        return
    import ctypes  # 10 ms, which no verb but those that serve needs

    name = ctypes.create_string_buffer(part.encode()[:_NAME_SIZE])
    text = f"xferzone: {part}".encode()
    _prctl(_SET_NAME, ctypes.addressof(name))
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = int(fields[48 - 3]), int(fields[49 - 3])
    if 0 < begin < end:  # a hardened kernel says 0
        ctypes.memset(begin, 0, end - begin)
        ctypes.memmove(begin, text, min(len(text), end - begin - 1))


def _prctl(option: int, value: int) -> None:
    if sys.platform != "linux":
        return
    import ctypes  # as above

    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")
