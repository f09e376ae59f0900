"""Copies on HTTP: a stranger's body is not read, a fellow's may be large, and lies in a file meanwhile."""

import io
import random
import time
from pathlib import Path

import falcon.testing
import pytest

from tests.exchange.group.members import LIFE, Group, Member
from xferzone.hashing import artifact_id
from xferzone.replicate import batch, copies
from xferzone.replicate.copies import Head, body
from xferzone.replicate.signing import Signed, Signer, body_hash
from xferzone.web import replicate
from xferzone.web.app import create_app

HOST = "falconframework.org"  # as falcon's test client says
LARGE = random.Random(1).randbytes(3_000_000)


class Unread(io.BytesIO):
    """A body that nobody may read."""

    def read(self, _size: int | None = -1) -> bytes:
        raise AssertionError("it was read")


@pytest.fixture
def group(tmp_path: Path) -> Group:
    return Group(tmp_path)


@pytest.fixture
def member(group: Group) -> Member:
    return group.member("b")


@pytest.fixture(params=["beside the rest", "alone"])
def client(member: Member, request: pytest.FixtureRequest) -> falcon.testing.TestClient:
    make = create_app if request.param == "beside the rest" else replicate.create_app
    return falcon.testing.TestClient(make(member.store.path))


def large() -> bytes:
    own = batch.named(artifact_id(LARGE))
    return body(Head(group=LIFE, artifacts=[artifact_id(LARGE)]), [batch.whole(LARGE, own)])


def headers(group: Group, member: Member, octets: bytes, secret: str = "") -> dict[str, str]:
    signer = Signer("a", secret or member.share.secret, is_member=True)
    signed = Signed(group.code, HOST, "POST", "/v0/copies", body_hash(octets))
    return {
        "Authorization": signer.authorization(signed, _soon()),
        "Content-Type": copies.CONTENT_TYPE,
        "Content-Encoding": "zstd",
        "X-Content-SHA256": body_hash(octets),
    }


def _soon() -> int:
    return int(time.time()) + 60


def test_a_large_body_is_held(client: falcon.testing.TestClient, group: Group, member: Member) -> None:
    octets = large()
    result = client.simulate_post("/v0/copies", body=octets, headers=headers(group, member, octets))
    assert (result.status_code, result.json["lacking"]) == (200, [])
    assert member.has(artifact_id(LARGE))


@pytest.mark.parametrize("secret", ["6" * 64, ""])
def test_a_stranger_s_large_body_is_not_read(
    secret: str, client: falcon.testing.TestClient, group: Group, member: Member
) -> None:
    octets = large()
    sent = headers(group, member, octets, secret) if secret else {"Content-Type": copies.CONTENT_TYPE}
    sent["Content-Length"] = str(len(octets))
    result = client.simulate_post("/v0/copies", headers=sent, extras={"wsgi.input": Unread(octets)})
    assert result.status_code == 401
    assert "signature does not hold" in result.text or "sign the request" in result.text


def test_a_body_that_is_not_the_one_that_was_stated_is_refused(
    client: falcon.testing.TestClient, group: Group, member: Member
) -> None:
    octets = large()
    result = client.simulate_post(
        "/v0/copies", body=octets[:-1] + b"x", headers=headers(group, member, octets)
    )
    assert result.status_code == 401
    assert not member.has(artifact_id(LARGE))


def test_more_than_a_body_may_have_is_not_read(
    client: falcon.testing.TestClient, group: Group, member: Member
) -> None:
    sent = {**headers(group, member, b""), "Content-Length": str(copies.MAX_WIRE + 1)}
    result = client.simulate_post("/v0/copies", headers=sent, extras={"wsgi.input": Unread()})
    assert (result.status_code, result.json["error"]) == (
        413,
        f"at most {copies.MAX_WIRE} bytes are taken here",
    )
    del sent["Content-Length"]
    result = client.simulate_post("/v0/copies", headers=sent, extras={"wsgi.input": Unread()})
    assert result.status_code == 411
