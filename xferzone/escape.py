r"""How text with blanks becomes one token of a card, on the wire and in artifacts.

    \s space  \t tab  \n line feed  \r carriage return  \f form feed  \v vertical tab  \0 NUL  \\ backslash

Writers escape these eight octets and nothing else. Readers drop a backslash before any other octet, and keep one at the
end of the token.
Source: Fossil 2.21, src/encode.c fossilize(), defossilize(); www/fileformat.wiki.
"""

import re
from collections.abc import Mapping

_ESCAPES: Mapping[bytes, bytes] = {
    b" ": rb"\s",
    b"\t": rb"\t",
    b"\n": rb"\n",
    b"\r": rb"\r",
    b"\f": rb"\f",
    b"\v": rb"\v",
    b"\0": rb"\0",
    b"\\": rb"\\",
}
_OCTETS: Mapping[bytes, bytes] = {escape: octet for octet, escape in _ESCAPES.items()}
_SPECIAL = re.compile(rb"[ \t\n\r\f\v\0\\]")
_ESCAPED = re.compile(rb"\\.", re.DOTALL)


def encode(text: str | bytes) -> bytes:
    """One token that stands for `text`; a str counts as UTF-8, lone surrogates as the octets they escaped.

    Empty text gives an empty token, which only artifacts can carry.
    """
    octets = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return _SPECIAL.sub(lambda match: _ESCAPES[match[0]], octets)


def decode(token: bytes) -> bytes:
    """The octets that `token` stands for; no token is invalid."""
    if b"\\" not in token:
        return token
    return _ESCAPED.sub(lambda match: _OCTETS.get(match[0], match[0][1:]), token)


def decode_text(token: bytes) -> str:
    """`decode` as UTF-8 text; octets that are not UTF-8 become lone surrogates, which `encode` reverses."""
    return decode(token).decode("utf-8", "surrogateescape")
