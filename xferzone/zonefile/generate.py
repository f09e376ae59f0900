r"""$GENERATE: one line of a template for each number of a range.

    $GENERATE start-stop[/step] owner [TTL] [class] type rdata

    $            the number                      $$                     a dollar sign
    ${2}         the number + 2                  \X                     left as it is
    ${-1,3}      ... at least 3 digits wide      ${0,3,x}               ... in base d, o, x or X
    ${0,8,n}     nibbles, lowest first, by dots, 8 characters wide: "1.a.0.0" (N: capitals)

Rdata that is one quoted string is taken without its quotes. Source: BIND 9, ARM 8.6 and lib/dns/master.c
genname(), nibbles().
"""

import re
from collections.abc import Callable, Iterator, Sequence

from xferzone.zonefile.rdata.values import shown
from xferzone.zonefile.scanner import Token

MAX_RECORDS = 65_536  # records of one $GENERATE; ours: the addresses of a /16
MAX_OUTPUT = 64 * 1024 * 1024  # bytes of lines that one zone may generate; as much as a file may hold
_MAX_NUMBER = 0x7FFF_FFFF
_MAX_WIDTH = 127  # BIND formats a number into 128 bytes

_RANGE = re.compile(rb"([0-9]{1,10})-([0-9]{1,10})(?:/([0-9]{1,10}))?")
_PART = re.compile(
    rb"(?P<text>[^\\$]+|\\.|(?P<dollar>\$\$)|\\)"
    rb"|\$(?:\{(?P<offset>[+-]?[0-9]{1,10})(?:,(?P<width>[0-9]{1,3})(?:,(?P<base>[doxXnN]))?)?\})?",
    re.DOTALL,
)

_Piece = Callable[[int], bytes]


def numbers(text: bytes) -> range:
    """The numbers of `start-stop[/step]`.

    Raises:
        ValueError: it is not a range, or has more than MAX_RECORDS numbers.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError(f"{shown(text)} is not a range such as 1-10 or 0-100/2")
    start, stop, step = int(match[1]), int(match[2]), int(match[3] or 1)
    if start > stop or not step or stop > _MAX_NUMBER:
        raise ValueError(f"{shown(text)} is an empty range, one with step 0, or one beyond 2^31 - 1")
    made = range(start, stop + 1, step)
    if len(made) > MAX_RECORDS:
        raise ValueError(f"{shown(text)} makes {len(made)} records, {MAX_RECORDS} are allowed")
    return made


def lines(
    counted: range, owner: bytes, middle: bytes, rdata: Sequence[Token], most: int = MAX_OUTPUT
) -> bytes:
    """The text that owner, middle and rdata make for each number, one line each.

    Raises:
        ValueError: a bad modifier, a negative number in nibbles, or more than `most` bytes.
    """
    right = rdata[0].raw if len(rdata) == 1 else b"".join(map(_token_text, rdata))
    template = [*_pieces(owner), _text_piece(b" %b " % middle), *_pieces(right), _text_piece(b"\n")]
    made = []
    size = 0
    for number in counted:
        made.append(b"".join([piece(number) for piece in template]))
        size += len(made[-1])
        if size > most:
            raise ValueError(f"the zone makes more than {MAX_OUTPUT} bytes of text with $GENERATE")
    return b"".join(made)


def _token_text(token: Token) -> bytes:
    return (b"" if token.glued else b" ") + (b'"%b"' % token.raw if token.quoted else token.raw)


def _pieces(template: bytes) -> Iterator[_Piece]:
    at = 0
    while at < len(template):
        part = _PART.match(template, at)
        if part is None or template[part.end() - 1 : part.end() + 1] == b"${":
            raise ValueError(f"{shown(template[at:])} begins with a modifier that is not understood")
        at = part.end()
        if part["dollar"]:
            yield _text_piece(b"$")
        elif part["text"]:
            yield _text_piece(part["text"])
        else:
            yield _number_piece(int(part["offset"] or 0), int(part["width"] or 0), part["base"] or b"d")


def _text_piece(text: bytes) -> _Piece:
    return lambda _number: text


def _number_piece(offset: int, width: int, base: bytes) -> _Piece:
    if width > _MAX_WIDTH:
        raise ValueError(f"a width of {width}, {_MAX_WIDTH} are allowed")
    if base in b"nN":
        return lambda number: _nibbles(number + offset, width, base == b"N")
    return lambda number: _digits(number + offset, base.decode("ascii")).zfill(width).encode("ascii")


def _digits(number: int, base: str) -> str:
    if number < 0 and base != "d":
        raise ValueError(f"{number} in base {base}")
    return format(number, base)


def _nibbles(number: int, width: int, in_capitals: bool) -> bytes:
    """Hex digits, lowest first, parted by dots; zeros until it is `width` characters wide."""
    if number < 0:
        raise ValueError(f"{number} in nibbles")
    digits = (f"{number:X}" if in_capitals else f"{number:x}")[::-1]
    # As in BIND, it ends in a dot if the width is even: the rest of the template follows.
    digits = digits.ljust((width + 1) // 2, "0")
    text = ".".join(digits)
    return (text + "." if len(text) < width else text).encode("ascii")
