"""Whole messages that NSD, Knot, BIND and we are sent, by UDP and TCP: what they are called, and their bytes."""

import struct
from typing import Final

from tests.nameserver.test_wire import A_IN, ONE_OPT, UNREADABLE, WWW, message, opt, record

_APEX: Final = b"\7example\4test\0"
_SOA_IN: Final = b"\0\6\0\1"
_A_RECORD: Final = record(WWW, rdata=b"\xc0\0\2\x50")
_TSIG_RDATA: Final = (
    b"\x0bhmac-sha256\0" + (1_800_000_000).to_bytes(6) + struct.pack(">HH", 300, 32) + b"m" * 32
) + struct.pack(">HHH", 0x4711, 0, 0)
_TSIG: Final = b"\3key\0" + struct.pack(">HHLH", 250, 255, 0, len(_TSIG_RDATA)) + _TSIG_RDATA


def _asked(name: bytes, rdtype: int, rdclass: int = 1) -> bytes:
    return name + struct.pack(">HH", rdtype, rdclass)


def _labels(text: str) -> bytes:
    return b"".join(bytes((len(label),)) + label.encode() for label in text.split(".")) + b"\0"


def _option(code: int, data: bytes) -> bytes:
    return struct.pack(">HH", code, len(data)) + data


MESSAGES: Final[dict[str, bytes]] = {
    "plain": message(),
    "without RD": message(flags=0),
    **{f"opcode {opcode}": message(flags=opcode << 11) for opcode in range(16)},
    "NOTIFY": message(_asked(_APEX, 6), flags=0x2400),
    "NOTIFY of another zone": message(_asked(_labels("other"), 6), flags=0x2400),
    "UPDATE": message(_asked(_APEX, 6), flags=0x2800),
    "UPDATE with a record": message(_asked(_APEX, 6), _A_RECORD, flags=0x2800, counts=(1, 0, 1, 0)),
    "UPDATE of another zone": message(_asked(_labels("other"), 6), flags=0x2800),
    "STATUS without question": message(b"", flags=0x1000, counts=(0, 0, 0, 0)),
    "QR": message(flags=0x8000),
    "AA": message(flags=0x0400),
    "TC": message(flags=0x0200),
    "RA": message(flags=0x0080),
    "Z": message(flags=0x0040),
    "AD": message(flags=0x0020),
    "CD": message(flags=0x0010),
    "an rcode": message(flags=0x0003),
    # Classes and types.
    **{f"class {number}": message(_asked(WWW, 1, number)) for number in (0, 2, 3, 4, 254, 255, 256, 65280)},
    "CH version.bind TXT": message(_asked(_labels("version.bind"), 16, 3)),
    "CH id.server TXT": message(_asked(_labels("id.server"), 16, 3)),
    "CH hostname.bind TXT": message(_asked(_labels("hostname.bind"), 16, 3)),
    "CH else": message(_asked(_labels("nothing.here"), 16, 3)),
    "CH ANY": message(_asked(_labels("version.bind"), 255, 3)),
    "ANY version.bind": message(_asked(_labels("version.bind"), 16, 255)),
    **{
        f"type {number}": message(_asked(WWW, number))
        for number in (
            0,
            10,
            11,
            41,
            100,
            127,
            128,
            129,
            200,
            248,
            249,
            250,
            253,
            254,
            255,
            256,
            32768,
            65535,
        )
    },
    "IXFR": message(_asked(_APEX, 251)),
    "IXFR with SOA": message(
        _asked(_APEX, 251),
        record(_APEX, 6, b"\0\0" + struct.pack(">LLLLL", 1, 2, 3, 4, 5)),
        counts=(1, 0, 1, 0),
    ),
    "IXFR of no zone": message(_asked(_labels("other"), 251)),
    "AXFR": message(_asked(_APEX, 252)),
    "AXFR of no zone": message(_asked(_labels("other"), 252)),
    "AXFR below the apex": message(_asked(WWW, 252)),
    # Sizes.
    **{
        f"{owner} TXT {size}": message(
            _asked(_labels(f"{owner}.example.test"), 16),
            opt(size) if size else b"",
            counts=(1, 0, 0, size > 0),
        )
        for owner in ("t450", "t500", "t560", "t1100", "t1180", "t1290", "t4000")
        for size in (0, 511, 512, 1000, 1232, 4096)
    },
    **{
        f"{owner} {rdtype} {size}": message(
            _asked(_labels(f"{owner}.example.test"), rdtype),
            opt(size) if size else b"",
            counts=(1, 0, 0, size > 0),
        )
        for owner, rdtype in (("many", 1), ("more", 1), ("bigsub", 1), ("hugesub", 1), ("bigmx", 15))
        for size in (0, 512, 1232, 4096)
    },
    # EDNS.
    **{f"EDNS size {size}": message(more=opt(size), counts=ONE_OPT) for size in (0, 511, 512, 4096, 65535)},
    "DO": message(more=opt(flags=0x8000), counts=ONE_OPT),
    "EDNS flags but DO": message(more=opt(flags=0x7FFF), counts=ONE_OPT),
    **{f"EDNS version {v}": message(more=opt(version=v), counts=ONE_OPT) for v in (1, 2, 255)},
    "EDNS version 1, DO": message(more=opt(version=1, flags=0x8000), counts=ONE_OPT),
    "EDNS version 1, option cut": message(more=opt(version=1, options=b"\0\3\0\5a"), counts=ONE_OPT),
    "EDNS version 1, opcode 3": message(more=opt(version=1), flags=0x1800, counts=ONE_OPT),
    "EDNS version 1, no zone": message(_asked(_labels("other"), 1), opt(version=1), counts=ONE_OPT),
    "EDNS, no zone": message(_asked(_labels("other"), 1), opt(), counts=ONE_OPT),
    "EDNS, class CH": message(_asked(WWW, 1, 3), opt(), counts=ONE_OPT),
    "EDNS, opcode 3": message(more=opt(), flags=0x1800, counts=ONE_OPT),
    "option unknown": message(more=opt(options=_option(65001, b"abc")), counts=ONE_OPT),
    "option empty": message(more=opt(options=_option(65001, b"")), counts=ONE_OPT),
    "options many": message(
        more=opt(options=b"".join(_option(n, b"x" * 8) for n in range(65001, 65041))), counts=ONE_OPT
    ),
    "NSID": message(more=opt(options=_option(3, b"")), counts=ONE_OPT),
    "NSID with data": message(more=opt(options=_option(3, b"x")), counts=ONE_OPT),
    "client subnet": message(more=opt(options=_option(8, b"\0\1\x18\0\xc0\0\2")), counts=ONE_OPT),
    "client subnet, bad": message(more=opt(options=_option(8, b"\0\1\xff\0\xc0")), counts=ONE_OPT),
    "cookie of 8": message(more=opt(options=_option(10, b"12345678")), counts=ONE_OPT),
    "cookie of 24": message(more=opt(options=_option(10, b"12345678" * 3)), counts=ONE_OPT),
    "cookie of 5": message(more=opt(options=_option(10, b"12345")), counts=ONE_OPT),
    "keepalive": message(more=opt(options=_option(11, b"")), counts=ONE_OPT),
    "padding": message(more=opt(options=_option(12, b"\0" * 40)), counts=ONE_OPT),
    "key tag": message(more=opt(options=_option(14, b"\0\1")), counts=ONE_OPT),
    "expire": message(_asked(_APEX, 6), opt(options=_option(9, b"")), counts=ONE_OPT),
    # Names.
    "a name of 255": message(
        b"".join(b"\x3f" + b"x" * 63 for _ in range(3)) + b"\x32" + b"x" * 50 + _APEX[-14:] + A_IN
    ),
    "a label of 63": message(b"\x3f" + b"x" * 63 + _APEX + A_IN),
    "a label with a zero": message(b"\3a\0b" + _APEX + A_IN),
    "an asterisk": message(b"\1*\4wild" + _APEX + A_IN),
    "mixed case": message(b"\3wWw\7exAmple\4tEst\0" + A_IN),
    # Counts that are not what is there.
    **{name: wire for name, wire, _readable in UNREADABLE},
    "two equal questions": message(WWW + A_IN + WWW + A_IN, counts=(2, 0, 0, 0)),
    "two questions, OPT": message(WWW + A_IN + _APEX + _SOA_IN, opt(), counts=(2, 0, 0, 1)),
    "no question, OPT": message(b"", opt(), counts=(0, 0, 0, 1)),
    "no question, OPT with a cookie": message(
        b"", opt(options=_option(10, b"12345678")), counts=(0, 0, 0, 1)
    ),
    "no question, NOTIFY": message(b"", flags=0x2000, counts=(0, 0, 0, 0)),
    "an answer": message(more=_A_RECORD, counts=(1, 1, 0, 0)),
    "an authority": message(more=_A_RECORD, counts=(1, 0, 1, 0)),
    "an additional": message(more=_A_RECORD, counts=(1, 0, 0, 1)),
    "OPT and an additional": message(more=opt() + _A_RECORD, counts=(1, 0, 0, 2)),
    "an additional and OPT": message(more=_A_RECORD + opt(), counts=(1, 0, 0, 2)),
    "OPT at another owner": message(more=opt(owner=b"\3www\0"), counts=ONE_OPT),
    # Signatures that nobody can check.
    "TSIG of an unknown key": message(more=_TSIG, counts=ONE_OPT),
    "TSIG of an unknown key, OPT": message(more=opt() + _TSIG, counts=(1, 0, 0, 2)),
    "TSIG before OPT": message(more=_TSIG + opt(), counts=(1, 0, 0, 2)),
    "TSIG among answers": message(more=_TSIG, counts=(1, 1, 0, 0)),
    "TSIG of two octets": message(
        more=b"\3key\0" + struct.pack(">HHLH", 250, 255, 0, 2) + b"ab", counts=ONE_OPT
    ),
    "AXFR with TSIG of an unknown key": message(_asked(_APEX, 252), _TSIG, counts=ONE_OPT),
    "SIG(0)": message(
        more=b"\0"
        + struct.pack(">HHLH", 24, 255, 0, 87)
        + b"\0\0\x0d\0"
        + b"\0" * 14
        + b"\3key\0"
        + b"s" * 64,
        counts=ONE_OPT,
    ),
}
