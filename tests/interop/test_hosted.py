"""Two customers' repositories behind one server, with stock and with our client."""

import re
import urllib.request
from pathlib import Path

import pytest

from tests.interop import agreement
from tests.live import Person, free_port, serving, within

pytestmark = pytest.mark.interop


def test_customers_clone_and_push_beside_each_other(tmp_path: Path) -> None:
    ops, root = Person(tmp_path / "ops"), tmp_path / "srv"
    root.mkdir()
    passwords = {}
    for name in ("ann", "bob"):
        repository = root / f"{name}.xferzone"
        made = ops.xferzone("-R", repository, "init")
        passwords[name] = re.findall(r"password: (\w+)", made.out)[0]
        ops.xferzone("-R", repository, "zone", "add", f"{name}.example")
    status = f"127.0.0.1:{free_port()}"
    options = ("--repository-root", str(root), "--status-listen", status, "--allow-transfer", "127.0.0.0/8")
    with serving(tmp_path / "zones.xferzone", "up", *options) as server:
        # Stock, at the one.
        stock = Person(tmp_path / "stock", "ops")
        stock.clone(server.url("ops", passwords["ann"], "/ann"), tmp_path / "a.fossil")
        work = stock.open(tmp_path / "a.fossil", tmp_path / "work", "ann.example/main")
        zone = work / "ann.example.zone"
        zone.write_text(f"{zone.read_text()}www 300 A 192.0.2.1\n")
        stock.fossil("commit", "--no-warnings", "-m", "www", at=work)
        # Ours, at the other.
        ours, clone = Person(tmp_path / "ours", "ops"), tmp_path / "b.xferzone"
        ours.xferzone("clone", "--save-password", server.url("ops", passwords["bob"], "/bob"), clone)
        ours.xferzone("-R", clone, "set", "www.bob.example", "A", "300", "192.0.2.2")
        ours.xferzone("-R", clone, "sync")
        served = {name: agreement.refs(root / f"{name}.xferzone") for name in passwords}
        assert {branch: at[1] for refs in served.values() for branch, at in refs.items()} == {
            "ann.example/main": 2,
            "bob.example/main": 2,
        }
        assert within(30, lambda: server.dig("www.ann.example") == ["192.0.2.1"])
        assert within(30, lambda: server.dig("www.bob.example", "A", "+tcp") == ["192.0.2.2"])
        for name, last in (("ann", 1), ("bob", 2)):
            records = server.dig_all(f"{name}.example", "AXFR", "+noall", "+answer")
            assert f"www.{name}.example." in records
            assert f"192.0.2.{last}" in records
        changed = server.dig_all("ann.example", "IXFR=1", "+noall", "+answer", "+onesoa")
        assert "192.0.2.1" in changed
        # A login of the one is nothing at the other, nor where nothing is.
        told = [
            stock.fossil("clone", server.url("ops", passwords["ann"], f"/{name}"), tmp_path / name, code=None)
            for name in ("bob", "eve")
        ]
        shown = [re.sub(r"bob|eve|sent: \d+ +received: \d+", "", done.out + done.err) for done in told]
        assert "login failed" in shown[0]
        assert shown[0] == shown[1]
        with urllib.request.urlopen(f"http://{status}/metrics", timeout=30) as answer:
            assert 'repository="bob",status="2xx"' in answer.read().decode()
        assert server.told(" repository=ann", 2)
