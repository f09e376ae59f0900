r"""SvcParams, the end of HTTPS and SVCB rdata, as one field.

    text    alpn="h2,h3" port=443 no-default-alpn key65333="a\000"    in any order
    wire    (key 2, length 2, value) ...                             by ascending key

    key  name              value in text                            value in wire
    0    mandatory         names of keys, by commas                 keys, 2 octets each, ascending
    1    alpn              protocol ids, by commas                  (length octet, id) ...
    2    no-default-alpn   none                                     none
    3    port              0 to 65535                               2 octets
    4    ipv4hint          addresses, by commas                     4 octets each
    5    ech               base64                                   the octets
    6    ipv6hint          addresses, by commas                     16 octets each
    7    dohpath           a path template                          the octets
    8    ohttp             none                                     none
    NNN  keyNNN            the octets as a character-string         the octets

A comma or backslash inside a protocol id is escaped with a backslash before the value is escaped as a
character-string: \\, and \\\\. Canonical text has the keys in ascending order, values without quotes, in which all
but letters, digits and `, . : / + = _ - ? { }` is \DDD, and keys from 7 on as keyNNN for ever, since servers of today
do not read all their names. What is not self-consistent (RFC 9460 2.4.3) is refused.

Source: RFC 9460 2.1, 2.2, 7, 8, A.1; RFC 9461 5; RFC 9540 4.
"""

import binascii
import re
from collections import deque
from collections.abc import Callable, Mapping

from xferzone.zonefile.rdata import values
from xferzone.zonefile.rdata.fields import Field, Form, Words
from xferzone.zonefile.rdata.values import shown

_MANDATORY, _ALPN, _NO_DEFAULT_ALPN, _PORT, _IPV4HINT, _ECH, _IPV6HINT, _DOHPATH, _OHTTP = range(9)
_NAMES = b"mandatory alpn no-default-alpn port ipv4hint ech ipv6hint dohpath ohttp".split()
_WRITTEN = 7  # names of keys below it are written: those of RFC 9460, which every server reads
_NUMBERED = re.compile(rb"key(0|[1-9][0-9]{0,4})")
_ITEM = re.compile(rb"((?:[^\\,]|\\[\\,])*)(,|\Z)", re.DOTALL)
_ITEM_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
# Quotes around a value, and a backslash before anything but three digits, are not read alike by all servers.
_BARE = b",.:/+=_-?{}0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VALUE = [bytes((octet,)) if octet in _BARE else b"\\%03d" % octet for octet in range(256)]


class Params(Field):
    """The SvcParams, maybe none, to the end of the rdata."""

    def parse(self, words: Words) -> bytes:
        params: dict[int, bytes] = {}
        tokens = deque(words.rest())
        while tokens:
            first = tokens.popleft()
            name, equals, raw = first.raw.partition(b"=")
            if first.quoted:
                raise ValueError(f'"{shown(first.raw)}" must not stand in quotes')
            if equals and not raw and tokens and tokens[0].quoted and tokens[0].glued:
                raw = tokens.popleft().raw
            key = _key(name)
            if key in params:
                raise ValueError(f"{shown(name)} is given twice")
            params[key] = _parsed(key, name, raw)
        _check_together(params)
        return b"".join(
            key.to_bytes(2, "big") + len(params[key]).to_bytes(2, "big") + params[key]
            for key in sorted(params)
        )

    def end(self, wire: bytes, at: int) -> int:
        _check_together(_split(wire[at:]))
        return len(wire)

    def present(self, part: bytes, form: Form) -> bytes:
        texts = []
        for key, value in _split(part).items():
            text = _texts[key](value) if key in _texts else value
            texts.append(key_text(key) + (b"=" + _unquoted(text) if text else b""))
        return b" ".join(texts)


def key_text(key: int) -> bytes:
    """How a key is written."""
    return _NAMES[key] if key < _WRITTEN else b"key%d" % key


def _unquoted(text: bytes) -> bytes:
    return b"".join([_VALUE[octet] for octet in text])


def _key(name: bytes) -> int:
    if name in _NAMES:
        return _NAMES.index(name)
    match = _NUMBERED.fullmatch(name)
    if not match or int(match[1]) > 0xFFFF:
        raise ValueError(f"{shown(name)} is not a SvcParamKey")
    return int(match[1])


def _parsed(key: int, name: bytes, raw: bytes) -> bytes:
    """The wire form of a value; `name` tells whether its text is of the key's own form."""
    value = values.unescaped(raw)
    if len(value) > 0xFFFF:
        raise ValueError(f"{shown(name)} has a value of {len(value)} octets")
    if key in _values and name == _NAMES[key]:
        return _values[key](value)
    _check(key, value)
    return value


def _split(wire: bytes) -> dict[int, bytes]:
    """Key -> value, in ascending order; each value is what its key allows."""
    params: dict[int, bytes] = {}
    at, before = 0, -1
    while at < len(wire):
        key, size = int.from_bytes(wire[at : at + 2], "big"), int.from_bytes(wire[at + 2 : at + 4], "big")
        if at + 4 + size > len(wire):
            raise ValueError("a SvcParam is cut off")
        if key <= before:
            raise ValueError("its SvcParams are not in ascending order")
        params[key] = wire[at + 4 : at + 4 + size]
        _check(key, params[key])
        at, before = at + 4 + size, key
    return params


def _check(key: int, value: bytes) -> None:
    """Raise ValueError unless `value` has the wire form that `key` asks for."""
    if key in (_NO_DEFAULT_ALPN, _OHTTP):
        if value:
            raise ValueError(f"{key_text(key).decode()} takes no value")
    elif key <= _OHTTP and not value:
        raise ValueError(f"{key_text(key).decode()} needs a value")
    unit = {_PORT: 2, _MANDATORY: 2, _IPV4HINT: 4, _IPV6HINT: 16}.get(key, 1)
    if len(value) % unit or (key == _PORT and len(value) != unit):
        raise ValueError(f"{key_text(key).decode()} has a value of {len(value)} octets")
    if key == _ALPN:
        _ids(value)
    if key == _MANDATORY:
        keys = [value[at : at + 2] for at in range(0, len(value), 2)]
        if keys != sorted(set(keys)) or b"\0\0" in keys:
            raise ValueError("mandatory lists keys twice, out of order, or itself")


def _check_together(params: Mapping[int, bytes]) -> None:
    """Raise ValueError unless the params agree with one another; RFC 9460 2.4.3, 7.1.1, 8."""
    if _NO_DEFAULT_ALPN in params and _ALPN not in params:
        raise ValueError("no-default-alpn needs alpn beside it")
    listed = params.get(_MANDATORY, b"")
    for at in range(0, len(listed), 2):
        if (key := int.from_bytes(listed[at : at + 2], "big")) not in params:
            raise ValueError(f"{key_text(key).decode()} is mandatory and missing")


def _ids(value: bytes) -> list[bytes]:
    ids = []
    at = 0
    while at < len(value):
        ids.append(value[at + 1 : at + 1 + value[at]])
        if not ids[-1] or len(ids[-1]) != value[at]:
            raise ValueError("alpn has an empty protocol id or one that is cut off")
        at += 1 + value[at]
    return ids


def _alpn(value: bytes) -> bytes:
    wire = b""
    at = 0
    while True:
        item = _ITEM.match(value, at)
        if item is None:
            raise ValueError("a backslash in a list of values stands before something else than , or \\")
        protocol = _ITEM_ESCAPE.sub(rb"\1", item[1])
        if not 1 <= len(protocol) <= values.MAX_STRING:
            raise ValueError("alpn has a protocol id that is not 1 to 255 octets")
        wire += bytes((len(protocol),)) + protocol
        if not item[2]:
            return wire
        at = item.end()


def _alpn_text(value: bytes) -> bytes:
    return b",".join(identity.replace(b"\\", b"\\\\").replace(b",", b"\\,") for identity in _ids(value))


def _mandatory(value: bytes) -> bytes:
    wire = b"".join(sorted(_key(name).to_bytes(2, "big") for name in value.split(b",")))
    _check(_MANDATORY, wire)
    return wire


def _mandatory_text(value: bytes) -> bytes:
    return b",".join(key_text(int.from_bytes(value[at : at + 2], "big")) for at in range(0, len(value), 2))


def _ech(value: bytes) -> bytes:
    try:
        wire = binascii.a2b_base64(value, strict_mode=True)
    except binascii.Error as exc:
        raise ValueError(f"{shown(value)} is not base64: {exc}") from exc
    _check(_ECH, wire)
    return wire


def _addresses(size: int, text: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    return lambda value: b",".join(text(value[at : at + size]) for at in range(0, len(value), size))


#: Key -> the wire form of a value's text, for keys whose text is not their octets.
_values: Mapping[int, Callable[[bytes], bytes]] = {
    _MANDATORY: _mandatory,
    _ALPN: _alpn,
    _PORT: lambda value: values.parse_number(value, 2),
    _IPV4HINT: lambda value: b"".join(map(values.parse_ipv4, value.split(b","))),
    _ECH: _ech,
    _IPV6HINT: lambda value: b"".join(map(values.parse_ipv6, value.split(b","))),
}

#: Key -> the text of a value's wire form, for the same keys.
_texts: Mapping[int, Callable[[bytes], bytes]] = {
    _MANDATORY: _mandatory_text,
    _ALPN: _alpn_text,
    _PORT: lambda value: b"%d" % int.from_bytes(value, "big"),
    _IPV4HINT: _addresses(4, values.ipv4_text),
    _ECH: lambda value: binascii.b2a_base64(value, newline=False),
    _IPV6HINT: _addresses(16, values.ipv6_text),
}
