"""What the pages of docs/ say of the code is there: names, links, bounds, and the bytes of docs/formats.md."""

import configparser
import importlib
import re
import shutil
from pathlib import Path

import pytest

from tests.live import PROJECT
from xferzone.hashing import artifact_id
from xferzone.publish.policy import RESERVED_TAGS
from xferzone.refs import LocalRefs
from xferzone.store import Store, frames
from xferzone.sync.server.budget import Budget
from xferzone.sync.server.refs import tell
from xferzone.sync.server.reply import Draft
from xferzone.zone.compile import compile_file
from xferzone.zonefile import names, text

FORMATS = (PROJECT / "docs" / "formats.md").read_text()
PAGES = [
    PROJECT / "README.md",
    *sorted((PROJECT / "docs").glob("*.md")),
    *sorted((PROJECT / "tests").rglob("README.md")),
]
_UNITS = {
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "bytes": 1,
    "s": 1,
    "ms": 1,
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_a_page_names_files_and_code_that_are_there(page: Path) -> None:
    said = page.read_text()
    # Not /etc/xferzone/...: a path of the project begins with no slash.
    for file in re.findall(r"(?<!/)\b((?:xferzone|tests|bench|docs|deploy|migrations)/[\w./-]*\w/?)", said):
        assert (PROJECT / file).exists() or is_pattern(file, said), file
    for file, name in re.findall(r"`(xferzone/[\w/]+\.py):([\w.]+)`", said):
        found = importlib.import_module(file.removesuffix(".py").removesuffix("/__init__").replace("/", "."))
        for part in name.split("."):
            found = getattr(found, part)


def is_pattern(file: str, said: str) -> bool:
    """Whether the page means several files: tests/golden/schema-NNNN.xferzone."""
    return f"{file}*" in said or "NNNN" in file


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_a_page_links_to_what_is_there(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)", page.read_text()):
        linked = page.parent / target if target else page
        assert linked.is_file(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(), re.MULTILINE)
            assert anchor in {
                re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings
            }


def test_the_layers_of_the_architecture_are_those_of_the_contract() -> None:
    page = (PROJECT / "docs" / "architecture.md").read_text()
    table = page.partition("| layer | what it holds |")[2].partition("\n\n")[0]
    said = [set(re.findall(r"`(\w+)`", row.split("|")[1])) for row in table.splitlines()[2:]]
    contracts = configparser.ConfigParser()
    contracts.read(PROJECT / "setup.cfg")
    layers = contracts["importlinter:contract:layers"]["layers"].split("\n")
    assert said == [set(re.findall(r"\w+", layer)) for layer in layers if layer]


def test_the_bounds_of_the_architecture_are_those_of_the_code() -> None:
    page = (PROJECT / "docs" / "architecture.md").read_text()
    rows = re.findall(
        r"^\| [^|]+ \| ([\d,]+)(?: (\w+))? \| `(xferzone/[\w/]+)\.py:(\w+)` \|$", page, re.MULTILINE
    )
    assert len(rows) > 50
    for number, unit, module, name in rows:
        bound = getattr(importlib.import_module(module.removesuffix("/__init__").replace("/", ".")), name)
        assert bound == int(number.replace(",", "")) * _UNITS.get(unit, 1), name


def test_the_example_of_an_index_is_what_compiling_makes() -> None:
    lines = re.findall(r"^    ((?:@|ns1) 3600 .*|\$TTL 3600)$", FORMATS, re.MULTILINE)
    content = "".join(f"{line}\n" for line in lines).encode()
    origin = names.zone_name("example.com")
    records = text.read(content, origin)
    assert text.write(records, origin) == content
    row, index = compile_file("example.com", artifact_id(content), records, content, origin)
    dump = re.findall(r"^    [0-9a-f]{4}  ((?:[0-9a-f]{2} ?)+)$", FORMATS, re.MULTILINE)
    assert bytes.fromhex("".join(dump)) == index
    assert f"`{row.file}`" in FORMATS
    assert f"{row.number} and {len(index)} bytes" in " ".join(FORMATS.split())
    frame = frames.compress(content)
    head = re.findall(r"^    ((?:[0-9a-f]{2} )+)   .*$", FORMATS, re.MULTILINE)
    assert frame.startswith(bytes.fromhex("".join(head)))
    assert f"has {len(content)} bytes; its frame has {len(frame)}" in FORMATS


def test_the_example_of_pragmas_is_what_a_server_tells(tmp_path: Path) -> None:
    path = tmp_path / "zones.xferzone"
    shutil.copy(PROJECT / "tests" / "golden" / "schema-0002.xferzone", path)
    with Store.open(path) as store, store.reader() as reader:
        draft = Draft(Budget())
        tell(draft, LocalRefs(reader), {"": 0})
        told = b"".join(draft.pieces()).decode()
    assert told.splitlines() == re.findall(r"^    S: (.*)$", FORMATS, re.MULTILINE)


def test_the_example_of_canonical_text_is_what_an_import_makes() -> None:
    page = (PROJECT / "docs" / "zone-text.md").read_text()
    by_hand, canonical = (
        "".join(f"{line[4:]}\n" for line in part.splitlines())
        for part in re.findall(r"\n\n((?:    .*\n)+)", page)[:2]
    )
    origin = names.zone_name("example.com")
    read = text.read_zone(by_hand.encode(), origin)
    assert text.write(read.records, origin, read.default).decode() == canonical


def test_the_tags_that_are_reserved_are_those_that_the_page_names() -> None:
    page = (PROJECT / "docs" / "zone-text.md").read_text().partition("## Reserved names")[2]
    assert set(re.findall(r"`([a-z]+-)`", page)) == set(RESERVED_TAGS)


def test_letters_that_operations_gives_to_people_let_them_change_their_password() -> None:
    page = (PROJECT / "docs" / "operations.md").read_text()
    letters = re.findall(r"`xferzone user caps LOGIN (\w+)`", page)
    assert len(letters) == 2
    assert [each for each in letters if "p" not in each] == []
