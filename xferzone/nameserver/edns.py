"""Options of the OPT record, the part of a message that says how to answer.

    option      code 2, length 2, that many octets
    extended    code 000F: INFO-CODE 2, text in UTF-8; with some errors

Source: RFC 6891 6.1.2, RFC 8914 2 (extended errors).
"""

import struct
from typing import Final, NamedTuple

_EXTENDED: Final = 15  # the option code of extended errors
_OPTION_HEAD: Final = struct.Struct(">HH")


class Edns(NamedTuple):
    """A question's OPT record: the UDP size that it offers in bytes, as given, its DO bit, its options, well formed."""

    size: int
    dnssec_ok: bool
    options: bytes = b""

    def option(self, code: int) -> bytes | None:
        """The first option of that code; None: there is none."""
        return found(self.options, code)


def found(options: bytes, code: int) -> bytes | None:
    """The first of these options, which are well formed, that has that code; None: there is none."""
    at = 0
    while at < len(options):
        other, size = _OPTION_HEAD.unpack_from(options, at)
        at += 4 + size
        if other == code:
            return options[at - size : at]
    return None


def check_options(options: bytes) -> None:
    """Raises ValueError or struct.error where these are not whole options."""
    at = 0
    while at < len(options):
        _code, size = _OPTION_HEAD.unpack_from(options, at)
        at += 4 + size
    if at != len(options):
        raise ValueError("an option is cut short")


def option(code: int, value: bytes) -> bytes:
    """An option for the OPT record of an answer."""
    return _OPTION_HEAD.pack(code, len(value)) + value


def extended_error(code: int, text: str = "") -> bytes:
    """The option that says why, for `error`."""
    return option(_EXTENDED, code.to_bytes(2) + text.encode("utf-8"))
