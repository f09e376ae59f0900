"""One request, one reply, whoever carries them: by HTTP and by a plain program the bytes are the same."""

import base64
import json
import shutil
import subprocess
import sys
import zlib
from pathlib import Path

import falcon.testing
import pytest

from tests.sync import recorded
from tests.sync.test_rounds import BEFORE, HISTORY, USERS
from xferzone import exchange
from xferzone.cards.body import COMPRESSED, DEBUG, UNCOMPRESSED, decode_body, encode_body
from xferzone.env import Env
from xferzone.exchange import Terms
from xferzone.exchange.entrance import MAX_STRANGER
from xferzone.observer import Answered, Silent
from xferzone.store import Store
from xferzone.store.accounts import put_user
from xferzone.transport import Body
from xferzone.web.app import create_app

PLAIN = Path(__file__).with_name("plain.py")
SCENARIOS = sorted(path.stem for path in recorded.VECTORS.glob("*.json"))


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A repository of the recorded project, with its users and what it held before its rounds."""
    path = tmp_path / "r.xferzone"
    with Store.create(path, recorded.project_code()) as store, store.writer() as writer:
        for login, caps in USERS.items():
            put_user(writer, login, None, caps)
        put_user(writer, "dev", "devpw", "vuxy")
        put_user(writer, "ro", "ropw", "go")
        for artifact in BEFORE["push-checkin"]:
            writer.put(HISTORY[artifact], artifact)
        writer.make_clusters()
    return path


@pytest.mark.parametrize("content_type", [COMPRESSED, DEBUG, UNCOMPRESSED])
def test_every_recorded_request_gets_the_same_bytes_by_http_and_without(
    made: Path, tmp_path: Path, content_type: str
) -> None:
    other = tmp_path / "other.xferzone"
    shutil.copy(made, other)
    requests = [
        encode_body(content_type, request) for name in SCENARIOS for request, _ in recorded.scenario(name)
    ]
    assert len(requests) > 30
    client = falcon.testing.TestClient(create_app(made, Terms(env=Env(token=bytes))))  # without chance
    by_http = []
    for body in requests:
        result = client.simulate_post("/", body=body, content_type=content_type)
        by_http.append((result.headers["content-type"], result.content))
    asked = json.dumps([(content_type, base64.b64encode(body).decode()) for body in requests])
    done = subprocess.run(
        [sys.executable, str(PLAIN), str(other)], input=asked, capture_output=True, text=True, check=True
    )
    plain = [(kind, base64.b64decode(octets)) for kind, octets in json.loads(done.stdout)]
    assert plain == by_http


class Full(Silent):
    """An observer whose disk is full when a request ends."""

    def request_ended(self, _context: object, _answered: Answered, /) -> None:
        raise OSError("no room to count")


def test_what_an_observer_raises_is_not_taken_for_a_fault_of_the_request(made: Path) -> None:
    body = Body.of(DEBUG, b"pragma client-version 22100\n")
    with Store.open(made) as store, pytest.raises(OSError, match="no room to count"):
        exchange.answer(store, body, Terms(observer=Full()))


def test_a_login_that_holds_vouches_for_no_other_request_on_the_same_terms(made: Path) -> None:
    rest = f"push x {recorded.project_code()}\n".encode()
    terms = Terms()
    with Store.open(made) as store:
        for password, told in [("devpw", b""), ("wrong", b"error login\\sfailed\n")]:
            for padding in (b"", b"# nothing\n" * 200_000):  # small, and so large that it takes its turn
                text = recorded.signed("dev", password, rest + padding)
                reply = exchange.answer(store, Body.of(COMPRESSED, encode_body(COMPRESSED, text)), terms)
                assert decode_body(COMPRESSED, reply.octets(), limit=10**6) == told
                reply.body.octets.close()


@pytest.mark.parametrize("content_type", [COMPRESSED, DEBUG])
def test_of_a_stranger_no_more_is_expanded_than_is_read(
    made: Path, content_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    expanded = 0

    decompressobj = zlib.decompressobj

    class Inflater:
        def __init__(self) -> None:
            self._inner = decompressobj()

        def __getattr__(self, name: str) -> object:
            return getattr(self._inner, name)

        def decompress(self, octets: bytes, most: int = 0) -> bytes:
            nonlocal expanded
            text = self._inner.decompress(octets, most)
            expanded += len(text)
            return text

    monkeypatch.setattr("xferzone.cards.body.zlib.decompressobj", Inflater)
    with Store.open(made) as store:
        with store.writer() as writer:
            put_user(writer, "nobody", None, "")
        for text in (b"\n" * 990_000, recorded.signed("nosuch", "x", b"\n" * 990_000)):
            reply = exchange.answer(store, Body.of(content_type, encode_body(content_type, text)))
            assert b"error " in decode_body(content_type, reply.octets(), limit=10**6)
            reply.body.octets.close()
    assert expanded <= 2 * 4 * MAX_STRANGER  # of each, its beginning, a few times
