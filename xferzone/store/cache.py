"""The cache of verified contents: bounded in bytes, the least recently used dropped first, safe for threads."""

import threading
from collections import OrderedDict
from typing import NamedTuple

from xferzone.hashing import ArtifactId

MAX_SOUND = 500_000  # rows, some 50 MB


class Looked(NamedTuple):
    """What was found in the rows up to one (store/clusters.py)."""

    row: int
    ids: tuple[ArtifactId, ...]


class ContentCache:
    """At most `limit` bytes of contents. A content larger than a quarter of that is not kept.

    Fields:
        clusters: those known, beside the contents.
        hits, misses: how many contents were looked for, and found or not.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.clusters = Looked(0, ())
        self.hits = self.misses = 0
        self._size = 0
        self._contents: OrderedDict[ArtifactId, bytes] = OrderedDict()
        self._sound: dict[int, int] = {}
        self._lock = threading.Lock()

    def get(self, artifact: ArtifactId) -> bytes | None:
        with self._lock:
            content = self._contents.get(artifact)
            if content is not None:
                self._contents.move_to_end(artifact)
            return content

    def find(self, artifact: ArtifactId) -> bytes | None:
        """The same, counted: of several looks for one content only the first is to be."""
        content = self.get(artifact)
        with self._lock:
            if content is None:
                self.misses += 1
            else:
                self.hits += 1
        return content

    def put(self, artifact: ArtifactId, content: bytes) -> None:
        if len(content) > self.limit // 4:
            return
        with self._lock:
            if artifact in self._contents:
                return
            self._contents[artifact] = content
            self._size += len(content)
            while self._size > self.limit:
                _, dropped = self._contents.popitem(last=False)
                self._size -= len(dropped)

    def clear(self) -> None:
        """Let go of everything but the counts."""
        with self._lock:
            self._contents.clear()
            self._size = 0
        self.clusters = Looked(0, ())
        self._sound.clear()

    def vouch(self, rid: int, checksum: int) -> None:
        """Remember that the frame of row `rid`, which has this checksum, was read back and verified."""
        if len(self._sound) >= MAX_SOUND:
            self._sound.clear()
        self._sound[rid] = checksum

    def is_sound(self, rid: int, checksum: int) -> bool:
        """Whether `vouch` was told so: the frame was verified and has not changed since."""
        return self._sound.get(rid) == checksum
