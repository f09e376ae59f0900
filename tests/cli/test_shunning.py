"""shun add, list, remove, from the command line."""

import json

from tests.cli.conftest import Run

LOST = "5" * 64


def shown(zone: Run) -> list[dict[str, str]]:
    return list(json.loads(zone("shun", "list", "--format", "json").out)["shunned"])


def test_a_name_is_shunned_listed_and_removed(zone: Run) -> None:
    none = zone("shun")
    assert (none.code, none.out, none.err) == (0, "", "nothing is shunned\n")
    done = zone("shun", "add", "-m", "a password", LOST, "6" * 40)
    assert (done.code, done.err) == (0, "2 artifacts shunned, 0 dropped\n")
    assert {each["id"]: each["comment"] for each in shown(zone)} == {
        LOST: "a password",
        "6" * 40: "a password",
    }
    assert LOST in zone("shun", "list").out
    assert zone("shun", "add", "-m", "again", LOST).code == 0
    assert zone("check").code == zone("rebuild").code == 0
    assert zone("shun", "remove", LOST).err == "1 artifact may come again\n"
    gone = zone("shun", "remove", LOST)
    assert (gone.code, "is not shunned" in gone.err) == (5, True)
    assert [each["id"] for each in shown(zone)] == ["6" * 40]


def test_what_is_served_is_refused_by_name_and_stays(zone: Run) -> None:
    checkin = json.loads(zone("log", "--format", "json").out)["checkins"][0]["checkin"]
    done = zone("shun", "add", checkin)
    assert (done.code, f"{checkin} is a published version on example.com/main" in done.err) == (7, True)
    assert "`xferzone rollover` begins a project without the versions before" in done.err
    assert shown(zone) == []
    assert zone("check").code == 0


def test_an_id_is_a_whole_hash(zone: Run) -> None:
    done = zone("shun", "add", "8dabdf4b82f5")
    assert (done.code, "give the whole hash" in done.err) == (2, True)
