"""The group of a repository, as one process reaches it: made when first asked for, again when its share changes."""

import os
import threading
from typing import TYPE_CHECKING

from xferzone.env import SYSTEM, Env
from xferzone.exchange.group.deciding import Group
from xferzone.refs.membership import membership, seen
from xferzone.store import Store

if TYPE_CHECKING:  # urllib3 behind it: whoever is no member does without
    from xferzone.exchange.group.reaching import Reaching


class Opened:
    """The group of one repository; threads may share it. Close it at the end."""

    def __init__(self, env: Env = SYSTEM) -> None:
        self._env = env
        self._lock = threading.Lock()
        self._open: Reaching | None = None

    def of(self, store: Store) -> Group | None:
        """The group of the repository. None: it is not a member.

        Raises:
            XferzoneError: what it knows of its group is damaged.
            UsageError: how etcd is reached cannot be used.
        """
        with store.reader() as reader:
            share, project = membership(reader), reader.project_code
            last = seen(reader)
        with self._lock:
            opened = self._open
            if opened is not None and opened.pid != os.getpid():
                opened = None  # its connections are another process's
            if opened is not None and opened.share != share:
                opened.close()
                opened = None
            if opened is not None:
                opened.believe(last)
            elif share is not None:
                # Imported here: whoever is no member does without urllib3.
                from xferzone.exchange.group.reaching import Reaching

                opened = Reaching(store.path, share, project, last, self._env)
            self._open = opened
        return None if opened is None else opened.group

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            opened, self._open = self._open, None
        if opened is not None and opened.pid == os.getpid():
            opened.close()
