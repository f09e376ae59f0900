"""The recipe of docs/formats.md: a signed request of the walk, made with openssl and curl alone."""

import json
import os
import re
from pathlib import Path

import pytest

from tests.interop.site import make_project
from tests.live import PROJECT, Done, run, serving
from xferzone.store import Store

pytestmark = pytest.mark.interop

PAGE = (PROJECT / "docs" / "formats.md").read_text()
PASSWORD = "three words here"


def recipe(**given: str) -> str:
    """The script, with the values of a reader's own in place of the page's."""
    (script,) = re.findall(r"^```sh\n(host=.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    lines = script.split("\n")
    for name, value in given.items():
        (at,) = [number for number, line in enumerate(lines) if line.startswith(f"{name}=")]
        lines[at] = f"{name}={value}"
    return "\n".join(lines)


def told(script: str, at: Path) -> Done:
    return run("sh", "-eu", "-c", script, env={"PATH": os.environ["PATH"], "LC_ALL": "C"}, at=at)


def test_the_recipe_reads_refs_and_walks(tmp_path: Path) -> None:
    site = make_project(tmp_path)
    with Store.open(site.repository) as store, store.reader() as reader:
        code = reader.project_code
    with serving(site.repository, "serve") as server:
        mine = {"host": f"127.0.0.1:{server.http}", "login": "bob", "password": f"'{PASSWORD}'"}
        refs = json.loads(told(recipe(**mine), tmp_path).out)
        assert refs["project"] == code
        assert [each["zone"] for each in refs["branches"]] == ["example.com", "example.net", "example.org"]
        (tip, *_) = [each["hash"] for each in refs["branches"]]
        walk = {"method": "POST", "target": "/v0/objects/walk", "body": f"'{json.dumps({'roots': [tip]})}'"}
        assert tip in json.loads(told(recipe(**mine, **walk), tmp_path).out)["missing"]
        query = {"target": "/v0/refs?since="}
        assert json.loads(told(recipe(**mine, **query), tmp_path).out)["project"] == code
        wrong = told(recipe(**{**mine, "password": "guess"}), tmp_path).out
        assert json.loads(wrong) == {"error": "the signature does not hold"}
