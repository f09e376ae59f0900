"""Our pragmas: each value is the card that docs/formats.md shows, and back; all else means nothing or is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xferzone.cards import Pragma, parse_cards
from xferzone.cards.extension import (
    MAX_DIGITS,
    MAX_REF_NAME,
    EpochNamed,
    Extension,
    RefStands,
    RefsTold,
    RefsWanted,
    RoleNamed,
    TablesAsked,
    TablesTold,
    WholeWanted,
    parse,
)
from xferzone.hashing import ArtifactId

A = ArtifactId("0a" * 32)

CARDS: list[tuple[bytes, Extension]] = [
    (b"pragma xferzone 1 role primary\n", RoleNamed("primary")),
    (b"pragma xferzone 1 role clone\n", RoleNamed("clone")),
    (b"pragma xferzone 1 role mirror\n", RoleNamed("mirror")),
    (b"pragma xferzone 1 role member 5777ea0b3d0cf414\n", RoleNamed("member", "5777ea0b3d0cf414")),
    (b"pragma xferzone 1 refs - 0\n", RefsWanted("", 0)),
    (b"pragma xferzone 1 refs 5777ea0b3d0cf414 12\n", RefsWanted("5777ea0b3d0cf414", 12)),
    (b"pragma xferzone 1 epoch 5777ea0b3d0cf414\n", EpochNamed("5777ea0b3d0cf414")),
    (b"pragma xferzone-ref example.com/main %s 2\n" % A.encode(), RefStands("example.com/main", A, 2)),
    (b"pragma xferzone-ref example.com/a\\sb - 3\n", RefStands("example.com/a b", None, 3)),
    (b"pragma xferzone-ref example.com/\xc3\xa9 - 4\n", RefStands("example.com/\xe9", None, 4)),
    (b"pragma xferzone 1 whole\n", WholeWanted()),
    (b"pragma xferzone 1 tables %s os\n" % A.encode(), TablesTold(A, "os")),
    (b"pragma xferzone 1 tables - o\n", TablesTold("", "o")),
    (b"pragma xferzone 1 tables %s\n" % A.encode(), TablesAsked(A)),
    (b"pragma xferzone 1 tables -\n", TablesAsked("")),
    (b"pragma xferzone 1 told %s\n" % (b"9" * MAX_DIGITS), RefsTold(int("9" * MAX_DIGITS))),
]


def read(line: bytes) -> Extension | None:
    (card,) = parse_cards(line)
    assert isinstance(card, Pragma)
    return parse(card)


@pytest.mark.parametrize(("line", "value"), CARDS)
def test_a_card_is_this_value_and_back(line: bytes, value: Extension) -> None:
    assert read(line) == value
    assert value.pragma().encode() == line


@pytest.mark.parametrize(
    "line",
    [
        b"pragma xferzone\n",
        b"pragma xferzone 1\n",
        b"pragma xferzone 1 refs a\n",
        b"pragma xferzone 2 refs a 1\n",
        b"pragma xferzone 1 role\n",
        b"pragma xferzone 1 role queen\n",
        b"pragma xferzone 1 role primary a\n",
        b"pragma xferzone 2 role primary\n",
        b"pragma xferzone 1 frobnicate a\n",
        b"pragma xferzone-ref example.com/main -\n",
        b"pragma client-version 22100 20230226 192424\n",
    ],
)
def test_another_pragma_means_nothing(line: bytes) -> None:
    assert read(line) is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"pragma xferzone 1 refs a.b 1\n", "'a.b' is not an epoch"),
        (b"pragma xferzone 1 epoch -\n", "'-' is not an epoch"),
        (b"pragma xferzone 1 tables %s\n" % (b"0" * 40), "is not a catalogue hash"),
        (b"pragma xferzone 1 tables - O\n", "'O' does not say what may be done"),
        (b"pragma xferzone 1 role member a.b\n", "'a.b' is not an epoch"),
        (b"pragma xferzone 1 role member %s\n" % (b"e" * 65), "is not an epoch"),
        (b"pragma xferzone 1 epoch %s\n" % (b"e" * 65), "is not an epoch"),
        (b"pragma xferzone 1 told -1\n", "'-1' is not the number of a move"),
        (b"pragma xferzone 1 told %s\n" % (b"1" * (MAX_DIGITS + 1)), "is not the number of a move"),
        ("pragma xferzone 1 told \u0663\n".encode(), "is not the number of a move"),
        (
            b"pragma xferzone-ref %s - 1\n" % (b"x" * (MAX_REF_NAME + 1)),
            "a branch name of 301 bytes, over 300",
        ),
        (b"pragma xferzone-ref a\xff/main - 1\n", "is not UTF-8"),
        (b"pragma xferzone-ref a/main x 1\n", "b'x' is not an artifact id"),
    ],
)
def test_a_token_outside_the_grammar_is_named(line: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read(line)


@given(st.text(min_size=1, max_size=60), st.integers(0, 10**MAX_DIGITS - 1))
def test_any_branch_name_goes_there_and_back(branch: str, number: int) -> None:
    value = RefStands(branch, A, number)
    assert read(value.pragma().encode()) == value
