"""What tests/vectors and tests/data hold, as inputs."""

import base64
import json
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, Final

from tests.live import PROJECT

VECTORS: Final = PROJECT / "tests" / "vectors"
DATA: Final = PROJECT / "tests" / "data"


def octets(text: str) -> bytes:
    return base64.b64decode(text)


# Any: JSON of the vectors, whose README says what is where.
@cache
def recorded(name: str) -> Any:
    return json.loads((VECTORS / name).read_bytes())


def card_texts() -> list[bytes]:
    """The card text of every message that stock client and server exchanged."""
    scenarios = [recorded(str(path.relative_to(VECTORS))) for path in sorted(VECTORS.glob("rounds/*.json"))]
    rounds = chain.from_iterable(scenario["rounds"] for scenario in scenarios)
    return [octets(each[side]["body_b64"]) for each in rounds for side in ("request", "reply")]


def artifacts() -> list[bytes]:
    """Artifacts of every kind, valid and invalid, as stock sees them."""
    rows = [*recorded("artifacts.json"), *recorded("rcard.json")]
    return [octets(row["artifact_b64"]) for row in rows] + [
        octets(row["artifact_b64"]) for row in recorded("cluster.json")
    ]


def deltas() -> list[tuple[bytes, bytes]]:
    """(source, delta) of every vector, sound and odd ones."""
    made = [*recorded("delta.json")["created_by_fossil"], *recorded("delta.json")["hand_made"]]
    return [(octets(row["source_b64"]), octets(row["delta_b64"])) for row in made]


def zone_texts() -> list[bytes]:
    """Zone files of people and exporters."""
    paths = (*DATA.glob("exporters/*/*.zone"), *DATA.glob("cases/*.zone"))
    return [path.read_bytes() for path in sorted(paths)]


def record_lines() -> list[bytes]:
    """Records of every type, a line each, as tests/data/records has them."""
    rows = map(json.loads, Path(DATA / "records" / "samples.jsonl").read_text("utf-8").splitlines())
    return [f"x 300 {row['type']} {row['text']}\n".encode() for row in rows]
