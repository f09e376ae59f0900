"""The watchers themselves: they see a refusal and a wait, and nothing where there is none."""

import time
from pathlib import Path

import pytest

from tests.robust.site import made
from tests.robust.watchers import MOST_S, besieged, watched
from xferzone.store import Store, accounts


@pytest.mark.interop
@pytest.mark.alone
@pytest.mark.parametrize("behind", ["", "nginx"])
def test_beside_nothing_nobody_waits(tmp_path: Path, behind: str) -> None:
    with besieged(made(tmp_path / "z.xferzone"), behind=behind) as site:
        with watched(site) as watch:
            time.sleep(2)
        watch.assert_fair()


@pytest.mark.interop
@pytest.mark.alone
def test_who_waits_or_is_refused_is_seen(tmp_path: Path) -> None:
    repository = made(tmp_path / "z.xferzone")
    with besieged(repository) as site, watched(site) as watch:
        with Store.open(repository) as store:
            with store.writer():
                time.sleep(MOST_S)
            with store.writer() as writer:
                accounts.put_user(writer, "ops", "another", "s")
        time.sleep(1.5)
    assert watch.beside["push"].longest_s > MOST_S / 4
    for name in ("push", "pull"):
        assert any("login failed" in told for told in watch.beside[name].refusals)
    with pytest.raises(AssertionError, match="refused"):
        watch.assert_fair()
