"""Publishing in parts: what one part learns and the next must still know."""

from pathlib import Path

from tests.publish.project import MAIN, Project, zone_text
from xferzone.hashing import artifact_id
from xferzone.publish.publish import publish_part
from xferzone.refs import Door


def test_a_branch_that_another_one_passed_is_published_by_the_next_part(tmp_path: Path) -> None:
    project = Project(tmp_path)
    first = project.manifest(zone_text("www 60 A 192.0.2.1"))
    second = project.manifest(zone_text("www 60 A 192.0.2.2"), artifact_id(first), branch="example.com/dev")
    with project.writing() as (writer, _):
        writer.put(first)
        writer.put(second)  # the branch on which something came last is published first
    is_all, parts = False, 0
    while not is_all:
        parts += 1
        with project.writing() as (writer, refs):
            _, is_all = publish_part(writer, refs, project.occasion(Door.PUSH), lambda: True)
    assert parts > 1
    assert project.served("example.com/dev")[0] == artifact_id(second)
    assert project.has_ref(MAIN)
