"""The rounds that stock client and server had, as tests replay them: what was held, what was asked, what came back."""

import base64
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from xferzone import delta
from xferzone.cards import (
    Card,
    CFile,
    Clone,
    CloneSeqno,
    Config,
    Error,
    File,
    Gimme,
    IGot,
    Login,
    Message,
    Pragma,
    Private,
    Push,
    encode_cards,
    parse_cards,
)
from xferzone.cards.body import unpack
from xferzone.cards.rows import parse as parse_row
from xferzone.cards.session import login_card
from xferzone.hashing import ArtifactId

VECTORS = Path(__file__).parents[1] / "vectors" / "rounds"
PASSWORDS = {"dev": "devpw", "ro": "ropw"}  # as the script that recorded them set them


def scenario(name: str) -> list[tuple[bytes, bytes]]:
    """Request and reply of each round, as card text."""
    rounds = json.loads((VECTORS / f"{name}.json").read_bytes())["rounds"]
    return [
        (base64.b64decode(one["request"]["body_b64"]), base64.b64decode(one["reply"]["body_b64"]))
        for one in rounds
    ]


def project_code() -> str:
    """The one project of all the rounds."""
    (_, reply), *_ = scenario("clone-v3")
    return next(card.project_code for card in parse_cards(reply) if isinstance(card, Push))


def project_of(name: str) -> str:
    """The project of a scenario that says which it is of."""
    code: str = json.loads((VECTORS / f"{name}.json").read_bytes())["project_code"]
    return code


def carried(body: bytes) -> list[tuple[File | CFile, bool]]:
    """The artifacts in a body, each with whether it came as private."""
    found, private = [], False
    for card in parse_cards(body):
        if isinstance(card, File | CFile):
            found.append((card, private))
        private = isinstance(card, Private)
    return found


def contents(cards: Iterable[File | CFile], known: dict[ArtifactId, bytes]) -> dict[ArtifactId, bytes]:
    """What the cards carry, by id; deltas against each other, in any order, and against what is `known`."""
    waiting = list(cards)
    made: dict[ArtifactId, bytes] = {}
    while waiting:
        ready = [card for card in waiting if card.source is None or card.source in known | made]
        assert ready, f"no source for {waiting[0].artifact}"
        for card in ready:
            payload = card.payload if isinstance(card, File) else unpack(card.payload, limit=2**26)
            source = None if card.source is None else (known | made)[card.source]
            made[card.artifact] = payload if source is None else delta.apply(source, payload)
        waiting = [card for card in waiting if card not in ready]
    return made


def public_history() -> dict[ArtifactId, bytes]:
    """Every public artifact of the recorded server, in its order of arrival, as the last of the clones brought them."""
    cards = [card for _, reply in scenario("clone-multi-round") for card, _ in carried(reply)]
    made = contents(cards, {})
    return {card.artifact: made[card.artifact] for card in cards}


def said(body: bytes, known: dict[ArtifactId, bytes]) -> Counter[tuple[object, ...]]:
    """What a reply says, as a multiset.

    Left out: server codes, versions, comments, and of the configuration accounts, whose passwords we keep to ourselves,
    the policy of hashes, whose date is ours, and what no receiver takes. An artifact counts as its
    content and the card it came in, whole or as a delta; a position only as whether it is the end.
    """
    cards = list(parse_cards(body))
    arrived = contents([card for card in cards if isinstance(card, File | CFile)], known)
    return words(cards, arrived)


def words(
    cards: Iterable[Card], arrived: dict[ArtifactId, bytes] | None = None
) -> Counter[tuple[object, ...]]:
    """What cards say, as `said` counts it; `arrived`: contents of the artifacts in them."""
    return Counter(word for card in cards if (word := _word(card, arrived or {})) is not None)


def _word(card: Card, arrived: dict[ArtifactId, bytes]) -> tuple[object, ...] | None:
    match card:
        case Pragma(name="server-version"):
            return None
        case Config():
            row = parse_row(card)
            is_told = row is not None and row.table != "user" and row.key != "hash-policy"
            return ("Config", card) if is_told else None
        case File() | CFile():
            return type(card).__name__, card.artifact, arrived[card.artifact]
        case IGot() | Gimme():
            return type(card).__name__, card
        case Push():
            return "push", card.project_code
        case CloneSeqno():
            return "clone_seqno", card.seqno == 0
        case Message() | Error():
            return type(card).__name__, card.text
        case _:
            return "other", card.encode()


def with_position(request: bytes, position: int) -> bytes:
    """A clone's request that goes on from our position in the place of the recorded one, signed again."""
    return resigned(
        [Clone(card.version, position) if isinstance(card, Clone) else card for card in parse_cards(request)]
    )


def resigned(cards: list[Card]) -> bytes:
    """A body of these cards, its login card made anew if it opens with one."""
    if not isinstance(cards[0], Login):
        return encode_cards(cards)
    return signed(cards[0].user, PASSWORDS[cards[0].user], encode_cards(cards[1:]))


def signed(login: str, password: str, rest: bytes, project: str = "") -> bytes:
    """The body `rest` behind a login card."""
    return login_card(rest, project or project_code(), login, password).encode() + rest
