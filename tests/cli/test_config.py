"""`config check` and `config show`, and which file they and the servers read."""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.live import PROJECT
from xferzone.cli import configuration

WORKERS = "[http]\nworkers = {}\n"


@pytest.fixture(autouse=True)
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in /etc, which is elsewhere for these tests and not there at first."""
    path = tmp_path / "etc" / "xferzone.toml"
    monkeypatch.setattr(configuration, "SYSTEM", path)
    return path


def workers(run: Run, *words: str) -> tuple[int, str]:
    shown = json.loads(run("--format", "json", "config", "show", *words).out)["settings"]["http"]["workers"]
    return shown["value"], shown["from"]


def test_the_first_file_of_four_is_read_and_no_other(
    xz: Run, tmp_path: Path, system: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert workers(xz) == (1, "default")
    assert xz("config", "check").out == "no configuration file: defaults and the environment are used\n"
    system.parent.mkdir()
    system.write_text("[http]\nworkers = 2\nthreads = 7\n")
    assert workers(xz) == (2, f"{system}:2")
    (tmp_path / "zones.xferzone.toml").write_text(WORKERS.format(3))
    assert workers(xz) == (3, "zones.xferzone.toml:2")
    assert '"value": 64' in xz("--format", "json", "config", "show").out
    assert workers(xz, "-R", "other.xferzone") == (2, f"{system}:2")
    (tmp_path / "named.toml").write_text(WORKERS.format(4))
    monkeypatch.setenv("XFERZONE_CONFIG", "named.toml")
    assert workers(xz) == (4, "named.toml:2")
    (tmp_path / "given.toml").write_text(WORKERS.format(5))
    assert workers(xz, "-c", "given.toml") == (5, "given.toml:2")
    assert xz("config", "check", "-c", "given.toml").out == "given.toml: ok\n"


def test_a_file_that_is_named_must_be_there(xz: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    told = "xferzone: cannot read the configuration file nosuch: No such file or directory\n"
    assert (xz("config", "check", "-c", "nosuch").code, xz("config", "show", "-c", "nosuch").err) == (2, told)
    monkeypatch.setenv("XFERZONE_CONFIG", "nosuch")
    assert xz("config", "check").err == told


def test_what_is_shown_can_be_read_again(zone: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.toml").write_text(
        "[http]\nlisten = ['[::1]:1', '127.0.0.1:2']\ntrusted = ['10.0.0.0/8']\n[dns]\nzones = ['EXAMPLE.com.']\n"
        "nsid = '{a}'\n"
        "[[zone]]\nname = ['a.example', '*.b.example']\ncanary = {branch = 'next', percent = 2.5}\n"
        "transfer = ['192.0.2.0/24', 'key:t.example']\n"
        "also_notify = ['::1', {address = '192.0.2.1:54', key = 't.example'}]\n"
        "[[zone]]\nname = '*'\nat = 'x'\n[[acl]]\nname = 'near'\nnetworks = ['::1']\n"
        "[keys.'t.example']\nsecret = {env = 'HOME_KEY'}\n"
    )
    monkeypatch.setenv("HOME_KEY", "c2VjcmV0")
    shown = zone("config", "show", "-c", "a.toml").out
    assert "# a.toml is read\n" in shown
    assert "workers: one a core" in shown
    (tmp_path / "b.toml").write_text(shown)
    assert zone("config", "show", "-c", "b.toml").out.count("# b.toml:") == 32
    first, second = (
        json.loads(zone("config", "show", "--format", "json", "-c", f).out) for f in ("a.toml", "b.toml")
    )
    assert _values(first["settings"]) == _values(second["settings"])
    assert _values(first["settings"])["zone"][0]["also_notify"][0] == {"address": "[::1]:53"}


def _values(shown: Any) -> Any:
    """What is shown, without the places."""
    if isinstance(shown, list):
        return [_values(each) for each in shown]
    if isinstance(shown, dict) and shown.keys() != {"value", "from"}:
        return {key: _values(each) for key, each in shown.items()}
    return shown["value"]


def test_check_warns_of_a_table_that_no_zone_can_match(xz: Run, tmp_path: Path) -> None:
    (tmp_path / "zones.xferzone.toml").write_text("[[zone]]\nname = '*'\n[[zone]]\nname = 'a.example'\n")
    told = "zones.xferzone.toml:4: [[zone]] name: a.example is never used: * at zones.xferzone.toml:2 comes first"
    done = xz("config", "check")
    assert (done.code, done.err) == (0, f"warning: {told}\n")
    assert json.loads(xz("config", "check", "--format", "json").out)["warnings"] == [told]


@pytest.mark.parametrize("verb", [("config", "check"), ("config", "show"), ("up",), ("serve",), ("dns",)])
@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "[http]\nworker = 2\n",
            "zones.xferzone.toml:2: unknown setting worker in [http]: did you mean workers?",
        ),
        (
            "[log]\nlevel = 1\n",
            "zones.xferzone.toml:2: [log] level: 1 is not one of debug, info, warning, error",
        ),
        ("[dns]\nzones = ['a..b']\n", "zones.xferzone.toml:2: [dns] zones: 'a..b' is not a name: "),
        (
            "[[zone]]\nname = ['a', '*.b..c']\n",
            "zones.xferzone.toml:2: [[zone]] name[1]: 'x.b..c' is not a name: ",
        ),
    ],
)
def test_a_bad_file_ends_with_2_and_nothing_is_started(
    zone: Run, tmp_path: Path, verb: tuple[str, ...], text: str, told: str
) -> None:
    (tmp_path / "zones.xferzone.toml").write_text(text)
    done = zone(*verb)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"xferzone: {told}")
    assert "ready" not in done.err


def test_other_verbs_do_not_read_it(zone: Run, tmp_path: Path) -> None:
    (tmp_path / "zones.xferzone.toml").write_text("no TOML")
    assert zone("zone", "list").code == 0
    assert zone("zone", "list", "-c", "zones.xferzone.toml").code == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[http]\nworkers = " + "9" * 5000, ":2: "),
        ("[dns]\nzones = " + "[" * 5000, ":2: it is nested too deeply"),
        ("a." * 5000 + "a = 1", ":1: unknown section a"),
        ("\ufeff[http]\nworker = 2", ":2: unknown setting worker"),
    ],
    ids=["digits", "brackets", "parts of a key", "a byte order mark"],
)
def test_a_file_that_no_reader_likes_is_a_fault_with_its_line(
    xz: Run, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "c.toml").write_text(text)
    done = xz("config", "check", "-c", "c.toml")
    assert done.code == 2
    assert f"c.toml{said}" in done.err


def test_a_list_of_many_zones_is_read_at_once(xz: Run, tmp_path: Path) -> None:
    zones = "".join(f'  "zone{number}.example.com",\n' for number in range(20_000))
    (tmp_path / "c.toml").write_text(f"[dns]\nzones = [\n{zones}]\n")
    assert xz("config", "check", "-c", "c.toml").code == 0


def test_what_is_not_a_file_is_not_waited_for(xz: Run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    done = xz("config", "check", "-c", "fifo")
    assert (done.code, "is not a regular file" in done.err) == (2, True)


@pytest.mark.parametrize("name", ["XFERZONE_HTTP_WORKERS", "XFERZONE_DNS__ZONE", "XFERZONE_LOG_LEVEL"])
def test_a_mistyped_variable_is_named(xz: Run, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "3")
    done = xz("config", "check")
    assert (done.code, f"{name}: no such setting: did you mean" in done.err) == (2, True)


def test_an_address_in_a_variable_that_is_not_toml_is_told_how_to_write_it(
    xz: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XFERZONE_HTTP__LISTEN", "[::1]:8080")
    done = xz("config", "check")
    assert (done.code, 'an IPv6 address is written ["[::1]:8080"]' in done.err) == (2, True)


def test_the_page_shows_what_the_verb_prints(xz: Run, tmp_path: Path) -> None:
    page = (PROJECT / "docs" / "operations.md").read_text()
    block = page.partition("    $ xferzone config show\n")[2].partition("\n\nA secret is never")[0]
    shown = "\n".join(line.removeprefix("    ") for line in block.splitlines()) + "\n"
    lines: dict[int, str] = {}
    section = ""
    for line in shown.splitlines():
        if line.startswith("["):
            section = line
        elif given := re.fullmatch(r"(.*?) +# zones\.xferzone\.toml:(\d+)", line):
            number = int(given[2])
            if section not in lines.values():
                lines[number - 1] = section
            lines[number] = given[1]
    text = "".join(f"{lines.get(number, '')}\n" for number in range(1, max(lines) + 1))
    (tmp_path / "zones.xferzone.toml").write_text(text)
    assert xz("config", "show").out == shown
