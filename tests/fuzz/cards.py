"""Card text: what is read is written, and what is written is read as the same.

parse(octets)          cards, MalformedCard or PeerError
parse(encode(cards))   the same cards, from bytes as from a file
encode(parse(text))    text, if text was written by encode
pragmas of ours        the same again, or ValueError
"""

import random
from collections.abc import Sequence
from contextlib import suppress
from io import BytesIO
from typing import Final

from tests.fuzz import vectors
from tests.fuzz.harms import OF_LINES
from tests.fuzz.kind import Harm, Kind, Shape, holds, kind_of_error
from tests.robust.mutations import Mutations
from xferzone.cards import (
    Card,
    CFile,
    Config,
    File,
    Pragma,
    Unknown,
    UVFile,
    encode_cards,
    extension,
    parse_cards,
)
from xferzone.errors import MalformedCard, PeerError

PROJECT: Final = "0123456789abcdef0123456789abcdef01234567"
_MANY: Final = 20  # requests among the seeds


def _seeds() -> list[bytes]:
    mutations = Mutations(random.Random(1), "ann", "secret", PROJECT)
    return [*vectors.card_texts(), *(mutations.text(()) for _ in range(_MANY))]


def _resized(chance: random.Random, octets: bytes, _corpus: Sequence[bytes]) -> bytes:
    """Another payload for a card that carries one, with its size."""
    cards: list[Card] = []
    with suppress(PeerError):
        cards.extend(parse_cards(octets))
    at = [number for number, card in enumerate(cards) if isinstance(card, File | CFile | Config | UVFile)]
    if not at:
        return octets
    number = chance.choice(at)
    payload = chance.choice((b"", b"\n", b"igot x\n", b"\0", chance.randbytes(chance.randrange(40))))
    match cards[number]:
        case File(artifact, _, source):
            cards[number] = File(artifact, payload, source)
        case CFile(artifact, size, _, source):
            cards[number] = CFile(artifact, size, payload, source)
        case Config(table, _):
            cards[number] = Config(table, payload)
        case UVFile(name, mtime, artifact, _, flags, _):
            kept = payload if not flags & 5 else b""
            cards[number] = UVFile(name, mtime, artifact, len(kept), flags, kept)
    return encode_cards(cards)


def _check(octets: bytes) -> Shape:
    read, error = _parsed(octets)
    again, its_error = _parsed(octets, is_file=True)
    holds(read == again and error == its_error, "a file is read otherwise than bytes")
    extensions = [_extension(card) for card in read if isinstance(card, Pragma)]
    written = encode_cards(read)
    same, its_error = _parsed(written)
    holds(its_error is None, "what was read and written is not read")
    holds(same == read, "what was read and written is read otherwise")
    holds(encode_cards(same) == written, "the writer is not stable")
    kinds = [(type(card).__name__, bool(isinstance(card, Unknown) and card.reason)) for card in read]
    return frozenset(kinds), error, frozenset(extensions)


def _parsed(octets: bytes, *, is_file: bool = False) -> tuple[list[Card], Shape]:
    """The cards before the first error, and what kind of error that is; None: there is none."""
    cards: list[Card] = []
    try:
        cards.extend(parse_cards(BytesIO(octets) if is_file else octets))
    except MalformedCard as exc:
        return cards, (exc.operator, kind_of_error(exc))
    except PeerError as exc:
        return cards, kind_of_error(exc)
    return cards, None


def _extension(card: Pragma) -> Shape:
    try:
        said = extension.parse(card)
    except ValueError as exc:
        return kind_of_error(exc)
    holds(said is None or extension.parse(said.pragma()) == said, "a pragma of ours is read otherwise")
    return type(said).__name__


_HARMS: Final[Sequence[Harm]] = (*OF_LINES, _resized, _resized)

CARDS: Final = Kind(
    name="cards",
    code=("cards/", "escape.py", "hashing.py"),
    seeds=_seeds,
    harms=_HARMS,
    check=_check,
    memory=lambda size: 4_000_000 + 100 * size,
    largest=60_000,
)
