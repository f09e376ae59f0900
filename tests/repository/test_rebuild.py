"""A rebuild derives the same rows again, also from dropped tables (features A7)."""

import random
from pathlib import Path

import pytest

from tests.publish.project import MAIN_BRANCH, NOW, Project, zone_text
from xferzone.artifacts import Control, Tag
from xferzone.edit.appending import Author
from xferzone.edit.commit import Edit
from xferzone.hashing import artifact_id
from xferzone.refs import Door, LocalRefs, Occasion
from xferzone.repository.rebuild import rebuild
from xferzone.store import Writer, schema
from xferzone.zone.changes import parse_change


def rows(writer: Writer) -> dict[str, list[tuple[object, ...]]]:
    tables = (*schema.DERIVED, "ref", "publication")
    # A table's name cannot be a parameter; these are our own.
    return {table: sorted(writer.db.execute(f"SELECT * FROM {table}"), key=repr) for table in tables}  # noqa: S608 the test names the tables


@pytest.mark.parametrize("seed", range(12))
def test_everything_derived_comes_back_the_same(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    project = Project(tmp_path)
    first = project.manifest(zone_text("www 300 A 192.0.2.1"))
    project.push(first)
    tips = [artifact_id(first)]
    for step in range(15):
        broken = ("www 300 CNAME example.net.",) if rng.random() < 0.2 else ()
        text = zone_text(f"h{step} 300 A 192.0.2.9", "www 300 A 192.0.2.1", *broken, serial=rng.randrange(50))
        branch = "example.com/test" if rng.random() < 0.1 else None
        made = project.manifest(text, *dict.fromkeys(rng.choices(tips[-4:], k=2)), branch=branch)
        tips.append(artifact_id(made))
        project.push(made)
    with project.writing() as (writer, refs):
        Edit(writer, refs, MAIN_BRANCH, Author("ann", NOW)).change(
            [parse_change("set", ["x.example.com", "A", "192.0.2.3"])], "x"
        )
        writer.put(
            Control(date_ms=NOW, tags=(Tag("+", "sym-example.com/v1", tips[3], None),), user="a").encode()
        )
        if seed % 3 == 0:
            Edit(writer, refs, MAIN_BRANCH, Author("ann", NOW)).remove("away")
        writer.make_clusters()
        before = rows(writer)
        if seed % 2:
            for table in schema.DERIVED:
                writer.db.execute(f"DROP TABLE {table}")
        rebuild(writer, LocalRefs(writer), Occasion(NOW + 1_000, "ann", Door.START))
        after = rows(writer)
    for table in before:
        assert after[table] == before[table], table
