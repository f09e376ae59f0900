"""The transports without a network."""

import pytest

from xferzone.errors import PeerError
from xferzone.transport import Body, Canned, InProcess, Transport


def asked(way: Transport, octets: bytes) -> tuple[str, bytes]:
    with way.exchange(Body.of("text/plain", octets)) as reply:
        return reply.content_type, reply.octets.read()


def test_a_function_of_this_process_answers() -> None:
    def backwards(body: Body) -> Body:
        return Body.of("text/backwards", body.octets.read()[::-1])

    request = Body.of("text/plain", b"abc")
    way = InProcess(backwards)
    with way.exchange(request) as reply:
        assert (reply.content_type, reply.octets.read()) == ("text/backwards", b"cba")
    assert request.octets.closed
    assert way.name == "this process"


def test_what_the_function_raises_comes_out() -> None:
    def refuses(_body: Body) -> Body:
        raise PeerError("not today")

    with pytest.raises(PeerError, match="not today"):
        asked(InProcess(refuses), b"abc")


def test_recorded_replies_come_in_turn_and_requests_are_remembered() -> None:
    way = Canned([("text/one", b"1"), ("text/two", b"2")], name="http://dns.example.net/")
    assert asked(way, b"first") == ("text/one", b"1")
    assert asked(way, b"second") == ("text/two", b"2")
    with pytest.raises(PeerError, match=r"^http://dns\.example\.net/ has no reply to request 3"):
        asked(way, b"third")
    assert way.requests == [("text/plain", b"first"), ("text/plain", b"second"), ("text/plain", b"third")]
