"""A bad push of a stock client, taken back by the operator: the client just updates and goes on."""

from pathlib import Path

import pytest

from tests.live import Person, serving

pytestmark = pytest.mark.interop

ZONE = "@ 3600 SOA ns1 h 1 7200 3600 1209600 3600\n@ 3600 NS ns1\nns1 3600 A 192.0.2.1\n"


def test_a_stock_client_updates_to_what_the_operator_took_back(tmp_path: Path) -> None:
    ops, bob = Person(tmp_path / "ops", "ops"), Person(tmp_path / "bob", "bob")
    file = ops.home / "zones.xferzone"
    ops.xferzone("-R", file, "init")
    ops.xferzone("-R", file, "user", "add", "bob", "--write", "--password-stdin", stdin="pw\n")
    ops.xferzone("-R", file, "zone", "add", "example.com", "--from", "-", stdin=ZONE)
    ops.xferzone("-R", file, "set", "www.example.com", "A", "192.0.2.3")
    with serving(file, "serve") as server:
        bob.clone(server.url("bob", "pw"), bob.home / "z.fossil")
        work = bob.open(bob.home / "z.fossil", bob.home / "work", "example.com/main")
        text = work / "example.com.zone"
        before = text.read_text()
        text.write_text(f"{before}bad 60 A 1.2.3\n")
        bob.fossil("commit", "-m", "bad", "--no-warnings", at=work)
        doubtful = ops.xferzone("-R", file, "reset", "example.com", "main~1", code=2)
        assert "`xferzone reset example.com main`" in doubtful.err
        ops.xferzone("-R", file, "reset", "example.com", "main")
        bob.fossil("update", at=work)
        assert text.read_text() == before
        text.write_text(f"{before}good 60 A 192.0.2.2\n")
        bob.fossil("commit", "-m", "good", "--no-warnings", at=work)
    assert ops.xferzone("-R", file, "show", "good.example.com").out == "good.example.com. 60 A 192.0.2.2\n"
    assert "fork" not in ops.xferzone("-R", file, "branch", "example.com").out
