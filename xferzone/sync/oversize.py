"""What makes a message too large for the way that it is to go: the artifact, and the bound.

A NATS server takes no message of over max_payload bytes, and artifacts travel whole.
"""

from typing import IO

from xferzone.cards import CFile, File, UVFile, parse_cards


def too_large(text: IO[bytes], size: int, max_payload: int) -> str:
    """The message for people: the largest artifact in a card text that makes a body of `size` bytes."""
    text.seek(0)
    files = (card for card in parse_cards(text) if isinstance(card, File | CFile | UVFile))
    largest = max(files, key=lambda card: len(card.payload), default=None)
    named = f"unversioned file {largest.name}" if isinstance(largest, UVFile) else None
    what = "a message" if largest is None else f"{named or f'artifact {largest.artifact}'}, in a message"
    return (
        f"{what} of {size} bytes, does not fit: the NATS server has a max_payload of {max_payload} bytes; raise it "
        "there, or use an http URL"
    )
