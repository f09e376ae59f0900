"""The vectors can be recorded afresh from the fossil on PATH, in the same form."""

import json
from pathlib import Path

import pytest

from tests.vectors.record import record

HERE = Path(__file__).parent


def _form(value: object) -> object:
    """`value` without what differs from run to run: its texts and numbers, and how often a form repeats in a list."""
    if isinstance(value, dict):
        return {key: _form(each) for key, each in value.items()}
    if isinstance(value, list):
        return sorted({json.dumps(_form(each), sort_keys=True) for each in value})
    return type(value).__name__


def _files(folder: Path) -> dict[str, object]:
    return {str(path.relative_to(folder)): json.loads(path.read_bytes()) for path in folder.rglob("*.json")}


@pytest.mark.interop
def test_what_is_recorded_now_has_the_form_of_what_is_kept(tmp_path: Path) -> None:
    record(tmp_path)
    kept, recorded = _files(HERE), _files(tmp_path)
    assert {name: _form(vectors) for name, vectors in recorded.items()} == {
        name: _form(vectors) for name, vectors in kept.items()
    }
    for name in ("artifacts.json", "delta.json", "framing.json"):  # nothing in them depends on the run
        assert recorded[name] == kept[name]
