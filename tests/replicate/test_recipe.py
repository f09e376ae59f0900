"""The recipe of docs/formats.md for a signed request, as somebody types it, against a server."""

import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.live import PROJECT, Person, run, serving
from tests.replicate.conftest import GOLDEN, may
from xferzone.store import Store

_RECIPE = re.compile(r"^    (project=.*?\"http://\$host/v0/refs\")$", re.MULTILINE | re.DOTALL)


@pytest.mark.interop
def test_openssl_and_curl_read_the_refs_by_the_recipe(tmp_path: Path) -> None:
    assert all(shutil.which(program) for program in ("openssl", "curl", "sh"))
    match = _RECIPE.search((PROJECT / "docs" / "formats.md").read_text())
    assert match is not None
    repository = tmp_path / "zones.xferzone"
    repository.write_bytes(GOLDEN.read_bytes())
    with Store.open(repository) as store:
        may(store, "nobody", "")
        may(store, "ann", "o", "secret")
        with store.reader() as reader:
            code = reader.project_code
    person = Person(tmp_path / "ann", "ann")
    with serving(repository, "serve") as server:
        host = urlsplit(server.url()).netloc
        recipe = re.sub(r"project=\S+ host=\S+", f"project={code} host={host}", match[1], count=1)
        done = run("sh", "-c", recipe, env=person.env, at=tmp_path)
        assert f'"project":"{code}"' in done.out
        wrong = run(
            "sh", "-c", recipe.replace("password=secret", "password=wrong"), env=person.env, at=tmp_path
        )
        assert "the signature does not hold" in wrong.out
