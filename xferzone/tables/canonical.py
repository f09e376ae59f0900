r"""Canonical JSON: one text for each value, so that replicas that hold the same value have the same bytes.

    object    members in order of names, by code points, each name once
    between   nothing: no blank, no line end
    string    UTF-8; escaped are only `"`, `\`, and controls below U+0020: as \b \f \n \r \t, else as \u00xx
    integer   digits without leading zeros, of any size up to MAX_DIGITS: none goes through a floating point number
    real      the fewest digits that read back as the same double, with a point or an exponent: 1.0, 1e+16, -0.0

A number with a point or an exponent is a real, every other one an integer. NaN, infinities and lone surrogates have no
form.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn, TypeAlias

Value: TypeAlias = "bool | int | float | str | Sequence[Value] | Mapping[str, Value] | None"

MAX_DEPTH: Final = 32  # arrays and objects in each other; ours
MAX_DIGITS: Final = 1_000  # of an integer; ours, Python reads up to 4,300 in no time

#: One that does not end goes to the end of the text, so that nothing is looked at twice.
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)', re.DOTALL)
_SHOWN: Final = 60  # letters of a bad text in a message


def encode(value: Value) -> bytes:
    """The canonical text of a value. Raises ValueError: it has none."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True, allow_nan=False)
    return text.encode("utf-8")  # UnicodeEncodeError is a ValueError


def parse(octets: bytes) -> Value:
    """The value of a canonical text. Raises ValueError: it is not JSON, or not in that form."""
    value = read(octets.decode("utf-8"))  # UnicodeDecodeError is a ValueError
    if encode(value) != octets:
        raise ValueError(f"{octets[:_SHOWN]!r} is not canonical JSON")
    return value


def read(text: str) -> Value:
    """The value of any JSON text, as people write it. Raises ValueError: it is not JSON, or beyond the bounds."""
    _check_depth(text)
    value: Value = json.loads(
        text,
        object_pairs_hook=_object,
        parse_int=integer,
        parse_float=real,
        parse_constant=_refuse,
    )
    return value


def integer(text: str) -> int:
    """The integer that is written so. Raises ValueError."""
    if not re.fullmatch(rf"-?[0-9]{{1,{MAX_DIGITS}}}", text):
        raise ValueError(f"{text[:_SHOWN]!r} is not an integer of at most {MAX_DIGITS} digits")
    return int(text)


def real(text: str) -> float:
    """The double that is written so. Raises ValueError."""
    if not re.fullmatch(r"[-+]?[0-9]{1,400}(?:\.[0-9]{0,400})?(?:[eE][-+]?[0-9]{1,4})?", text):
        raise ValueError(f"{text[:_SHOWN]!r} is not a number")
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:_SHOWN]} is beyond what a double holds")
    return value


def _object(members: list[tuple[str, Value]]) -> dict[str, Value]:
    made = dict(members)
    if len(made) != len(members):
        raise ValueError("a name stands twice in an object")
    return made


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a value")


def _check_depth(text: str) -> None:
    depth = 0
    for sign in re.findall(r"[\[\]{}]", _STRING.sub("", text)):
        depth += 1 if sign in "[{" else -1
        if depth > MAX_DEPTH:
            raise ValueError(f"arrays and objects over {MAX_DEPTH} deep")
