"""docs/embedding.md: its programs run as printed and print what it says, and its tables name every field and call."""

import inspect
import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from tests.live import PROJECT
from xferzone import exchange
from xferzone.observer import Answered, Asked, Observer, Session, Traffic

PAGE = (PROJECT / "docs" / "embedding.md").read_text()
PATIENCE_S = 120.0  # for one program
_OTEL = "from opentelemetry"


def programs() -> list[tuple[str, str]]:
    """Every program of the page, with what it prints."""
    found = re.findall(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(found) == PAGE.count("```python") == PAGE.count("```text")
    return found


def run(argv: list[str], place: Path, stdin: str = "") -> str:
    env = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(place),
        "USER": "ops",
        "LC_ALL": "C.UTF-8",
        "PYTHONPATH": str(PROJECT),
    }
    done = subprocess.run(
        argv,
        cwd=place,
        env=env,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), f"{argv}\n{done.stdout}{done.stderr}"
    return done.stdout


def test_every_program_runs_as_printed_and_prints_what_the_page_says(tmp_path: Path) -> None:
    for command in re.findall(r"^    \$ (.*)$", PAGE, re.MULTILINE):
        subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            check=True,
            capture_output=True,
            env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        )
    for number, (program, printed) in enumerate(programs()):
        file = tmp_path / f"{number}.py"
        file.write_text(program)
        out = run([sys.executable, "-W", "error", file.name], tmp_path)
        pattern = re.escape(printed).replace("<\\.\\.\\.>", "[^\n]+")
        assert re.fullmatch(pattern, out), f"{file}:\n{out}"


@pytest.mark.parametrize("what", [exchange.Options, exchange.Outcome, exchange.Terms])
def test_a_table_has_every_field(what: type[exchange.Options | exchange.Outcome | exchange.Terms]) -> None:
    table = PAGE.partition(f"`{what.__name__}` is what")[2].partition("|---|")[2].partition("\n\n")[0]
    named = re.findall(r"^\| (.*?) \|", table, re.MULTILINE)
    assert [name for row in named for name in re.findall(r"\w+", row)] == [each.name for each in fields(what)]


def test_the_defaults_of_options_and_terms_are_those_of_the_page() -> None:
    said = dict(re.findall(r"^\| `(\w+)`[^|]* \| ([^|]*) \| ", PAGE, re.MULTILINE))
    options, terms = exchange.Options(), exchange.Terms()
    assert said["budget"] == f"{terms.budget.bytes:,} bytes, {terms.budget.seconds} s"
    assert f"| `budget` | {options.budget:,} |" in PAGE
    assert (said["rounds"], said["gimmes"]) == (f"{options.rounds:,}", str(options.gimmes))
    assert said["patience"] == f"{options.patience:,.0f} s"
    assert options.cache is not None
    assert said["cache"] == f"{options.cache // 2**20} MiB"
    assert options.peer_id == "0" * 40
    assert options.pull is options.push is True
    assert (options.account, options.remote, options.login, terms.remote) == (None, None, "", "")


def test_the_table_of_observers_has_every_call_with_its_parameters_and_what_it_tells() -> None:
    calls = {name: call for name, call in vars(Observer).items() if inspect.getdoc(call) and name[0] != "_"}
    assert len(calls) == 10
    for name, call in calls.items():
        _, *parameters = inspect.signature(call).parameters
        assert f"| `{name}({', '.join(parameters)})` |" in PAGE
    for told in (Session, Asked, Answered, Traffic):
        for each in fields(told):
            assert f"`{each.name}`" in PAGE, each.name


def test_what_is_named_for_users_of_go_libfossil_is_there() -> None:
    table = PAGE.partition("## For users of go-libfossil")[2]
    kinds = {"Options": exchange.Options, "Outcome": exchange.Outcome, "Terms": exchange.Terms}
    named = re.findall(r"`(Options|Outcome|Terms|Traffic|Observer)\.(\w+)`", table)
    assert len(named) > 40
    for kind, name in named:
        assert hasattr({**kinds, "Traffic": Traffic, "Observer": Observer}[kind], name), f"{kind}.{name}"


def test_a_program_without_a_server_loads_no_web_framework_and_no_command_line(tmp_path: Path) -> None:
    """The contracts of setup.cfg forbid direct imports only."""
    modules = (
        "exchange, store, transport.http, observer.log, observer.prometheus, observer.progress, observer.otel"
    )
    imports = "\n".join(f"import xferzone.{name}" for name in modules.split(", "))
    loaded = "sorted({name.partition('.')[0] for name in sys.modules} & {'click', 'falcon', 'gunicorn'})"
    assert run([sys.executable, "-c", f"import sys\n{imports}\nprint({loaded})"], tmp_path) == "[]\n"
