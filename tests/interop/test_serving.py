"""Members of a group serve zones by the same rules: `group serving`, and DNS that goes by them."""

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.test_json import assert_as_described
from tests.etcds import Running, running
from tests.live import Person, Server, free_port, serving, within

PATIENCE_S = 20.0
MAIN, STABLE = "192.0.2.1", "192.0.2.2"
RULE = '[[zone]]\nname = "example.com"\nbranch = "{branch}"\ntransfer = ["127.0.0.1"]\n'

pytestmark = pytest.mark.interop


@dataclass
class Member:
    """A member with example.com, whose branches main and stable differ, and its configuration."""

    ops: Person
    file: Path
    etcd: Running

    def __call__(self, *words: str | Path, code: int | None = 0, stdin: str = "") -> str:
        done = self.ops.xferzone("-R", self.file, *words, code=code, stdin=stdin)
        return done.out + done.err

    @property
    def config(self) -> Path:
        return self.file.with_name(f"{self.file.name}.toml")

    def choose(self, branch: str) -> None:
        self.config.write_text(RULE.format(branch=branch))

    def rules(self, branch: str, code: int | None = 0) -> str:
        """Let the group serve example.com so."""
        file = self.file.with_name("rules.toml")
        file.write_text(RULE.format(branch=branch))
        return self("group", "serving", "--yes", file, code=code)

    def problems(self) -> str:
        return self("group", "check", code=None)

    @contextmanager
    def dns(self, *options: str) -> Iterator[Server]:
        with serving(self.file, "dns", *options) as server:
            yield server


@pytest.fixture
def member(tmp_path: Path) -> Iterator[Member]:
    with running(tmp_path / "etcd") as etcd:
        made = Member(Person(tmp_path / "ops", "ops"), tmp_path / "zones.xferzone", etcd)
        made("init")
        made("zone", "add", "example.com")
        made("set", "www.example.com", "A", MAIN)
        made("branch", "example.com", "stable")
        made("set", "www.example.com", "A", STABLE, "-b", "stable")
        made("group", "join", "--etcd", etcd.url, "--name", "a", "--url", "http://127.0.0.1:1/")
        yield made


def test_the_rules_are_shown_asked_for_and_written(member: Member) -> None:
    assert "the group has no rules" in member("group", "serving")
    file = member.file.with_name("rules.toml")
    file.write_text(
        '[[zone]]\nname = ["example.com", "*.example.net"]\nbranch = "stable"\n'
        'canary = {branch = "next", percent = 2.5, salt = "x", ecs_from = ["127.0.0.1"]}\n'
        '[[zone]]\nname = "plain.test"\n'
    )
    shown = member("group", "serving", file, code=None, stdin="n\n")
    assert "example.com main -> stable, canary next:2.5:x\n*.example.net main -> stable" in shown
    assert "no rules" in member("group", "serving")
    member("group", "serving", file, stdin="y\n")
    assert member("group", "serving") == (
        "example.com stable, canary next:2.5:x\n*.example.net stable, canary next:2.5:x\n"
    )
    assert "nothing to change" in member("group", "serving", file)
    out = member("--format", "json", "group", "serving")
    assert {"zones[].canary.percent", "agreed", "changed"} <= assert_as_described(out, "`group serving`")
    assert json.loads(out)["zones"][1]["zone"] == "*.example.net"
    assert "give --yes, too" in member("--format", "json", "group", "serving", file, code=2)
    file.write_text("[[zone]]\nname = 'example.com'\nbramch = 'x'\n")
    assert "did you mean branch?" in member("group", "serving", file, code=2)
    file.write_text("")
    assert "example.com stable, canary next:2.5:x -> main" in member("group", "serving", "--yes", file)
    assert "every zone from main" in member("group", "serving")


def test_dns_starts_by_the_rules_of_the_group_alone(member: Member) -> None:
    member.choose("main")
    member.rules("stable")
    why = f"{member.config}:3: example.com is served from main, and in the group from stable"
    port = f"127.0.0.1:{free_port()}"
    assert why in member("dns", "--listen", port, code=2)
    assert why in member("up", "--dns", port, "--http", f"127.0.0.1:{free_port()}", code=2)
    assert why in member.problems()
    member.config.unlink()
    assert "by default: example.com is served from main, and in the group from stable" in member(
        "dns", "--listen", port, code=2
    )
    assert "--branch: * is served from stable, and in the group from main" in member(
        "dns", "--listen", port, "--branch", "stable", code=2
    )
    with member.dns("--at", "example.com/main") as server:  # which shows the past, whatever is served now
        assert server.dig("www.example.com") == [MAIN]
    with serving(member.file, "serve"):
        assert "is served from" not in member.problems()  # it answers no DNS
    member.choose("stable")
    member.etcd.process.terminate()
    member.etcd.process.wait()
    with member.dns() as server:  # without etcd
        assert server.dig("www.example.com") == [STABLE]
    member.choose("main")
    assert why in member("dns", "--listen", port, code=2)


def test_a_server_goes_on_when_the_rules_change_and_says_so(member: Member) -> None:
    member.choose("main")
    with member.dns() as server:
        assert "is served from" not in member.problems()
        member.rules("stable")
        why = f"{member.config}:3: example.com is served from main, and in the group from stable"
        assert server.told(f"zones are served otherwise than in the group: {why}")
        assert server.dig("www.example.com") == [MAIN]
        assert within(PATIENCE_S, lambda: f"pid {server.process.pid}: {why}" in member.problems())
        assert why in member("group", "status")
        found = assert_as_described(member("--format", "json", "group", "status"), "`group status`")
        assert "differing[]" in found
        member("set", "two.example.com", "A", MAIN)
        assert server.log.read_text().count("otherwise than in the group") == 1
        member.choose("next")
        server.process.send_signal(signal.SIGHUP)
        assert server.told("outcome=refused")
        assert "example.com is served from next, and in the group from stable" in server.log.read_text()
        assert server.dig("www.example.com") == [MAIN]
        member.rules("main")
        assert within(PATIENCE_S, lambda: "is served from" not in member.problems())
