"""What a service manager is told of a server: that it is ready, reads its configuration again, or ends.

    systemd ── NOTIFY_SOCKET in the environment, with Type=notify ──> supervisor
    systemd <── "READY=1" and others, one datagram each ── supervisor

Without that variable nothing is told. Children never have it: systemd would take what they say for ours.

Source: sd_notify(3); systemd.service(5), Type=notify.
"""

import contextlib
import os
import socket
import time
from typing import Final

VARIABLE: Final = "NOTIFY_SOCKET"


class ServiceManager:
    """The one that started this process, if there is one."""

    def __init__(self) -> None:
        path = os.environ.pop(VARIABLE, "")
        # An @ stands for the NUL of an abstract address.
        self._address = f"\0{path[1:]}" if path.startswith("@") else path

    def ready(self, status: str) -> None:
        """All programs are up, for the first time or after a reload; `status` is shown to people."""
        self._tell(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it, however it went."""
        self._tell(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The end begins."""
        self._tell("STOPPING=1")

    def _tell(self, text: str) -> None:
        if self._address:
            # A manager that has gone is no reason to fail.
            with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
                to.sendto(text.encode(), self._address)
