"""`user zones` and `user expire`: what they keep, show and refuse."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from xferzone.store import Store, accounts


@pytest.fixture(autouse=True)
def ann(zone: Run) -> None:
    assert zone("user", "add", "ann").code == 0


def test_an_account_is_held_to_zones_and_let_go(zone: Run) -> None:
    held = zone("user", "zones", "ann", "Example.NET.", "example.com", "example.com")
    assert (held.code, held.out) == (0, "ann giop example.com example.net\n")
    (listed,) = [
        each
        for each in json.loads(zone("--format", "json", "user", "list").out)["users"]
        if each["login"] == "ann"
    ]
    assert listed == {
        "login": "ann",
        "caps": "giop",
        "zones": ["example.com", "example.net"],
        "expires": None,
    }
    assert zone("user", "zones", "ann", "--all").out == "ann giop\n"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("zones", "ann"), 2, "which zones?"),
        (("zones", "ann", "example.com", "--all"), 2, "which zones?"),
        (("zones", "bob", "example.com"), 5, "there is no user bob"),
        (("zones", "ann", "exa mple..com"), 2, "exa mple..com"),
        (("expire", "ann", "tomorrow"), 2, "'tomorrow' is not a date"),
        (("expire", "ann", "2027-01-31T18:00"), 2, "is not a date"),
        (("expire", "nobody", "never"), 2, "nobody cannot expire"),
    ],
)
def test_what_cannot_be_meant_is_said(zone: Run, words: tuple[str, ...], code: int, said: str) -> None:
    done = zone("user", *words)
    assert done.code == code
    assert said in done.err


def test_an_administrator_is_not_held_and_who_is_held_becomes_none(zone: Run) -> None:
    assert zone("user", "caps", "ann", "--admin").code == 0
    held = zone("user", "zones", "ann", "example.com")
    assert (held.code, "with `xferzone user caps ann giop`" in held.err) == (7, True), held.err
    refused = zone("user", "zones", "ann", "example.com")
    assert (refused.code, "is an administrator" in refused.err) == (7, True)
    assert zone("user", "caps", "ann", "goi").code == 0
    assert zone("user", "zones", "ann", "example.com").code == 0
    refused = zone("user", "caps", "ann", "gs")
    assert (refused.code, "`xferzone user zones ann --all` first" in refused.err) == (7, True)


def test_an_account_expires_and_is_kept_by_a_new_password(zone: Run, tmp_path: Path) -> None:
    assert zone("user", "expire", "ann", "2027-01-31").out == "ann giop - until 2027-01-31 00:00:00 UTC\n"
    assert zone("user", "passwd", "ann").code == 0
    with Store.open(next(tmp_path.rglob("*.xferzone"))) as store, store.reader() as reader:
        user = accounts.user(reader, "ann")
    assert user is not None
    assert user.expires_ms == 1_801_353_600_000
    assert zone("user", "expire", "ann", "never").out == "ann giop\n"
