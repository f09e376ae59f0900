"""The file beside a mirror's repository that says how it stands to its primaries."""

from pathlib import Path

from xferzone.exchange.mirror import standing
from xferzone.exchange.mirror.standing import MAX_ERROR, Standing


def told(path: Path, error: str) -> str:
    """The error as people read it."""
    standing.record(path, 5.0, [Standing(url="http://primary/", error_ms=1, error=error)])
    found = standing.standings(path)
    assert found is not None
    return found.primaries[0].error


def test_what_is_no_mirror_any_more_stands_to_nobody(tmp_path: Path) -> None:
    path = tmp_path / "z.xferzone"
    standing.record(path, 5.0, [standing.Standing(url="https://one.example/")])
    assert standing.of_role(path, "mirror") is not None
    assert standing.of_role(path, "primary") is None


def test_whatever_a_primary_says_can_be_kept(tmp_path: Path) -> None:
    path = tmp_path / "zones.xferzone"
    assert told(path, "bad command: \udccbr\udcdd é") == "bad command: ?r? é"
    assert told(path, "x" * 1_000_000) == "x" * MAX_ERROR


def test_a_file_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    path = tmp_path / "zones.xferzone"
    for octets in (b"", b"{", b'{"interval_s": 5, "primaries": [{"url": "\xff"}]}'):
        path.with_name(f"{path.name}-primaries").write_bytes(octets)
        assert standing.standings(path) is None
