"""edit: what the editor leaves is committed; a lost race, a fault or a loss costs neither side's work."""

import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Run

#: Writes a script that is the editor; in it `$1` is the draft and `xz` the command line of somebody else.
Editor = Callable[[str], None]


@pytest.fixture
def editor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Editor:
    drafts = tmp_path / "drafts"
    drafts.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(drafts))
    monkeypatch.delenv("VISUAL", raising=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    script = tmp_path / "editor"
    monkeypatch.setenv("EDITOR", str(script))

    def write(commands: str) -> None:
        program = f"{sys.executable} -m xferzone -R {tmp_path}/zones.xferzone"
        script.write_text(f'#!/bin/sh -e\nxz() {{ {program} "$@" --as bob >/dev/null; }}\n{commands}\n')
        script.chmod(0o755)

    return write


def kept(tmp_path: Path) -> Path:
    """The one text that was kept."""
    (draft,) = (tmp_path / "drafts").glob("xferzone-*/example.com.zone")
    return draft


def resumed(err: str) -> list[str]:
    """The words of the command that goes on."""
    (command,) = [line for line in err.splitlines() if "to go on with it: xferzone " in line]
    return shlex.split(command.partition("to go on with it: xferzone ")[2])


def test_edit_commits_what_the_editor_leaves(zone: Run, editor: Editor, tmp_path: Path) -> None:
    editor("sed -i s/192.0.2.25/192.0.2.26/ $1")
    assert zone("edit", "example.com").code == 0
    assert zone("show", "mail.example.com").out.endswith("192.0.2.26\n")
    editor("true")
    assert "nothing changed" in zone("edit", "example.com").err
    assert list((tmp_path / "drafts").iterdir()) == []
    editor("false")
    assert zone("edit", "example.com").code == 1


def test_a_race_over_other_records_keeps_both_sides(zone: Run, editor: Editor, tmp_path: Path) -> None:
    editor("xz set www.example.com A 192.0.2.99; xz add new.example.com A 192.0.2.98\nsed -i s/2.25/2.26/ $1")
    done = zone("edit", "example.com")
    assert done.code == 0
    assert "(bob) was published meanwhile and stays" in done.err
    assert done.out.splitlines()[:-1] == ["-mail 3600 A 192.0.2.25", "+mail 3600 A 192.0.2.26"]
    text = zone("zone", "export", "example.com").out
    assert "www 300 A 192.0.2.99 ; the web server\n" in text
    assert "new 3600 A 192.0.2.98\n" in text
    assert "; mail goes here\nmail 3600 A 192.0.2.26\n" in text
    assert "fork" not in zone("log", "example.com").out
    assert list((tmp_path / "drafts").iterdir()) == []


def test_a_race_over_the_same_record_shows_base_theirs_and_yours(
    zone: Run, editor: Editor, tmp_path: Path
) -> None:
    editor("xz set www.example.com A 192.0.2.99\nsed -i 's/2.1 ;/2.7 ;/; s/2.25/2.26/' $1")
    lost = zone("edit", "example.com", "-m", "two moves")
    assert (lost.code, lost.out) == (4, "")
    assert "(bob) was published meanwhile: 1 conflict with it\n" in lost.err
    assert (
        "www.example.com. A\n"
        "xferzone:   base    www 300 A 192.0.2.1 ; the web server\n"
        "xferzone:   theirs  www 300 A 192.0.2.99 ; the web server\n"
        "xferzone:   yours   www 300 A 192.0.2.7 ; the web server\n"
    ) in lost.err
    assert "import" not in lost.err
    assert "192.0.2.26" in kept(tmp_path).read_text()
    assert "192.0.2.25" in zone("zone", "export", "example.com").out
    # Going on is the same edit with the same base: here with theirs in place of ours.
    editor("sed -i s/2.7/2.99/ $1")
    assert zone(*resumed(lost.err)).out.splitlines()[:-1] == [
        "-mail 3600 A 192.0.2.25",
        "+mail 3600 A 192.0.2.26",
    ]
    assert "two moves" in zone("log", "example.com", "-n", "1").out


def test_the_default_ttl_is_merged_and_may_be_in_conflict(zone: Run, editor: Editor, tmp_path: Path) -> None:
    text = zone("zone", "export", "example.com").out
    (tmp_path / "shorter").write_text(text.replace("$TTL 3600", "$TTL 300"))
    editor(f"xz zone import example.com {tmp_path}/shorter\nsed -i s/2.25/2.26/ $1")
    assert zone("edit", "example.com").code == 0
    text = zone("zone", "export", "example.com").out
    assert "$TTL 300\n" in text
    assert "192.0.2.26" in text
    (tmp_path / "longer").write_text(text.replace("$TTL 300", "$TTL 900"))
    editor(f"xz zone import example.com {tmp_path}/longer\nsed -i 's/^.TTL .*/$TTL 600/' $1")
    lost = zone("edit", "example.com")
    assert lost.code == 4
    sides = "".join(
        f"xferzone:   {side:6}  $TTL {ttl}\n"
        for side, ttl in (("base", 300), ("theirs", 900), ("yours", 600))
    )
    assert f"xferzone: default TTL\n{sides}" in lost.err
    assert "$TTL 900" in zone("zone", "export", "example.com").out


@pytest.mark.parametrize("answer", ["e\n", "\n", "what?\nE\n"])
def test_after_a_fault_people_may_edit_again(zone: Run, editor: Editor, tmp_path: Path, answer: str) -> None:
    editor("if grep -q bad $1; then sed -i s/bad/192.0.2.26/ $1; else sed -i s/192.0.2.25/bad/ $1; fi")
    done = zone("edit", "example.com", stdin=answer)
    assert done.code == 0
    assert "line " in done.err
    assert "edit again, or quit and keep the text? [E/q] " in done.err
    assert zone("show", "mail.example.com").out.endswith("192.0.2.26\n")
    assert list((tmp_path / "drafts").iterdir()) == []


@pytest.mark.parametrize("answer", ["q\n", "", "?\n"])
def test_after_a_fault_people_may_quit_and_the_text_is_kept(
    zone: Run, editor: Editor, tmp_path: Path, answer: str
) -> None:
    editor("sed -i s/192.0.2.25/bad/ $1")
    before = zone("log").out
    quit_ = zone("edit", "example.com", stdin=answer)
    assert (quit_.code, quit_.out) == (6, "")
    assert zone("log").out == before
    assert f"your text is in {kept(tmp_path)}\n" in quit_.err
    assert "bad" in kept(tmp_path).read_text()
    editor("xz set www.example.com A 192.0.2.99\nsed -i s/bad/192.0.2.26/ $1")
    assert zone(*resumed(quit_.err)).code == 0
    text = zone("zone", "export", "example.com").out
    assert "192.0.2.99" in text
    assert "192.0.2.26" in text


def test_an_interrupt_while_the_editor_runs_is_the_editor_s(zone: Run, editor: Editor) -> None:
    editor("kill -INT $PPID; sed -i s/192.0.2.25/192.0.2.26/ $1")
    assert zone("edit", "example.com").code == 0
    assert zone("show", "mail.example.com").out.endswith("192.0.2.26\n")


def test_an_editor_hears_of_an_interrupt(zone: Run, editor: Editor) -> None:
    editor("d=$1; trap 'sed -i s/192.0.2.25/192.0.2.26/ $d; exit 0' INT; kill -INT $$; exit 1")
    assert zone("edit", "example.com").code == 0
    assert zone("show", "mail.example.com").out.endswith("192.0.2.26\n")


def test_strict_takes_a_warning_for_a_fault_here_too(zone: Run, editor: Editor) -> None:
    editor("echo 'a 300 MX 5 nowhere' >> $1")
    strict = zone("edit", "example.com", "--strict", stdin="q\n")
    assert strict.code == 6
    assert "edit again" in strict.err
    assert zone("show", "a.example.com").code == 5


def test_a_loss_is_not_asked_about_and_its_command_stores_it(
    zone: Run, editor: Editor, tmp_path: Path
) -> None:
    many = "".join(f"h{number} 300 A 192.0.2.{number}\n" for number in range(20))
    old = zone("zone", "export", "example.com").out
    assert zone("zone", "import", "example.com", "-", stdin=old + many).code == 0
    editor("sed -i /^h/d $1")
    refused = zone("edit", "example.com", stdin="e\n")
    assert refused.code == 7
    assert "edit again" not in refused.err
    assert f"your text is in {kept(tmp_path)}\n" in refused.err
    (command,) = [line for line in refused.err.splitlines() if line.endswith(" --allow-loss")]
    assert zone(*shlex.split(command.partition(": xferzone ")[2])).code == 0
    assert "h1 " not in zone("zone", "export", "example.com").out


def test_a_zone_that_was_removed_meanwhile_keeps_the_text(zone: Run, editor: Editor, tmp_path: Path) -> None:
    editor("xz zone remove example.com\nsed -i s/2.25/2.26/ $1")
    gone = zone("edit", "example.com")
    assert gone.code == 5
    assert "was removed" in gone.err
    assert zone("reset", "example.com", "main~1").code == 0
    editor("true")
    assert zone(*resumed(gone.err)).code == 0
    assert zone("show", "mail.example.com").out.endswith("192.0.2.26\n")


def test_what_is_resumed_needs_its_base(zone: Run, editor: Editor, tmp_path: Path) -> None:
    editor("true")
    assert zone("edit", "example.com", "--resume", "example.com.zone").code == 2
    assert zone("edit", "example.com", "--base", "main").code == 2
