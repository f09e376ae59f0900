"""Artifact ids: the lower-case hex hash of an artifact's content.

40 digits are SHA1, 64 are SHA3-256; nothing but the length tells them apart. Two contents with the same SHA1 can be
made (shattered.io), so a SHA1 id does not prove that two people with it have the same content.
Source: Fossil 2.21, www/hashpolicy.wiki; src/hname.c hname_validate().
"""

import hashlib
import re
from typing import NewType

#: Only the functions below and the store make one, so every value is well formed.
ArtifactId = NewType("ArtifactId", str)

_WELL_FORMED = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SHA1_DIGITS = 40

SHORT = 16  # digits of an id that messages and logs show; 2^64 are enough for one repository


def parse_artifact_id(token: bytes) -> ArtifactId:
    """Read an artifact id off the wire.

    Upper-case digits are refused: stock accepts them, and finds nothing by them.

    Raises:
        ValueError: not 40 or 64 lower-case hex digits.
    """
    if not _WELL_FORMED.fullmatch(token):
        raise ValueError(f"{token[:80]!r} is not an artifact id")
    return ArtifactId(token.decode("ascii"))


def artifact_id(content: bytes) -> ArtifactId:
    """The SHA3-256 id under which new content is stored."""
    return ArtifactId(hashlib.sha3_256(content).hexdigest())


def is_forgeable(artifact: ArtifactId) -> bool:
    """Whether another content of that name can be made: it is a SHA1."""
    return len(artifact) == _SHA1_DIGITS


def short(artifact: str) -> str:
    """The digits of an id that people are shown."""
    return artifact[:SHORT]


def is_named(artifact: ArtifactId, content: bytes) -> bool:
    """Whether `content` hashes to `artifact`, by the kind of hash that `artifact` is."""
    digest = hashlib.sha1 if is_forgeable(artifact) else hashlib.sha3_256
    return digest(content).hexdigest() == artifact
