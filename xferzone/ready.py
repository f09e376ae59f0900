"""How a server started by `xferzone up` says that it answers now.

    supervisor --- XFERZONE_READY_FD=n in the environment, n the write end of a pipe ---> server
    supervisor <-- one line feed, once the sockets are bound and the first question can be answered --- server

Without that variable, as under systemd or by hand, nothing is told to anybody.

Source: the convention is s6's notification-fd.
"""

import contextlib
import os

VARIABLE = "XFERZONE_READY_FD"


def report() -> None:
    """Tell whoever started this process, if he asked, that it is up; once, later calls do nothing."""
    fd = os.environ.pop(VARIABLE, "")
    if not fd.isdigit():
        return
    # A supervisor that has already heard from a sibling no longer listens: nobody is wronged.
    with contextlib.suppress(OSError):
        os.write(int(fd), b"\n")
    with contextlib.suppress(OSError):
        os.close(int(fd))
