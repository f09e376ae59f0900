"""Artifact ids: what they accept, and that they catch a wrong byte."""

import base64
import json
from pathlib import Path
from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xferzone.hashing import ArtifactId, artifact_id, is_named, parse_artifact_id


class Verdict(TypedDict):
    artifact_b64: str
    sha3_256: str


ARTIFACTS: list[Verdict] = json.loads((Path(__file__).parent / "vectors" / "artifacts.json").read_bytes())

# Both are what `fossil sha1sum` and `fossil sha3sum` 2.21 print for an empty file.
SHA1_OF_NOTHING = ArtifactId("da39a3ee5e6b4b0d3255bfef95601890afd80709")
SHA3_OF_NOTHING = ArtifactId("a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a")


@pytest.mark.parametrize("name", [SHA1_OF_NOTHING, SHA3_OF_NOTHING])
def test_the_hash_is_picked_by_the_length_of_the_id(name: ArtifactId) -> None:
    assert is_named(name, b"")
    assert not is_named(name, b"x")


def test_new_content_is_named_by_sha3() -> None:
    assert artifact_id(b"") == SHA3_OF_NOTHING
    for row in ARTIFACTS:
        assert artifact_id(base64.b64decode(row["artifact_b64"])) == row["sha3_256"]


def test_an_id_in_upper_case_names_nothing() -> None:
    assert not is_named(ArtifactId(SHA1_OF_NOTHING.upper()), b"")


@pytest.mark.parametrize(
    "token",
    [
        b"",
        b"a" * 39,
        b"a" * 41,
        b"a" * 63,
        b"a" * 65,
        b"A" * 40,
        b"g" * 64,
        b"a" * 40 + b"\n",
        b" " + b"a" * 39,
    ],
)
def test_what_is_not_an_artifact_id(token: bytes) -> None:
    with pytest.raises(ValueError, match="is not an artifact id"):
        parse_artifact_id(token)


@given(st.binary(min_size=20, max_size=20) | st.binary(min_size=32, max_size=32))
def test_every_digest_is_an_id(digest: bytes) -> None:
    assert parse_artifact_id(digest.hex().encode()) == digest.hex()


@given(st.binary(max_size=100))
def test_content_is_named_by_its_id_alone(content: bytes) -> None:
    assert is_named(artifact_id(content), content)
    assert not is_named(artifact_id(content), content + b"\0")
