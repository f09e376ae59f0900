"""What a client makes of what servers tell about their refs: one epoch, several, and an answer in parts."""

from collections.abc import Iterable

import pytest

from xferzone.cards import Pragma, encode_cards
from xferzone.cards.extension import MAX_EPOCHS, EpochNamed, RefStands, RefsTold, RefsWanted
from xferzone.errors import PeerError
from xferzone.hashing import ArtifactId
from xferzone.sync.client.refs import Told

A, B = ArtifactId("aa" * 32), ArtifactId("bb" * 32)
MAIN, TEST = "example.com/main", "example.com/test"


def questions(told: Told) -> bytes:
    return encode_cards(told.questions())


def taken(told: Told, cards: Iterable[RefsWanted | EpochNamed | RefStands | RefsTold]) -> Told:
    for card in cards:
        told.take(card.pragma())
    return told


def test_a_client_that_knows_nothing_asks_for_everything() -> None:
    told = Told({})
    assert questions(told) == b"pragma xferzone 1 refs - 0\n"
    taken(told, [EpochNamed("e1"), RefStands(MAIN, A, 3), RefStands(TEST, None, 4), RefsTold(4)])
    assert (told.refs, told.epochs) == ({MAIN: A, TEST: None}, {"e1": 4})
    assert (told.is_ours, told.is_cut) == (True, False)


def test_an_answer_in_parts_is_asked_for_from_where_it_ended() -> None:
    told = taken(Told({"e1": 2}), [RefStands(MAIN, A, 3)])
    assert (told.is_ours, told.is_cut) == (False, True)
    assert questions(told) == b"pragma xferzone 1 refs e1 3\n"
    taken(told, [RefStands(TEST, B, 7), RefsTold(9)])
    assert (told.refs, told.epochs, told.is_cut) == ({MAIN: A, TEST: B}, {"e1": 9}, False)


def test_each_epoch_that_is_remembered_is_asked_for_and_the_latest_last() -> None:
    told = Told({"e1": 5, "e2": 8})
    assert questions(told) == b"pragma xferzone 1 refs e1 5\npragma xferzone 1 refs e2 8\n"
    taken(told, [EpochNamed("e1"), RefStands(MAIN, A, 6), RefsTold(6)])
    assert list(told.epochs.items()) == [("e2", 8), ("e1", 6)]
    assert (told.epoch, told.number) == ("e1", 6)


def test_what_one_member_told_is_dropped_with_its_number_when_another_answers() -> None:
    """Else its refs would be lost: its number says that they are known."""
    told = taken(Told({"e1": 5, "e2": 8}), [RefStands(MAIN, A, 9)])
    taken(told, [EpochNamed("e1"), RefStands(TEST, B, 6), RefsTold(6)])
    assert told.refs == {TEST: B}
    assert told.epochs == {"e2": 8, "e1": 6}


def test_so_many_epochs_are_remembered_the_latest_of_them() -> None:
    told = Told({f"e{number}": number for number in range(MAX_EPOCHS + 3)})
    assert len(questions(told).splitlines()) == MAX_EPOCHS
    taken(told, [EpochNamed("new"), RefsTold(1)])
    assert len(told.epochs) == MAX_EPOCHS
    assert told.epoch == "new"
    assert f"e{MAX_EPOCHS + 2}" in told.epochs


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("xferzone", ("1", "epoch", "a-b"), "'a-b' is not an epoch"),
        ("xferzone", ("1", "told", "+1"), "'\\+1' is not the number of a move"),
        ("xferzone-ref", (MAIN, "AA" * 32, "1"), "is not an artifact id"),
    ],
)
def test_a_card_that_breaks_the_grammar_ends_the_session(name: str, args: tuple[str, ...], said: str) -> None:
    with pytest.raises(PeerError, match=said):
        Told({}).take(Pragma(name, args))
