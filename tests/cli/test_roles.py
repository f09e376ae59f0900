"""What people see of a repository's role: clone, edit, sync, status, promote, through a real server."""

import json
import re
import sys
from pathlib import Path

import pytest

from tests.live import XFERZONE, Person, run, serving

pytestmark = pytest.mark.interop


def account(text: str) -> tuple[str, str]:
    """Login and password, as `init` prints them."""
    login, password = (line.partition(": ")[2] for line in text.splitlines())
    return login, password


def test_a_clone_works_and_becomes_a_primary(tmp_path: Path) -> None:
    ann = Person(tmp_path / "ann", "ann")
    primary, clone = tmp_path / "zones.xferzone", tmp_path / "clone.xferzone"
    login = account(ann.xferzone("-R", primary, "init").out)
    ann.xferzone("-R", primary, "zone", "add", "example.com")
    with serving(primary, "serve") as server:
        ann.xferzone("clone", server.url(*login), clone)
        shown = ann.xferzone("-R", clone, "status").out
        assert "role: clone\n" in shown
        assert f"remote: origin {server.url().replace('//', f'//{login[0]}@')}" in shown
        assert "not pushed: 0 artifacts" in shown
        made = ann.xferzone("-R", clone, "set", "www.example.com", "A", "192.0.2.1")
        assert made.err == "not sent yet: xferzone sync\n"
        assert "not pushed: 2 artifacts" in ann.xferzone("-R", clone, "status").out
        with serving(clone, "up") as copy:
            assert copy.dig("www.example.com") == ["192.0.2.1"]
        refused = ann.xferzone("-R", clone, "zone", "remove", "example.com", code=7).err
        assert "in the repository that it follows" in refused
        # While somebody edits, a commit is made beside him.
        editor = tmp_path / "editor.sh"
        again = f"{sys.executable} -m xferzone -R {clone} set mail.example.com A 192.0.2.3"
        editor.write_text(f"#!/bin/sh\n{again}\necho 'x 60 A 192.0.2.4' >> $1\n")
        editor.chmod(0o700)
        ann_edits = Person(tmp_path / "ann", "ann").env | {"EDITOR": str(editor)}
        raced = run(*XFERZONE, "-R", clone, "edit", "example.com", env=ann_edits, at=tmp_path)
        assert "was published meanwhile and stays" in raced.err
        shown = ann.xferzone("-R", clone, "zone", "export", "example.com").out
        assert "x 60 A 192.0.2.4" in shown
        assert "mail 3600 A 192.0.2.3" in shown
        # A race that the clone loses.
        ann.xferzone("-R", primary, "set", "www.example.com", "A", "192.0.2.2")
        lost = ann.xferzone("-R", clone, "sync", "--password-file", "-", stdin=f"{login[1]}\n", code=4)
        found = re.search(
            "yours, ([0-9a-f]{16}), [0-9a-f]{16}, [0-9a-f]{16}, are on branch example.com/(main-fork-\\1) now",
            lost.err,
        )
        assert found is not None
        assert lost.err.count("somebody else was first") == 1
        assert not re.search("[0-9a-f]{17}", lost.err)
        # What it says to do can be done.
        seen = f"xferzone diff example.com main {found[2]}", f"xferzone branch example.com {found[2]} --close"
        assert all(command in lost.err for command in seen)
        assert "+www 3600 A 192.0.2.1" in ann.xferzone("-R", clone, *seen[0].split()[1:]).out
        assert "192.0.2.2" in ann.xferzone("-R", clone, "show", "www.example.com").out
        shown = ann.xferzone("-R", clone, "status").out
        assert "lost races: 1 (" in shown
        assert "not published: 0 check-ins" in shown
    told = ann.xferzone("-R", clone, "promote").err
    assert told.startswith(
        'promoted: this clone is now the primary. Its remote "origin" was renamed "old-origin"\n'
    )
    assert "xferzone user add LOGIN" in told
    assert "xferzone remote remove origin; xferzone remote add origin URL" in told
    assert ann.xferzone("-R", clone, "remote").out.startswith("old-origin http://")
    ann.xferzone("-R", clone, "branch", "example.com", found[2], "--close")
    assert "lost races" not in ann.xferzone("-R", clone, "status").out
    assert "it is a primary already" in ann.xferzone("-R", clone, "promote").err
    again = json.loads(ann.xferzone("-R", clone, "--format", "json", "promote").out)
    assert again == {
        "version": 1,
        "role": "primary",
        "was": "primary",
        "moved": [],
        "stepped": [],
        "notices": [],
    }
    ann.xferzone("-R", clone, "zone", "remove", "example.com")
    assert "role: primary\n" in ann.xferzone("-R", clone, "status").out
