"""Names in rdata, between text and wire form: relative text is completed with an origin, or cut down to it.

    text in the zone example.com     wire form
    www                              3www7example3com0
    @                                7example3com0
    www.example.net.                 3www7example3net0

Canonical text has relative names in the rdata of some types only (rdtypes.RELATIVE), and absolute ones in all others.
Both directions remember what they made: zones repeat their names.
"""

import re
from collections.abc import Sequence

import dns.name

from xferzone.zonefile import names
from xferzone.zonefile.rdata.fields import MAX_NAME
from xferzone.zonefile.rdata.values import shown

_PLAIN = re.compile(rb"[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")
_REMEMBERED = 100_000  # names; then it forgets all: a text of a million names need not keep them twice
_LENGTHS = [bytes((length,)) for length in range(64)]


def lowered_labels(name: dns.name.Name) -> tuple[bytes, ...]:
    """The labels of an absolute name in lower case, without the root's."""
    return tuple(label.lower() for label in name.labels[:-1])


def wire_name(labels: Sequence[bytes]) -> bytes:
    """The wire form of absolute labels, case as given. Raises ValueError over 255 octets."""
    wire = b"".join([_LENGTHS[len(label)] + label for label in labels]) + b"\0"
    if len(wire) > MAX_NAME:
        raise ValueError(f"a name of {len(wire)} octets, {MAX_NAME} are allowed")
    return wire


def wire_labels(wire: bytes) -> list[bytes]:
    """The labels of a wire name, without the root's."""
    labels = []
    at = 0
    while length := wire[at]:
        labels.append(wire[at + 1 : at + 1 + length])
        at += 1 + length
    return labels


class NameReader:
    """Text to wire form; relative names are completed with `origin`."""

    def __init__(self, origin: Sequence[bytes]) -> None:
        self.origin = tuple(origin)
        self._suffix = wire_name(self.origin)
        self._known: dict[bytes, bytes] = {b"@": self._suffix}

    def __call__(self, text: bytes) -> bytes:
        """The wire form, case as given. Raises ValueError with a reason that begins with the text."""
        wire = self._known.get(text)
        if wire is None:
            if len(self._known) > _REMEMBERED:
                self._known = {b"@": self._suffix}
            wire = self._known[text] = self._plain(text) or wire_name(self.labels(text))
        return wire

    def _plain(self, text: bytes) -> bytes:
        """The wire form of a name of letters, digits, "_" and "-"; nothing for any other, or too long a one."""
        # In front of the first label stands one length octet more than there are dots between labels.
        if not _PLAIN.fullmatch(text) or 1 + len(text) + len(self._suffix) > MAX_NAME:
            return b""
        is_absolute = text[-1] == 0x2E
        labels = (text[:-1] if is_absolute else text).split(b".")
        return b"".join([_LENGTHS[len(label)] + label for label in labels]) + (
            b"\0" if is_absolute else self._suffix
        )

    def labels(self, text: bytes) -> tuple[bytes, ...]:
        """The absolute labels that the text means, without the root's."""
        if text == b"@":
            return self.origin
        try:
            labels, is_absolute = names.parsed_name(text)
        except ValueError as exc:
            raise ValueError(f"{shown(text)} is not a name: {exc}") from exc
        return labels if is_absolute else labels + self.origin


class NameWriter:
    """Wire form to canonical text: relative inside the zone `origin`, else absolute (None: always absolute)."""

    def __init__(self, origin: Sequence[bytes] | None) -> None:
        self._origin = None if origin is None else list(origin)
        self._known: dict[bytes, bytes] = {}

    def __call__(self, wire: bytes) -> bytes:
        """The text, case as given."""
        text = self._known.get(wire)
        if text is None:
            if len(self._known) > _REMEMBERED:
                self._known = {}
            text = self._known[wire] = self._text(wire_labels(wire))
        return text

    def _text(self, labels: list[bytes]) -> bytes:
        if self._origin is not None:
            own = len(labels) - len(self._origin)
            if own >= 0 and labels[own:] == self._origin:
                return names.labels_text(labels[:own]) or b"@"
        return names.labels_text(labels) + b"."
