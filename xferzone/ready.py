"""How a server started by `xferzone up` says that it answers now, and that it still does.

    supervisor --- XFERZONE_READY_FD=n in the environment, n the write end of a pipe ---> server
    supervisor <-- one line feed, once the sockets are bound and the first question can be answered --- server
    supervisor <-- or a dot then, and again every BEAT_S seconds: once one came, silence means that it hangs --- server

Without that variable, as under systemd or by hand, nothing is told to anybody.

Source: the convention is s6's notification-fd.
"""

import contextlib
import os
from typing import Final

VARIABLE: Final = "XFERZONE_READY_FD"
UP: Final = b"\n"
BEAT: Final = b"."
BEAT_S: Final = 1.0  # seconds


def report() -> None:
    """Tell whoever started this process, if he asked, that it is up; once, later calls do nothing."""
    pulse = Pulse()
    pulse.tell(UP)
    pulse.close()


class Pulse:
    """The way to whoever started this process, if he asked: nobody else in it has it from now on."""

    def __init__(self) -> None:
        fd = os.environ.pop(VARIABLE, "")
        self._fd = int(fd) if fd.isdigit() else -1

    def beat(self) -> None:
        """Tell that this process is up and does its work; never waits."""
        self.tell(BEAT)

    def tell(self, what: bytes) -> None:
        if self._fd >= 0:
            # A supervisor that has already heard from a sibling no longer listens, or is stopped for a while: nobody
            # is wronged.
            with contextlib.suppress(OSError):
                os.write(self._fd, what)

    def close(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            self._fd = -1
