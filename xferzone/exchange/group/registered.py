"""A member's registration: the keys by which its fellows know of it.

    member/<name>    {"life", "url"}    stays while it is away; put again if it is gone
    alive/<name>     {"life"}           with a lease, which is kept; put again under a new one if that has ended
    removed/<name>                      goes with the first one: whoever was removed and registers again is a member

Both are put only where nothing is, or what this member has put. Another life under its name is another member, or a
copy of its file: that is told, and nothing is fought over.
"""

import json
from typing import Final

from xferzone.env import Env
from xferzone.errors import Exists
from xferzone.refs.consensus import SharedRefs
from xferzone.refs.keys import Lapsed
from xferzone.refs.membership import Membership

ALIVE_S: Final = 10  # seconds until a member that keeps no lease is no longer shown as alive
KEEP_S: Final = ALIVE_S / 3  # seconds between two keeps: two may be lost
AGAIN_S: Final = 1.0  # seconds until another attempt


class Registration:
    """One member's; asked by one thread.

    Fields:
        refs: in whose group it is, and share: whose it is.
        made_at: the revision at which it was made last; 0: it was not yet.
        next_at: when `turn` has something to do, in monotonic seconds.
    """

    def __init__(self, refs: SharedRefs, share: Membership, env: Env) -> None:
        self.refs = refs
        self.share = share
        self._name = share.name
        self._life = share.life
        self._env = env
        self._values = {
            f"member/{share.name}": _encoded({"life": share.life, "url": share.url}),
            f"alive/{share.name}": _encoded({"life": share.life}),
        }
        self._lease: int | None = None
        self.made_at = 0
        self.next_at = 0.0

    def turn(self) -> None:
        """Keep the registration, or register again; soon, if its keys change while that is done.

        Raises:
            Away, OnHold: it could not be done; the next attempt is soon.
            Exists: another member has the name.
        """
        began = self._env.monotonic()
        self.next_at = began + AGAIN_S
        if self._lease is not None and not self.refs.keys.keep(self._lease):
            self._lease = None
        if self._lease is None and not self._register():
            return
        self.next_at = began + KEEP_S

    def lost(self) -> None:
        """Note that a key of it is gone, or another one."""
        lease, self._lease = self._lease, None
        self.next_at = 0.0
        if lease is not None:
            self.refs.keys.revoke(lease)

    def end(self) -> None:
        """Let fellows see at once that this member is away. Raises Away."""
        if self._lease is not None:
            self.refs.keys.revoke(self._lease)
            self._lease = None

    def _register(self) -> bool:
        """Whether that was done."""
        lease = self.refs.keys.grant(ALIVE_S)
        for name, value in self._values.items():
            if not self._put(name, value, lease if name.startswith("alive/") else None):
                return False
        self._lease = lease
        return True

    def _put(self, name: str, value: bytes, lease: int | None) -> bool:
        there: bytes | None = None
        puts = {name: value} if lease is not None else {name: value, f"removed/{self._name}": None}
        for _ in range(2):
            try:
                done = self.refs.change({name: there}, puts, lease)
            except Lapsed:
                break
            if done.succeeded:
                self.made_at = done.stand.revision
                return True
            there = done.found.get(name)
            if there is not None and _life(there) != self._life:
                raise Exists(
                    f"another member is registered as {self._name}, or a copy of this repository's file: "
                    "`xferzone group leave` here, then join under another name"
                )
            if there == value and lease is None:
                return True
        return False


def _encoded(fields: dict[str, str]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def _life(value: bytes) -> str | None:
    """None: no member wrote it."""
    try:
        fields = json.loads(value)
    except ValueError:
        return None
    life = fields.get("life") if isinstance(fields, dict) else None
    return life if isinstance(life, str) else None
