"""What a server may send to a client of the walk, and what comes of it: what is bounded, and a PeerError."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from email.utils import formatdate
from functools import partial
from typing import Any

import pytest
import zstandard

from tests.live import PROJECT
from xferzone.cards import coding
from xferzone.env import SYSTEM, Env
from xferzone.errors import Denied, PeerError
from xferzone.hashing import artifact_id
from xferzone.replicate import batch, client, signing
from xferzone.replicate.client import Client, Cursor, NotThere, NoWalk, TooMany
from xferzone.replicate.messages import Walk
from xferzone.sync.client.options import Account
from xferzone.transport import WalkInProcess
from xferzone.transport.walk import WalkReply, WalkRequest

CODE = "c" * 40
ONE, TWO = artifact_id(b"one"), artifact_id(b"two")
KNOWN = Cursor("e" * 16, 7, 40, "0123456789abcdef")
WALK = Walk(roots=[ONE])
TOLD = {
    "project": CODE,
    "epoch": "e" * 16,
    "number": 7,
    "position": 40,
    "checkin": "0123456789abcdef",
    "whole": True,
    "zones": [],
    "branches": [],
    "tags": [],
    "closed": [],
    "controls": [],
    "more": False,
}
JSON = {"content-type": "application/json"}


def pieces(*octets: bytes) -> Generator[bytes, None, None]:
    yield from octets


def said(status: int, body: bytes = b"", **headers: str) -> Callable[[WalkRequest], WalkReply]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: WalkReply(status, stated(body) | (named or JSON), pieces(body))


def replied(body: bytes, headers: dict[str, str], _request: WalkRequest) -> WalkReply:
    return WalkReply(200, headers, pieces(body))


def stated(body: bytes) -> dict[str, str]:
    return {signing.STATED_HASH: signing.body_hash(body)}


def asking(
    answer: Callable[[WalkRequest], WalkReply],
    account: Account | None = None,
    env: Env = SYSTEM,
    project: str | None = CODE,
) -> Client:
    return Client(WalkInProcess(answer, name="https://one.example/"), account, env, project)


def told(**changes: Any) -> bytes:
    return json.dumps(TOLD | changes).encode()


def named(*hashes: object) -> list[dict[str, object]]:
    return [{"zone": "example.com", "name": "main", "hash": each} for each in hashes]


BAD_REFS = {
    "not JSON": b"<html>",
    "not UTF-8": b'{"project": "\xff"}',
    "a list": b"[]",
    "null for a list": told(branches=None),
    "another project": told(project="d" * 40),
    "no project code": told(project="nowhere"),
    "a hash in upper case": told(branches=named("A" * 64)),
    "a short hash": told(tags=named("a" * 63)),
    "a path for a hash": told(closed=named("../../etc/passwd")),
    "a control that is not a hash": told(controls=["x"]),
    "a number below 0": told(number=-1),
    "a number that no table holds": told(number=2**63),
    "a position below 0": told(position=-1),
    "an epoch with a line break": told(epoch="e\r\nX-Evil: 1"),
    "an empty epoch": told(epoch=""),
    "a check-in that is not digits": told(checkin="'; DROP TABLE"),
    "nested without end": b"[" * 100_000,
}


@pytest.mark.parametrize("body", BAD_REFS.values(), ids=BAD_REFS.keys())
def test_refs_that_cannot_be_are_refused(body: bytes) -> None:
    with pytest.raises(PeerError):
        asking(said(200, body)).refs(None)


@pytest.mark.parametrize("headers", [JSON, JSON | {signing.STATED_HASH: signing.EMPTY}])
def test_a_list_that_was_damaged_on_the_way_is_refused(headers: dict[str, str]) -> None:
    for body in (told(branches=named("a" * 64)), coding.packed_whole(told())):
        coded = {} if body.startswith(b"{") else {"content-encoding": "zstd"}
        with pytest.raises(PeerError, match="damaged on the way"):
            asking(partial(replied, body, headers | coded)).refs(None)


def test_refs_are_asked_since_what_is_known() -> None:
    requests: list[WalkRequest] = []

    def answer(request: WalkRequest) -> WalkReply:
        requests.append(request)
        return WalkReply(304, {}, pieces())

    assert asking(answer).refs(KNOWN, 25) is None
    (request,) = requests
    assert request.target == f"/v0/refs?since={'e' * 16}.7.40&checkin=0123456789abcdef"
    assert request.headers["if-none-match"] == f'"{"e" * 16}.7.40"'
    assert request.headers["prefer"] == "wait=25"
    assert request.headers["accept-encoding"] == "zstd"


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (said(404), NoWalk, "knows no walk"),
        (said(200, b"<html>", content_type="text/html"), NoWalk, "knows no walk"),
        (said(429, b'{"error": "too many"}', retry_after="17"), TooMany, "429: too many"),
        (said(503, b'{"error": "not caught up"}'), PeerError, "503: not caught up"),
        (said(401, b'{"error": "who?"}'), Denied, "401: who.: give a login"),
        (said(403), Denied, "403: give a login"),
        (said(500, b"\xff\xfe not json"), PeerError, "500"),
        (said(200, b"x", content_type="application/json", content_encoding="br"), PeerError, "answers in br"),
    ],
)
def test_a_refusal_says_what_the_server_said(
    reply: Callable[[WalkRequest], WalkReply], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        asking(reply).refs(None)


def test_a_reason_without_end_is_cut() -> None:
    with pytest.raises(PeerError) as caught:
        asking(said(503, json.dumps({"error": "word " * 10_000}).encode())).refs(None)
    assert len(str(caught.value)) < 2_100


def test_a_root_that_is_gone_is_told_apart() -> None:
    with pytest.raises(NotThere, match="no artifact"):
        asking(said(404, b'{"error": "no artifact abc here"}')).page(WALK)


BAD_PAGES = {
    "not JSON": b"<html>",
    "a hash in upper case": json.dumps({"missing": ["A" * 64], "more": ""}).encode(),
    "a number": json.dumps({"missing": [7], "more": ""}).encode(),
    "null": json.dumps({"missing": None, "more": ""}).encode(),
    "no end": b'{"missing": [',
}


@pytest.mark.parametrize("body", BAD_PAGES.values(), ids=BAD_PAGES.keys())
def test_pages_that_cannot_be_are_refused(body: bytes) -> None:
    with pytest.raises(PeerError):
        asking(said(200, body)).page(WALK)


WHOLE = batch.MAGIC + batch.whole(b"one") + batch.whole(b"two") + batch.end()
BAD_BATCHES = {
    "empty": b"",
    "not a batch": b"<html>",
    "cut in a content": WHOLE[:-8],
    "without an end": WHOLE[:-2],
    "goes on behind its end": WHOLE + b"w",
    "one too many": batch.MAGIC + 3 * batch.whole(b"one") + batch.end(),
    "one too few": batch.MAGIC + batch.whole(b"one") + batch.end(),
    "an unknown kind": batch.MAGIC + b"q",
    "a size over all bounds": batch.MAGIC + b"w" + batch.number(2**34),
    "a delta of itself": batch.MAGIC + batch.near(0, b"x") + batch.whole(b"two") + batch.end(),
    "a delta of nothing": batch.MAGIC + batch.near(7, b"x") + batch.whole(b"two") + batch.end(),
    "a number without end": batch.MAGIC + b"w" + b"\xff" * 100,
    "a name that is not one": batch.MAGIC + b"e" + b"z" * 64 + b"\n",
}


@pytest.mark.parametrize("body", BAD_BATCHES.values(), ids=BAD_BATCHES.keys())
@pytest.mark.parametrize("is_packed", [False, True])
def test_batches_that_cannot_be_are_refused(body: bytes, *, is_packed: bool) -> None:
    sent = zstandard.compress(body) if is_packed else body
    headers = {"content_encoding": "zstd"} if is_packed else {"content_type": batch.CONTENT_TYPE}
    with pytest.raises(PeerError):
        list(asking(said(200, sent, **headers)).batch([ONE, TWO]))


def test_a_zstd_frame_that_was_cut_is_refused() -> None:
    sent = zstandard.compress(WHOLE)[:-3]
    with pytest.raises(PeerError, match="cut"):
        list(asking(said(200, sent, content_encoding="zstd")).batch([ONE, TWO]))


def test_a_content_of_one_artifact_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_ARTIFACT", 1_000)
    with pytest.raises(PeerError, match="over 1000 bytes"):
        asking(said(200, b"x" * 1_001)).one(ONE)
    assert asking(said(200, b"one")).one(ONE).payload == b"one"


# -- signing


def test_a_request_is_signed_once_the_project_is_known_and_by_the_servers_clock() -> None:
    now, there = 1_800_000_000, 1_800_005_000
    seen: list[WalkRequest] = []

    def answer(request: WalkRequest) -> WalkReply:
        seen.append(request)
        token = signing.Token.parse(request.headers.get("authorization", ""))
        if token is None or not token.is_in_time(there):
            headers = {
                "www-authenticate": f"XFERZONE-HMAC project={CODE}",
                "date": formatdate(there, usegmt=True),
            }
            return WalkReply(401, headers, pieces(b'{"error": "no"}'))
        return WalkReply(200, JSON | stated(told()), pieces(told()))

    env = Env(lambda: now * 1_000, SYSTEM.monotonic, SYSTEM.token, SYSTEM.sleep)
    asked = asking(answer, Account("ops", "secret"), env, project=None)
    assert asked.refs(None) is not None
    assert (asked.project, len(seen)) == (CODE, 2)
    assert "authorization" not in seen[0].headers
    asked.refs(None)
    assert len(seen) == 3


def test_a_server_that_is_never_content_is_asked_three_times_at_most() -> None:
    dates = iter(range(1_800_000_000, 1_900_000_000, 1_000_000))
    seen: list[WalkRequest] = []

    def answer(request: WalkRequest) -> WalkReply:
        seen.append(request)
        headers = {
            "www-authenticate": f"XFERZONE-HMAC project={CODE}",
            "date": formatdate(next(dates), usegmt=True),
        }
        return WalkReply(401, headers, pieces(b'{"error": "no"}'))

    with pytest.raises(Denied, match="password of ops"):
        asking(answer, Account("ops", "secret")).refs(None)
    assert len(seen) == 3


def test_a_server_that_names_another_project_gets_no_signature_for_it() -> None:
    answer = said(401, b"{}", www_authenticate=f"XFERZONE-HMAC project={'d' * 40}")
    with pytest.raises(PeerError, match=r"of project d{40}, and this repository of c{40}"):
        asking(answer, Account("ops", "secret")).refs(None)


@pytest.mark.parametrize(
    "header", ["", "Basic realm=x", "XFERZONE-HMAC project=../..", "XFERZONE-HMAC project="]
)
def test_a_401_that_names_no_project_ends_it(header: str) -> None:
    answer = said(401, b"{}", www_authenticate=header)
    with pytest.raises(Denied):
        asking(answer, Account("ops", "secret"), project=None).refs(None)


# -- memory

#: A frame of zstd by hand (RFC 8878): 8,192 blocks of 4 octets, each of which stands for 128 KiB of zeros.
RUNS = b"\x28\xb5\x2f\xfd\x00\x38" + 8_192 * ((131_072 << 3 | 2).to_bytes(3, "little") + b"\0") + b"\1\0\0"

BOMBS = {
    "refs of runs": ("refs", b"", 0),
    "an object of runs": ("one", b"", 0),
    "refs that expand to a gigabyte": ("refs", b" " * 2**20, 1_024),
    "a batch that expands to a gigabyte": ("batch", b"w" + b"\xff\xff\xff\x0f" + b"0" * (2**20), 1_024),
    "an object that expands to a gigabyte": ("one", b"0" * 2**20, 1_024),
    "a million branches": ("refs", b'{"zone":"","name":"","hash":""},' * 1_000, 1_000),
}
_CHILD = """
import json, resource, sys
from tests.replicate.test_client import *
kind, which = sys.argv[1:]
kind, unit, times = BOMBS[which]
packer = zstandard.ZstdCompressor().compressobj()
def bomb():
    yield packer.compress(batch.MAGIC if kind == "batch" else b'{"branches":[' if "branch" in which else b"")
    for _ in range(times):
        yield packer.compress(unit)
    yield packer.flush()
body = b"".join(bomb()) if unit else RUNS
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
asked = asking(said(200, body, content_type="application/json", content_encoding="zstd"))
try:
    {"refs": lambda: asked.refs(None), "batch": lambda: list(asked.batch([ONE])), "one": lambda: asked.one(ONE)}[kind]()
except PeerError as exc:
    print(exc)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.parametrize("which", BOMBS)
def test_what_expands_without_end_takes_little_memory(which: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _CHILD, "kind", which],
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    *words, kib = done.stdout.splitlines()
    assert len(words) == 1
    assert int(kib) < 150 * 1_024
