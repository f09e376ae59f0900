"""All kinds, by name."""

from collections.abc import Mapping
from typing import Final

from tests.fuzz.artifacts import ARTIFACTS
from tests.fuzz.batches import BATCHES
from tests.fuzz.bodies import BODIES
from tests.fuzz.cards import CARDS
from tests.fuzz.copied import COPIES
from tests.fuzz.deltas import DELTAS
from tests.fuzz.etcd import ETCD
from tests.fuzz.kind import Kind
from tests.fuzz.messages import MESSAGES_KIND
from tests.fuzz.packed import PACKED
from tests.fuzz.pushes import PUSHES
from tests.fuzz.replies import REPLIES
from tests.fuzz.rows import ROWS
from tests.fuzz.tables import TABLES
from tests.fuzz.unversioned import UNVERSIONED
from tests.fuzz.walks import WALKS
from tests.fuzz.zones import ZONES

_ALL: Final = (
    CARDS,
    ARTIFACTS,
    DELTAS,
    BODIES,
    ZONES,
    WALKS,
    BATCHES,
    REPLIES,
    PACKED,
    MESSAGES_KIND,
    PUSHES,
    COPIES,
    ETCD,
    TABLES,
    UNVERSIONED,
    ROWS,
)

KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in _ALL}
