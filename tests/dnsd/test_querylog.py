"""The query log: one of so many, a line each, so many a second, and nothing of a client but its network."""

import logging

import pytest

from tests.nameserver.made import question
from tests.nameserver.test_respond import ZONES
from xferzone.dnsd.querylog import LINES, QueryLog
from xferzone.nameserver.respond import respond

CLIENTS = [b"\xc0\0\2\7", bytes.fromhex("20010db8000001020304050607080910")]


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def ask(log: QueryLog, batch: list[bytes], client: bytes = CLIENTS[0]) -> None:
    """Answer a batch as a process does."""

    def answered(message: bytes, _slot: int) -> bytes | None:
        return respond(message, ZONES, client, tcp=False)

    way = answered if log.skips(len(batch)) else log.logged(answered, lambda _slot: client)
    for slot, message in enumerate(batch):
        assert way(message, slot) == answered(message, slot)


@pytest.mark.parametrize(("each", "number"), [(0, 0), (1, 90), (7, 12), (90, 1), (91, 0)])
@pytest.mark.parametrize("size", [1, 4, 64])
def test_one_of_so_many_is_logged(
    caplog: pytest.LogCaptureFixture, each: int, number: int, size: int
) -> None:
    caplog.set_level(logging.INFO)
    log = QueryLog(each, "udp", ZONES)
    asked = [question("www.example.test.", "A")] * 90
    for start in range(0, len(asked), size):
        ask(log, asked[start : start + size])
    assert len(lines(caplog)) == number


@pytest.mark.parametrize(
    ("wire", "client", "begin", "end"),
    [
        (
            question("wWw.example.test.", "AAAA"),
            CLIENTS[0],
            "query client=192.0.2.0/24 protocol=udp name=wWw.example.test. type=AAAA rcode=NOERROR size=",
            " zone=example.test. key=none canary=False left_out=0",
        ),
        (
            question("no.other.", "A", size=0),
            CLIENTS[1],
            "query client=2001:db8:0:100::/56 protocol=udp name=no.other. type=A rcode=REFUSED size=26 us=",
            " zone= key=none canary=False left_out=0",
        ),
        (
            question("a\\032b\\010.example.test.", "TYPE1234", size=0),
            b"",
            r"query client= protocol=udp name=a\032b\010.example.test. type=TYPE1234 rcode=NXDOMAIN size=",
            " zone=example.test. key=none canary=False left_out=0",
        ),
        (
            bytes.fromhex("0001 0000 0001 0000 0000 0000 c004 0001 0001"),  # the name is a pointer
            CLIENTS[0],
            "query client=192.0.2.0/24 protocol=udp name= type= rcode=FORMERR size=12 us=",
            "zone= key=none canary=False left_out=0",
        ),
        (
            b"short",
            CLIENTS[0],
            "query client=192.0.2.0/24 protocol=udp name= type= rcode=none size=0 us=",
            "zone= key=none canary=False left_out=0",
        ),
    ],
)
# many: what comes, and what is said of it
def test_lines(caplog: pytest.LogCaptureFixture, wire: bytes, client: bytes, begin: str, end: str) -> None:
    caplog.set_level(logging.INFO)
    ask(QueryLog(1, "udp", ZONES), [wire], client)
    (line,) = lines(caplog)
    assert line.startswith(begin)
    assert line.endswith(end)


def test_lines_are_bounded_and_say_what_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = QueryLog(1, "udp", ZONES)
    ask(log, [question("www.example.test.", "A")] * (LINES + 23))
    assert len(lines(caplog)) == LINES
    log.tick()
    ask(log, [question("www.example.test.", "A")])
    assert lines(caplog)[LINES].endswith("left_out=23")
