"""An account that is held to zones, with stock and with ours; one that has expired."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop import agreement
from tests.interop.site import Site, directly, make_project
from tests.live import Person

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return make_project(tmp_path_factory.mktemp("project"), ("example.com", "example.net"))


@pytest.fixture
def site(project: Site, tmp_path: Path) -> Iterator[Site]:
    with directly(project, tmp_path / "served") as site:
        yield site


def test_stock_commits_to_its_zone_and_is_refused_elsewhere(site: Site, tmp_path: Path) -> None:
    ops, bob = Person(tmp_path / "ops"), Person(tmp_path / "bob", "bob")
    ops.xferzone("-R", site.repository, "user", "zones", "bob", "example.com")
    bob.clone(site.url("bob"), tmp_path / "z.fossil")
    work = bob.open(tmp_path / "z.fossil", tmp_path / "work", "example.com/main")
    done = {}
    for zone in ("example.com", "example.net"):
        bob.fossil("update", f"{zone}/main", at=work)
        file = work / f"{zone}.zone"
        file.write_text(file.read_text().replace("www 300", "www 600"))
        done[zone] = bob.fossil("commit", "--no-warnings", "-m", "longer", at=work, code=None)
    assert "may write to" not in done["example.com"].out + done["example.com"].err
    said = done["example.net"].out + done["example.net"].err
    assert "example.net/main, and bob may write to example.com alone: nothing was kept" in said
    served = agreement.refs(site.repository)
    assert [served[f"{zone}/main"][1] for zone in ("example.com", "example.net")] == [2, 1]
    ops.xferzone("-R", site.repository, "user", "zones", "bob", "--all")
    bob.fossil("push", "-R", tmp_path / "z.fossil")
    assert agreement.refs(site.repository)["example.net/main"][1] == 2
    agreement.assert_ours_sound(ops, site.repository)


def test_ours_is_refused_by_name_and_keeps_its_work(site: Site, tmp_path: Path) -> None:
    ops, xena, clone = Person(tmp_path / "ops"), Person(tmp_path / "xena", "xena"), tmp_path / "c.xferzone"
    ops.xferzone("-R", site.repository, "user", "zones", "xena", "example.com")
    xena.xferzone("clone", "--save-password", site.url("xena"), clone)
    xena.xferzone("-R", clone, "set", "new.example.com", "A", "300", "192.0.2.1")
    xena.xferzone("-R", clone, "sync")
    assert agreement.refs(site.repository)["example.com/main"][1] == 2
    xena.xferzone("-R", clone, "set", "new.example.net", "A", "300", "192.0.2.1")
    refused = xena.xferzone("-R", clone, "sync", code=None)
    assert refused.code == 77
    assert "is on example.net/main, and xena may write to example.com alone: nothing was kept" in refused.err
    assert agreement.refs(site.repository)["example.net/main"][1] == 1


def test_who_has_expired_is_refused_and_let_in_again(site: Site, tmp_path: Path) -> None:
    ops, bob = Person(tmp_path / "ops"), Person(tmp_path / "bob", "bob")
    ops.xferzone("-R", site.repository, "user", "expire", "bob", "2026-01-01")
    refused = bob.fossil("clone", site.url("bob"), tmp_path / "z.fossil", code=None)
    assert refused.code != 0
    assert "login failed" in refused.out + refused.err
    assert "login failed" in bob.xferzone("clone", site.url("bob"), tmp_path / "c", code=None).err
    ops.xferzone("-R", site.repository, "user", "expire", "bob", "never")
    bob.fossil("clone", site.url("bob"), tmp_path / "z.fossil")
