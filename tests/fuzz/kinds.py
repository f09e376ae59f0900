"""All kinds, by name."""

from collections.abc import Mapping
from typing import Final

from tests.fuzz.artifacts import ARTIFACTS
from tests.fuzz.bodies import BODIES
from tests.fuzz.cards import CARDS
from tests.fuzz.deltas import DELTAS
from tests.fuzz.kind import Kind
from tests.fuzz.zones import ZONES

KINDS: Final[Mapping[str, Kind]] = {kind.name: kind for kind in (CARDS, ARTIFACTS, DELTAS, BODIES, ZONES)}
