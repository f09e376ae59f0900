"""The demo of README.md, typed command for command by somebody who has nothing but fossil and dig: it says what the
page shows."""

import re
from pathlib import Path

import pytest

from tests.live import PROJECT, XFERZONE, Person, free_port, run

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

#: Where the two parts of the demo begin and end.
PARTS = (
    ("## A demo in 60 seconds", "If you push a zone that cannot be served"),
    ("The demo continues", "A clone can answer DNS by itself"),
)
#: What a person does otherwise: an editor, and a server in a terminal of its own.
OTHERWISE = {
    "$EDITOR example.com.zone": r"sed -i 's/^www.*/; the new rack\nwww 3600 A 192.0.2.81/' example.com.zone",
    "xferzone up": "xferzone up --http 127.0.0.1:{http} --dns 127.0.0.1:{dns} >up.log 2>&1 & up=$!\n"
    "until grep -q 'up: ready' up.log; do kill -0 $up && sleep 0.1 || exit 1; done",
}
MARK = "-- command"


def test_the_demo_says_what_the_page_shows(tmp_path: Path) -> None:
    shown = demo((PROJECT / "README.md").read_text())
    http, dns = free_port(), free_port()
    lines = [f'xferzone() {{ {" ".join(XFERZONE)} "$@"; }}', "trap 'kill $up' EXIT", "set -e"]
    for command, _ in shown:
        bare = command.partition("  #")[0].strip()
        typed = OTHERWISE.get(bare, command).replace("{http}", str(http)).replace("{dns}", str(dns))
        typed = (
            typed.replace("97ncpbpbfy5iyeri", '"$password"')
            .replace("8080", str(http))
            .replace("5300", str(dns))
        )
        lines += [f"echo '{MARK}'", typed]
        if bare.startswith("xferzone init"):
            lines[-1] += (
                " | tee init\npassword=$(sed -n 's/^password: //p' init); export XFERZONE_PASSWORD=$password"
            )
    script = tmp_path / "script"
    script.write_text("exec 2>&1\n" + "\n".join(lines) + "\n")
    cloned = tmp_path / "xferzone"  # with git, as the page begins
    (cloned / ".git").mkdir(parents=True)
    done = run("bash", script, env=Person(tmp_path / "ops").env, at=cloned, code=None, seconds=100)
    printed = done.out.split(f"{MARK}\n")[1:]
    assert done.code == 0, done.out
    assert len(printed) == len(shown) > 18
    for (command, output), said in zip(shown, printed, strict=True):
        missing = set(map(constant, output)) - set(map(constant, said.splitlines()))
        assert not missing, f"{command}\n{said}"


def demo(page: str) -> list[tuple[str, list[str]]]:
    """The commands of the demo, and what the page shows that each prints."""
    shown: list[tuple[str, list[str]]] = []
    is_text = False  # of a file, up to END
    parts = [page.partition(begin)[2].partition(end)[0] for begin, end in PARTS]
    for line in re.findall(r"^    (.*)$", "\n".join(parts), re.MULTILINE):
        command, output = shown[-1] if shown else ("", [])
        if is_text:
            shown[-1] = (f"{command}\n{line}", output)
            is_text = line != "END"
        elif line.startswith("$ "):
            shown.append((line.removeprefix("$ "), []))
            is_text = line.endswith("<<'END'")
        elif not line.startswith("password for "):  # it comes from the environment here
            output.append(line)
    return shown


def constant(line: str) -> str:
    """The line without what is another one each time: hashes, dates, passwords, ports, sizes and times."""
    line = re.sub(r"\b[0-9a-f]{10}(?:[0-9a-f]{6})?\b", "HASH", line)
    line = re.sub(r"\b\d{4}-\d\d-\d\d(?: \d\d:\d\d:\d\d)?", "DATE", line)
    line = re.sub(r"^password: \w{16}$", "PASSWORD", line)
    line = re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", line)
    return re.sub(r"[\d,.]+ (?=bytes|s$)", "N ", line)
