"""Canonical JSON: each value has one text, which is read back as that value and nothing else is."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xferzone.tables.canonical import MAX_DEPTH, MAX_DIGITS, Value, encode, parse, read

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**60), 10**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8)
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)

TEXTS: list[tuple[Value, str]] = [
    ({"b": 1, "a": 2, "é": 3, "B": 4}, '{"B":4,"a":2,"b":1,"é":3}'),
    ([1, 1.0, -0.0, 1e16, 1e-7, 0.1], "[1,1.0,-0.0,1e+16,1e-07,0.1]"),
    (2**53 + 1, "9007199254740993"),
    (-(2**200), str(-(2**200))),
    (
        '"\\/\b\f\n\r\t\0\x1f\x7f\u2028\U0001f600',
        '"\\"\\\\/\\b\\f\\n\\r\\t\\u0000\\u001f\x7f\u2028\U0001f600"',
    ),
    ([None, True, False, "", {}, []], '[null,true,false,"",{},[]]'),
]


@pytest.mark.parametrize(("value", "text"), TEXTS, ids=[str(n) for n in range(len(TEXTS))])
def test_a_value_is_this_text_and_back(value: Value, text: str) -> None:
    assert encode(value) == text.encode()
    found = parse(text.encode())
    assert (found, encode(found)) == (value, text.encode())


@given(VALUES)
def test_every_value_comes_back(value: Value) -> None:
    try:
        text = encode(value)
    except UnicodeEncodeError:
        return  # a name with a lone surrogate
    found = parse(text)
    assert repr(encode(found)) == repr(text)
    assert json.loads(text) == value
    assert found == value


@pytest.mark.parametrize(
    "text",
    [
        "1 ",
        " 1",
        "{ }",
        '{"a": 1}',
        '{"b":1,"a":2}',
        '{"a":1,"a":1}',
        '"\\u0061"',
        '"\\/"',
        '"\\u001F"',
        "01",
        "+1",
        "-0",
        "1.",
        ".5",
        "1.00",
        "1E5",
        "1e5",
        "1e400",
        "NaN",
        "Infinity",
        "-Infinity",
        '"\\ud800"',
        "'a'",
        "[1,]",
        "",
        "9" * (MAX_DIGITS + 1),
        "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        "[" * 60_000,
        "\ufeff1",
    ],
    ids=lambda text: text[:12],
)
def test_no_other_text_is_taken(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(text.encode("utf-8", "surrogatepass"))


def test_octets_that_are_not_text_are_not_taken() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        parse(b'"\xff"')


def test_brackets_in_strings_are_not_counted() -> None:
    text = '["' + "[" * 500 + '\\"[[["]'
    assert parse(text.encode()) == ["[" * 500 + '"[[[']


@pytest.mark.parametrize("end", ["", "\\", "["], ids=["open", "backslash", "bracket"])
def test_a_string_that_does_not_end_costs_no_more_than_its_length(end: str) -> None:
    """A row may be as long as that, and a message may bring many."""
    began = time.process_time()
    for _ in range(3):
        with pytest.raises(ValueError, match=r"Unterminated|Invalid"):
            read('"' + '\\"' * 32_000 + end)
    assert time.process_time() - began < 3  # some 1 ms; looked through anew at each quote, over 20 s


def test_people_may_write_it_as_they_like() -> None:
    assert read(' {"b" : 1.50, "a": [ 1e3, -0 ]} ') == {"b": 1.5, "a": [1000.0, 0]}


@given(st.text(max_size=40))
def test_what_is_not_in_that_form_is_a_value_error(text: str) -> None:
    try:
        octets = text.encode()
        value = parse(octets)
    except ValueError:
        return
    assert encode(value) == octets
