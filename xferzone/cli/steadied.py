"""Standard output on a terminal: what somebody else wrote steers it no more than it would steer paper.

    a control character (ESC, CSI, BEL, ...), or one that turns the writing around     U+FFFD
    line feed, CR LF, tab                                                              as they are
    the colours of terminal.py, which are marked                                       without the mark

Colours of others are not passed on: white on white hides what follows it. The filter stands in the place of the stream,
so that no verb can forget it. Piped, or in a file, everything is as it is.

Source: ECMA-48; Unicode Standard Annex 9 (bidirectional formatting characters).
"""

import os
import re
from typing import Any, Final

#: What may steer a terminal beside the first 32 of ASCII, for a class of a pattern: DEL, C1 controls, ends of lines,
#: and what turns the writing around.
STEERING = "\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
#: The mark before a colour of ours; it is another in each process, so that nobody can have written it before.
OURS: Final = os.urandom(8).hex()
_PASSED_OR_STEERING = re.compile(
    f"{OURS}(\x1b\\[(?:0|3[1-7])m)"  # colours of click.style as they are used here
    f"|(\r\n)|[\0-\x08\x0b-\x1f{STEERING}]"
)


def plain(text: str) -> str:
    """The text without what could steer a terminal."""
    return _PASSED_OR_STEERING.sub(lambda found: found[1] or found[2] or "\ufffd", text)


class Steadied:
    """A text stream, or the stream of octets below it, through which only plain text passes."""

    def __init__(self, stream: Any) -> None:  # Any: a text stream, or its buffer
        self._stream = stream

    def write(self, text: Any) -> int:
        if isinstance(text, str):
            self._stream.write(plain(text))
        else:
            octets = bytes(text).decode("utf-8", "surrogateescape")
            self._stream.write(plain(octets).encode("utf-8", "surrogateescape"))
        return len(text)

    @property
    def buffer(self) -> "Steadied":
        return Steadied(self._stream.buffer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
