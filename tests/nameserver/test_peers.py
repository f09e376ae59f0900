"""What NSD, Knot and BIND said about zones that nest, overlap and point into each other (peers/README.md)."""

import json
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.nameserver.made import Said, question, said, view_of, zones_of
from tests.nameserver.peers.cases import NAMES, TYPES
from tests.nameserver.peers.rules import wrong
from xferzone.nameserver.respond import respond

PEERS = Path(__file__).parent / "peers"


def captured() -> Iterator[tuple[str, str, dict[str, Said]]]:
    """Name, type, and what each server said."""
    with lzma.open(PEERS / "answers.jsonl.xz", "rt") as file:
        for line in file:
            name, rdtype, answers = json.loads(line)
            yield name, rdtype, {server: _said(*answer) for server, answer in answers.items()}


def _said(rcode: str, authoritative: bool, *sections: list[str]) -> Said:
    return Said(rcode, authoritative, *map(frozenset, sections))


@dataclass(frozen=True)
class Case:
    name: str
    rdtype: str
    answers: dict[str, Said]
    ours: Said


@pytest.fixture(scope="module", params=[1, 4, 1000], ids="{} parts".format)
def cases(request: pytest.FixtureRequest) -> list[Case]:
    """All that was asked, with our answers from zones in about so many parts each."""
    texts = {path.stem: path.read_text() for path in (PEERS / "zones").glob("*.zone")}
    zones = zones_of(*(view_of(text, f"{zone}.", parts=request.param) for zone, text in texts.items()))
    return [
        Case(name, rdtype, answers, said(respond(question(name, rdtype), zones, tcp=False)))
        for name, rdtype, answers in captured()
    ]


def test_every_question_is_answered_as_two_agree_or_as_was_decided(cases: list[Case]) -> None:
    failures = []
    for case in cases:
        if whom := wrong(case.name, case.rdtype, case.answers, case.ours):
            failures.append((case, whom))
    assert failures == []


def test_we_add_what_knot_adds(cases: list[Case]) -> None:
    settled = [case for case in cases if case.ours.settled == case.answers["knot"].settled]
    assert [case for case in settled if case.ours.additional != case.answers["knot"].additional] == []
    assert len(settled) > 2500


def test_all_questions_were_captured() -> None:
    assert [row[:2] for row in captured()] == [(name, rdtype) for name in NAMES for rdtype in TYPES]
