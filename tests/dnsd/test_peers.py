"""What NSD, Knot and BIND said about zones that nest, overlap and point into each other (peers/README.md)."""

import json
import lzma
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dnsd.made import Said, question, said, view_of, zones_of
from tests.dnsd.peers.cases import NAMES, TYPES
from tests.dnsd.peers.rules import wrong
from xferzone.dnsd.respond import respond
from xferzone.dnsd.zones import Zones

PEERS = Path(__file__).parent / "peers"


def captured() -> Iterator[tuple[str, str, dict[str, Said]]]:
    """Name, type, and what each server said."""
    with lzma.open(PEERS / "answers.jsonl.xz", "rt") as file:
        for line in file:
            name, rdtype, answers = json.loads(line)
            yield name, rdtype, {server: _said(*answer) for server, answer in answers.items()}


def _said(rcode: str, authoritative: bool, *sections: list[str]) -> Said:
    return Said(rcode, authoritative, *map(frozenset, sections))


@pytest.fixture(scope="module", params=[1, 4, 1000], ids="{} parts".format)
def zones(request: pytest.FixtureRequest) -> Zones:
    texts = {path.stem: path.read_text() for path in (PEERS / "zones").glob("*.zone")}
    return zones_of(*(view_of(text, f"{zone}.", parts=request.param) for zone, text in texts.items()))


def test_every_question_is_answered_as_two_agree_or_as_was_decided(zones: Zones) -> None:
    failures = []
    for name, rdtype, answers in captured():
        ours = said(respond(question(name, rdtype), zones, tcp=False))
        if whom := wrong(name, rdtype, answers, ours):
            failures.append((name, rdtype, whom, ours, answers))
    assert failures == []


def test_all_questions_were_captured() -> None:
    assert [row[:2] for row in captured()] == [(name, rdtype) for name in NAMES for rdtype in TYPES]


def test_we_add_what_knot_adds(zones: Zones) -> None:
    compared = 0
    differ = []
    for name, rdtype, answers in captured():
        ours = said(respond(question(name, rdtype), zones, tcp=False))
        if ours.settled == answers["knot"].settled:
            compared += 1
            if ours.additional != answers["knot"].additional:
                differ.append((name, rdtype, ours.additional, answers["knot"].additional))
    assert differ == []
    assert compared > 2500
