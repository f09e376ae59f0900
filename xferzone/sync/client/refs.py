"""What a server of ours tells of its refs, as a client takes it (sync/server/refs.py has the grammar).

    pragma xferzone 1 epoch EPOCH           the numbers known so far mean nothing
    pragma xferzone-ref NAME HASH NUMBER    where a ref stands; HASH "-": the zone was removed
    pragma xferzone 1 told NUMBER           that was all

Stock tells nothing.
"""

import re
from typing import Final

from xferzone import escape
from xferzone.cards import Pragma
from xferzone.errors import PeerError
from xferzone.hashing import ArtifactId, parse_artifact_id

MAX_REFS: Final = 250_000  # in one session
MAX_REF_NAME: Final = 300  # bytes; a zone's name has at most 200
_MAX_DIGITS: Final = 18  # of the number of a move
_EPOCH: Final = re.compile("[0-9a-zA-Z]{1,64}")
_SHOWN: Final = 100  # bytes of what a server says wrong


class Told:
    """The refs that have moved since the last time.

    Fields:
        refs: branch -> where the server's ref stands, None if it was removed.
        is_ours: the server is an xferzone, so `refs` counts.
        epoch, number: up to which move of the server's refs it goes.
        is_cut: the server had no room to tell of all.
    """

    def __init__(self, epoch: str, number: int) -> None:
        self.refs: dict[str, ArtifactId | None] = {}
        self.is_ours = False
        self.epoch, self.number = epoch, number
        self.is_cut = False

    def question(self) -> Pragma:
        """What asks for more."""
        return Pragma("xferzone", ("1", "refs", self.epoch or "-", str(self.number)))

    def take(self, card: Pragma) -> None:
        """Note what a pragma says of refs, if it does. Raises PeerError: it says it wrong."""
        match card.name, card.args:
            case "xferzone", ["1", "epoch", epoch]:
                if not _EPOCH.fullmatch(epoch):
                    raise PeerError(f"the server names an epoch that is none: {epoch[:_SHOWN]!r}")
                self.epoch, self.number = epoch, 0
                self.refs.clear()
            case "xferzone", ["1", "told", number]:
                self.number = _number(number)
                self.is_ours, self.is_cut = True, False
            case "xferzone-ref", [name, stands, number]:
                if len(self.refs) >= MAX_REFS:
                    raise PeerError(f"the server tells of over {MAX_REFS} refs")
                self.refs[_branch(name)] = None if stands == "-" else _artifact(stands)
                self.number = _number(number)
                self.is_cut = True


def _branch(token: str) -> str:
    octets = token.encode("utf-8", "surrogateescape")
    if len(octets) > MAX_REF_NAME:
        raise PeerError(f"the server tells of a ref whose name is too long: {token[:_SHOWN]!r}")
    try:
        return escape.decode(octets).decode("utf-8")
    except ValueError as exc:
        raise PeerError(f"the server tells of a ref whose name is no UTF-8: {octets!r}") from exc


def _artifact(token: str) -> ArtifactId:
    try:
        return parse_artifact_id(token.encode())
    except ValueError as exc:
        raise PeerError(f"the server tells of a ref that stands nowhere: {exc}") from exc


def _number(token: str) -> int:
    if not (token.isascii() and token.isdigit() and len(token) <= _MAX_DIGITS):
        raise PeerError(f"the server counts its moves in no numbers: {token[:_SHOWN]!r}")
    return int(token)
