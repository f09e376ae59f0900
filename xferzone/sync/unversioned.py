"""Cards of unversioned files and the states that are stored: what both ends of a sync make of a uvfile.

    HASH is not that of its content                          PeerError
    older than what is here, or the same                     nothing
    without its content, and that is not here; too large;
    a name or a date beyond bounds                           Refused: it is left out, and people are told
    else                                                     stored

Source: Fossil 2.21, src/xfer.c xfer_accept_unversioned_file(), which stores an empty file in place of a content that
did not come.
"""

from typing import Final

from xferzone.cards import UVFile, UVIGot
from xferzone.cards.unversioned import DELETED
from xferzone.errors import PeerError, Refused
from xferzone.hashing import is_named
from xferzone.store import Reader, Writer, unversioned
from xferzone.store.unversioned import MAX_MTIME, MAX_NAME, MAX_SIZE, Unversioned

SHOWN: Final = 100  # letters of a name in a message


def igot(state: Unversioned) -> UVIGot:
    """The card that tells of a file."""
    return UVIGot(state.name, state.mtime, state.artifact, state.size)


def with_content(state: Unversioned, content: bytes) -> UVFile:
    """The card that carries a file."""
    return UVFile(state.name, state.mtime, state.artifact, len(content), payload=content)


def deletion(state: Unversioned) -> UVFile:
    """The card that tells of a deleted file."""
    return UVFile(state.name, state.mtime, None, 0, DELETED)


def state_of(card: UVFile | UVIGot) -> Unversioned:
    """What a card tells."""
    return Unversioned(card.name, card.mtime, card.artifact, 0 if card.artifact is None else card.size)


def store(writer: Writer, card: UVFile) -> bool:
    """Store what a card brings, if it is newer; whether it was. Raises PeerError and Refused as the table has it."""
    state = state_of(card)
    check(card)
    if not unversioned.is_news(writer, state):
        return False
    check_bounds(state)
    if state.artifact is None or unversioned.has_content(writer, state):
        return unversioned.put(writer, state)
    if not is_named(state.artifact, card.payload):
        raise Refused(f"unversioned file {state.name[:SHOWN]} came without its content, and was left out")
    return unversioned.put(writer, state, card.payload)


def check(card: UVFile) -> None:
    """Raise PeerError where a card's content is not what it says."""
    if card.payload and not (card.artifact is not None and is_named(card.artifact, card.payload)):
        raise PeerError(f"in uvfile line, HASH does not match CONTENT: {card.name[:SHOWN]}")


def check_bounds(state: Unversioned) -> None:
    """Raise Refused where a state is not taken."""
    name = state.name[:SHOWN]
    if len(state.name.encode()) > MAX_NAME:
        raise Refused(f"unversioned file {name}... is left out: a name may have {MAX_NAME} bytes")
    if state.mtime > MAX_MTIME:
        raise Refused(f"unversioned file {name} is left out: it is dated beyond the year 9999")
    if state.size > MAX_SIZE:
        raise Refused(f"unversioned file {name} is left out: it has over {MAX_SIZE} bytes")


def check_wanted(reader: Reader, card: UVIGot) -> bool:
    """Whether a file that the peer has is newer, and its content is not here. Raises Refused as `check_bounds`."""
    state = state_of(card)
    if not unversioned.is_news(reader, state):
        return False
    check_bounds(state)
    return state.artifact is not None and not unversioned.has_content(reader, state)
