"""Every message that stock client and server exchanged in the vectors: understood, and said again to the byte.

What is not said again, because it means nothing: comment lines, and the line feed that follows a cfile payload which
already ends in one. (Stock writes none there; the vectors hold none.) The line feeds after other cfile payloads and
after config payloads are written by `encode`, so they are compared.
"""

import base64
import json
from pathlib import Path
from typing import NotRequired, TypedDict

import pytest

from xferzone.cards import Card, CFile, File, IGot, Login, Unknown, UVFile, encode_cards, parse_cards
from xferzone.cards.body import unpack
from xferzone.cards.session import nonce
from xferzone.hashing import is_named


class Entry(TypedDict):
    card: str
    payload_text: NotRequired[str]
    payload_b64: NotRequired[str]


class Half(TypedDict):
    body_b64: str
    cards: list[Entry]


class Round(TypedDict):
    request: Half
    reply: Half


class Scenario(TypedDict):
    scenario: str
    rounds: list[Round]


SCENARIOS: list[Scenario] = [
    json.loads(path.read_bytes())
    for path in sorted((Path(__file__).parents[1] / "vectors" / "rounds").glob("*.json"))
]
BODIES = [
    pytest.param(half, id=f"{scenario['scenario']}-{number}-{side}")
    for scenario in SCENARIOS
    for number, round_ in enumerate(scenario["rounds"], 1)
    for side, half in (("request", round_["request"]), ("reply", round_["reply"]))
]


def _payload(entry: Entry) -> bytes | None:
    if "payload_text" in entry:
        return entry["payload_text"].encode("ascii")
    return base64.b64decode(entry["payload_b64"]) if "payload_b64" in entry else None


def _without_comments(entries: list[Entry]) -> bytes:
    """The message as its cards were noted down by the recorder, which parsed it by other means than ours."""
    parts: list[bytes] = []
    for entry in entries:
        line, payload = entry["card"].encode(), _payload(entry)
        # An empty entry is the line feed behind a cfile payload.
        if not line.startswith(b"#"):
            parts.append(line + b"\n" + (payload or b""))
        if line.startswith(b"config "):
            parts.append(b"\n")
    return b"".join(parts)


def _cards(half: Half) -> list[Card]:
    return list(parse_cards(base64.b64decode(half["body_b64"])))


def test_there_are_all_scenarios() -> None:
    assert len(SCENARIOS) == 27


@pytest.mark.parametrize("half", BODIES)
def test_every_card_is_known_and_said_again_to_the_byte(half: Half) -> None:
    cards = _cards(half)
    assert not [card for card in cards if isinstance(card, Unknown)]
    assert encode_cards(cards) == _without_comments(half["cards"])


@pytest.mark.parametrize("half", BODIES)
def test_every_card_is_seen(half: Half) -> None:
    noted = [
        entry["card"].split()[0]
        for entry in half["cards"]
        if entry["card"].strip() and entry["card"][0] != "#"
    ]
    assert [card.operator.decode() for card in _cards(half)] == noted


@pytest.mark.parametrize("half", BODIES)
def test_every_login_covers_the_rest_of_its_body(half: Half) -> None:
    body = base64.b64decode(half["body_b64"])
    for card in parse_cards(body):
        if isinstance(card, Login):
            assert card.nonce == nonce(body[card.end :])


def test_what_is_carried_whole_is_what_it_is_named() -> None:
    seen: set[str] = set()
    for scenario in SCENARIOS:
        for round_ in scenario["rounds"]:
            for half in (round_["request"], round_["reply"]):
                for card in _cards(half):
                    if isinstance(card, File) and card.source is None:
                        assert is_named(card.artifact, card.payload)
                        seen.add("file")
                    if isinstance(card, CFile) and card.source is None:
                        assert is_named(card.artifact, unpack(card.payload, limit=card.size))
                        seen.add("cfile")
                    if isinstance(card, UVFile) and card.artifact is not None and card.payload:
                        assert is_named(card.artifact, card.payload)
                        seen.add("uvfile")
                    if isinstance(card, IGot):
                        seen.add("igot")
    assert seen == {"file", "cfile", "uvfile", "igot"}
