"""A first request that is under way before whoever sends it is there."""

from threading import Event

import pytest

from xferzone.errors import PeerError
from xferzone.transport import Body, InProcess
from xferzone.transport.sooner import Sooner

TYPE = "application/x-fossil-uncompressed"


def body(octets: bytes) -> Body:
    return Body.of(TYPE, octets)


def test_the_first_exchange_has_the_reply_to_what_was_asked_sooner() -> None:
    asked: list[bytes] = []

    def answer(request: Body) -> Body:
        asked.append(request.octets.read())
        return body(b"to " + asked[-1])

    way = Sooner(InProcess(answer, name="x"), body(b"sooner"))
    assert way.waited(30).name == "x"
    assert asked == [b"sooner"]
    first = body(b"first")
    assert way.exchange(first).octets.read() == b"to sooner"
    assert first.octets.closed
    assert way.exchange(body(b"second")).octets.read() == b"to second"
    assert asked == [b"sooner", b"second"]


def test_what_it_failed_at_is_raised_by_the_first_exchange() -> None:
    def answer(_request: Body) -> Body:
        raise PeerError("nobody is there")

    way = Sooner(InProcess(answer, name="x"), body(b"sooner")).waited(30)
    with pytest.raises(PeerError, match="nobody is there"):
        way.exchange(body(b"first"))


def test_who_waits_for_a_while_waits_no_longer() -> None:
    may_answer = Event()

    def answer(_request: Body) -> Body:
        may_answer.wait(30)
        return body(b"late")

    way = Sooner(InProcess(answer, name="x"), body(b"sooner")).waited(0.01)
    may_answer.set()
    assert way.exchange(body(b"first")).octets.read() == b"late"


@pytest.mark.parametrize("comes_first", [True, False])
def test_a_reply_that_nobody_takes_is_closed(comes_first: bool) -> None:
    may_answer, reply = Event(), body(b"reply")

    def answer(_request: Body) -> Body:
        may_answer.wait(30)
        return reply

    with Sooner(InProcess(answer, name="x"), body(b"sooner")) as way:
        if comes_first:
            may_answer.set()
            way.waited(30)
    may_answer.set()
    way.waited(30)
    assert reply.octets.closed
