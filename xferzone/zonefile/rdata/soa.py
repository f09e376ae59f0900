"""The numbers at the end of an SOA's rdata.

    MNAME, RNAME, serial 4, refresh 4, retry 4, expire 4, minimum 4

Source: RFC 1035 3.3.13; RFC 2308 4 (what the minimum means).
"""

_SERIAL = slice(-20, -16)
_MINIMUM = slice(-4, None)


def with_serial(rdata: bytes, serial: int) -> bytes:
    """The rdata with `serial` in the place of its own."""
    return rdata[: _SERIAL.start] + serial.to_bytes(4) + rdata[_SERIAL.stop :]


def serial(rdata: bytes) -> int:
    """The serial in the rdata."""
    return int.from_bytes(rdata[_SERIAL])


def minimum(rdata: bytes) -> int:
    """Seconds for which a negative answer holds."""
    return int.from_bytes(rdata[_MINIMUM])
