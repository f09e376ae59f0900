"""NSD, Knot, BIND and we, with one secret, take each other's cookies."""

import time
from collections.abc import Iterator, Mapping

import dns.message
import dns.rcode
import pytest

from tests.nameserver.peers.asking import Udp
from tests.nameserver.peers.programs import SECRET, running
from tests.nameserver.test_offers import FIRST, asked, option_of
from xferzone.nameserver.cookies import Cookies
from xferzone.nameserver.edns import option

pytestmark = pytest.mark.interop

US = b"\x7f\0\0\1"


@pytest.fixture(scope="module")
def peers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, int]]:
    with running(tmp_path_factory.mktemp("peers"), every_option=True, strict=True) as ports:
        yield ports


def cookie_of(port: int, options: bytes) -> tuple[bytes, int]:
    with Udp(port) as way:
        answer = way.ask(asked(options))
    assert answer is not None
    read = dns.message.from_wire(answer)
    found = option_of(read, 10)
    assert found is not None
    return found, read.rcode()


@pytest.mark.parametrize("peer", ["nsd", "knot", "bind"])
def test_we_take_theirs(peers: Mapping[str, int], peer: str) -> None:
    theirs, _ = cookie_of(peers[peer], FIRST)
    ours = Cookies([bytes(16), SECRET]).judged(theirs, US, int(time.time()))
    assert ours is not None
    assert ours.is_valid
    assert ours.option != option(10, theirs)  # made with the secret that comes first
    same = Cookies([SECRET]).judged(theirs, US, int(time.time()))
    assert same is not None
    assert (same.option, same.is_valid) == (option(10, theirs), True)


@pytest.mark.parametrize("peer", ["nsd", "knot", "strict"])
def test_they_take_ours(peers: Mapping[str, int], peer: str) -> None:
    """What is not theirs NSD replaces; Knot, and BIND where it wants valid cookies, say so too."""
    now = int(time.time()) - 60
    for secret in (SECRET, bytes(16)):
        made = Cookies([secret]).judged(FIRST[4:], US, now)
        assert made is not None
        theirs, rcode = cookie_of(peers[peer], made.option)
        is_taken = secret == SECRET
        if peer != "strict":  # it makes a new one each time
            assert (option(10, theirs) == made.option) == is_taken
        if peer != "nsd":
            assert rcode == (dns.rcode.NOERROR if is_taken else dns.rcode.BADCOOKIE)
