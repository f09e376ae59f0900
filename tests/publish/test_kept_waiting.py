"""Check-ins that wait: told to whoever pushed or pulled them, counted by `status`, served once all has come."""

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import falcon.testing
import pytest

from tests.cli.conftest import Run, xz
from tests.live import Person
from tests.publish.project import Project, zone_text
from tests.sync.recorded import signed
from tests.web.conftest import Served
from xferzone.artifacts import CheckIn, Cluster, FileCard, Tag
from xferzone.cards import Card, File, Gimme, IGot, Message, encode_cards, parse_cards
from xferzone.cards.body import DEBUG
from xferzone.exchange import Terms
from xferzone.exchange.publishing import Later
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.publish import kept_waiting
from xferzone.refs import BranchName, LocalRefs
from xferzone.repository.status import status
from xferzone.store import Reader, Store, accounts, places, schema
from xferzone.store.pushes import Push
from xferzone.store.waiting import brought_in_vain
from xferzone.web.app import create_app

__all__ = ["xz"]

MAIN = "example.com/main"
ROWS = 400  # check-ins that wait, for the count of statements


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """A primary, with ann and bob, who may write."""
    made = Project(tmp_path)
    made.now = time.time_ns() // 1_000_000
    with made.store.writer() as writer:
        for login in ("ann", "bob"):
            accounts.put_user(writer, login, "pw", "gio")
    yield made
    made.store.close()


@pytest.fixture
def client(project: Project) -> falcon.testing.TestClient:
    return falcon.testing.TestClient(create_app(project.path))


def _zone(number: int) -> bytes:
    return zone_text(f"www 300 A 192.0.2.{number}")


def version(
    number: int, *parents: bytes, branch: str | None = None, name: str = "example.com.zone"
) -> tuple[bytes, bytes]:
    """A zone file and the check-in that holds it; without a branch it inherits its parent's."""
    text = _zone(number)
    tags = (Tag("*", "branch", None, branch), Tag("*", f"sym-{branch}", None, None)) if branch else ()
    made = CheckIn(
        comment=f"version {number}",
        date_ms=time.time_ns() // 1_000_000 - 60_000 + number,
        user="ann",
        files=(FileCard(name, artifact_id(text)),),
        parents=tuple(map(artifact_id, parents)),
        tags=tags,
    )
    return text, made.encode()


def pushed(
    client: falcon.testing.TestClient,
    project: Project,
    *contents: bytes,
    login: str = "ann",
    igots: tuple[ArtifactId, ...] = (),
) -> list[Card]:
    with project.store.reader() as reader:
        code = reader.project_code
    cards = [*(File(artifact_id(each), each) for each in contents), *map(IGot, igots)]
    body = signed(login, "pw", b"push x %s\n" % code.encode() + encode_cards(cards), code)
    return list(parse_cards(client.simulate_post("/", body=body, content_type=DEBUG).content))


def messages(cards: list[Card]) -> list[str]:
    return [card.text for card in cards if isinstance(card, Message)]


def waits(project: Project) -> int:
    with project.store.reader() as reader:
        return status(reader, LocalRefs(reader), project.now).waiting


def served(project: Project, branch: str = MAIN) -> ArtifactId | None:
    with project.store.reader() as reader:
        found = LocalRefs(reader).get(BranchName.parse(branch))
        return None if found is None else found.checkin


def test_a_check_in_whose_parent_is_missing_is_told_counted_and_served_once_it_comes(
    client: falcon.testing.TestClient, project: Project
) -> None:
    first = version(1, branch=MAIN)
    second, third = version(2, first[1]), None
    third = version(3, second[1])
    cards = pushed(client, project, *second, *third)
    (told,) = messages(cards)
    assert Gimme(artifact_id(first[1])) in cards
    assert told.startswith(
        f"example.com: 2 check-ins wait and are not served: {artifact_id(second[1])[:16]} names as its parent "
        f"{artifact_id(first[1])[:16]}, which has not come."
    )
    assert waits(project) == 2
    assert messages(pushed(client, project, *first)) == []
    assert waits(project) == 0
    assert served(project) == artifact_id(third[1])


def test_a_check_in_on_a_blob_is_told_and_stays_counted(
    client: falcon.testing.TestClient, project: Project
) -> None:
    first = version(1, branch=MAIN)
    assert pushed(client, project, *first) == []
    blob = b"not a check-in\n"
    orphan = version(2, blob)
    heir = version(3, orphan[1])
    (told,) = messages(pushed(client, project, blob, *orphan, *heir))
    assert told.startswith("example.com: 2 check-ins wait and are not served: ")
    assert f"names as its parent {artifact_id(blob)[:16]}, which is here but is not a check-in" in told
    assert waits(project) == 2
    assert served(project) == artifact_id(first[1])


def test_a_branch_of_its_own_names_what_waits(client: falcon.testing.TestClient, project: Project) -> None:
    control = b"D 2026-01-01T00:00:00.000\n"
    (told,) = messages(pushed(client, project, control, *version(2, control, branch="example.com/side")))
    assert told.startswith("example.com/side: 1 check-in waits and is not served: ")
    with project.store.reader() as reader:
        found = status(reader, LocalRefs(reader), project.now)
    assert [(each.branch, each.reason.split(",")[0]) for each in found.unpublished] == [
        ("example.com/side", f"names as its parent {artifact_id(control)[:16]}")
    ]


def test_other_people_are_not_told(client: falcon.testing.TestClient, project: Project) -> None:
    missing = version(1, branch=MAIN)
    assert len(messages(pushed(client, project, *version(2, missing[1])))) == 1
    assert messages(pushed(client, project, *version(9, branch="example.com/other"), login="bob")) == []
    assert messages(pushed(client, project, login="ann")) == []  # nothing new: nothing is said again
    assert waits(project) == 1


def test_what_is_about_no_zone_waits_without_a_word(
    client: falcon.testing.TestClient, project: Project
) -> None:
    missing = artifact_id(b"somebody's parent")
    made = CheckIn(comment="x", date_ms=1, user="ann", files=(), parents=(missing,)).encode()
    assert messages(pushed(client, project, made)) == []
    assert waits(project) == 0


@pytest.mark.parametrize("hope", ["announced", "in a cluster"])
def test_what_may_still_come_is_not_told(
    client: falcon.testing.TestClient, project: Project, hope: str
) -> None:
    first, side = version(1, branch=MAIN), b"beside it\n"
    second = version(2, first[1])
    named = Cluster((artifact_id(first[1]),)).encode()
    announced = (artifact_id(first[1]),) if hope == "announced" else ()
    more = (named,) if hope == "in a cluster" else (side,)
    cards = pushed(client, project, *second, *more, igots=announced)
    assert messages(cards) == []
    assert Gimme(artifact_id(first[1])) in cards
    assert waits(project) == 1
    assert pushed(client, project, *first) == []
    assert served(project) == artifact_id(second[1])


def test_a_push_with_nothing_to_hope_for_is_not_left_to_later(project: Project) -> None:
    """The client does not come again for what it has not announced: what else it brought is published at once."""
    later = Later(project.path)
    client = falcon.testing.TestClient(create_app(project.path, Terms(later=later)))
    first, missing = version(1, branch=MAIN), version(2, branch="example.net/main")
    try:
        cards = pushed(client, project, *first, *version(3, missing[1]))
        assert len(messages(cards)) == 1
        assert served(project) == artifact_id(first[1])
    finally:
        later.close()


def test_many_branches_are_told_by_a_few(client: falcon.testing.TestClient, project: Project) -> None:
    contents = [
        each
        for number in range(kept_waiting.MAX_TOLD + 3)
        for each in version(number, b"missing %d" % number, branch=f"example.com/b{number}")
    ]
    told = messages(pushed(client, project, *contents))
    assert len(told) == kept_waiting.MAX_TOLD + 1
    assert told[-1] == "check-ins wait on 3 more branches, too: `xferzone status` lists them"
    assert waits(project) == kept_waiting.MAX_TOLD + 3


def test_manifests_are_read_once_a_zone(project: Project) -> None:
    """However many wait behind one that is missing, no more is read or asked."""
    line = [version(1, b"missing")]
    for number in range(2, ROWS):
        line.append(version(number % 200, line[-1][1]))
    project.push(*(each for pair in line for each in pair))
    with project.store.reader() as reader:
        seen: list[str] = []
        reader.db.set_trace_callback(seen.append)
        (told,) = kept_waiting.told(reader, LocalRefs(reader))
        reader.db.set_trace_callback(None)
    assert told.startswith(f"example.com: {ROWS - 1} check-ins wait")
    assert len(seen) < 20


def test_our_own_client_tells_what_it_sends_and_cannot_complete(
    project: Project, tmp_path: Path, xz: Run
) -> None:
    """The server asks for the parent, which is not here either."""
    first = version(1, branch=MAIN)
    project.push(*first)
    with Served(create_app(project.path)).running() as server:
        url = server.url().replace("://", "://ann:pw@")
        assert xz("clone", url, "c").code == 0
        with Store.open(tmp_path / "c") as store, store.writer() as writer:
            for content in (*version(2, b"missing"), *version(3, first[1])):
                writer.put(content)
        done = xz("--format", "json", "-R", "c", "push", url)
        (line,) = json.loads(done.out)["waiting"]
        assert line.startswith("example.com: 1 check-in waits and is not served: ")
        assert line in done.err
        assert waits(project) == 1
        assert json.loads(xz("--format", "json", "-R", "c", "push", url).out)["waiting"] == []


def test_a_push_looks_at_what_is_not_placed_alone(project: Project) -> None:
    """However many check-ins are served: the question costs the same."""
    costs = []
    made = version(1, branch=MAIN)
    project.push(*made)
    for _ in range(3):
        for number in range(30):
            made = version(number % 200, made[1])
            project.push(*made)
        with project.store.reader() as reader:
            steps = 0

            def counted() -> int:
                nonlocal steps
                steps += 1
                return 0

            reader.db.set_progress_handler(counted, 1)
            assert brought_in_vain(reader, Push(1, "", 0, 1)) == []
            reader.db.set_progress_handler(None, 1)
            costs.append(steps)
    assert costs[2] <= costs[0] * 1.2 + 20


def test_publishing_does_not_look_at_what_waits_for_what_is_missing(project: Project) -> None:
    text, first = version(1, branch=MAIN)
    texts, made = [text], [first]
    for number in range(2, 6):
        text, checkin = version(number, made[-1], branch=MAIN)
        texts.append(text)
        made.append(checkin)
    project.push(*texts, *made[1:])
    with project.store.reader() as reader:
        assert places.branches_by_arrival(reader) == []
        assert [placed(reader, each) for each in made[1:]] == [schema.WAITING] * 4
    project.push(first)
    assert served(project) == artifact_id(made[-1])
    with project.store.reader() as reader:
        assert [placed(reader, each) for each in made] == [schema.PUBLISHED] * 5


def placed(reader: Reader, content: bytes) -> int | None:
    found = places.placed(reader, artifact_id(content))
    return None if found is None else found.place


def test_a_pull_and_a_clone_tell_what_came_and_waits(project: Project, tmp_path: Path, xz: Run) -> None:
    first = version(1, branch=MAIN)
    blob = b"not a check-in\n"
    project.push(*first)
    with project.store.writer() as writer:
        accounts.put_user(writer, "nobody", None, "go")
    with Served(create_app(project.path)).running() as server:
        assert xz("clone", server.url(), "early").code == 0
        project.push(blob, *version(2, blob), *version(3, b"missing"))
        done = xz("--format", "json", "-R", "early", "pull", server.url())
        (orphan,) = json.loads(done.out)["waiting"]
        assert orphan.startswith("example.com: 2 check-ins wait and are not served: ")
        assert orphan in done.err
        assert "`xferzone" not in orphan
        again = xz("-R", "early", "pull", server.url())
        assert "wait and are not served" not in again.err
        late = xz("clone", server.url(), "late")
        assert "example.com: 2 check-ins wait and are not served: " in late.err
    for name in ("early", "late"):
        found = json.loads(xz("--format", "json", "-R", name, "status").out)
        assert (found["waiting"], len(found["unpublished"])) == (2, 2)
        assert "not published: 2 check-ins, of which 2 wait" in xz("-R", name, "status").out


@pytest.mark.parametrize("kind", ["SSH", "PGP"])
def test_what_is_signed_by_either_kind_of_key_holds_nothing_up(
    client: falcon.testing.TestClient, project: Project, kind: str
) -> None:
    """The id is that of all bytes, the signature included."""
    text, made = version(1, branch=MAIN)
    key = kind.encode()
    opened = b"-----BEGIN %s SIGNED MESSAGE-----\n\n%s-----BEGIN %s SIGNATURE-----\nAA==\n" % (key, made, key)
    heir = version(2, opened)
    assert messages(pushed(client, project, *heir, text, opened)) == []
    assert waits(project) == 0
    assert served(project) == artifact_id(heir[1])


@pytest.mark.interop
def test_stock_shows_what_waits(project: Project, tmp_path: Path) -> None:
    """A parent that is private stays at home: its public child waits, and `fossil` says what the server says."""
    first = version(1, branch=MAIN)
    project.push(*first)
    with Served(create_app(project.path)).running() as server:
        ann = Person(tmp_path / "home", "ann")
        ann.clone(server.url().replace("://", "://ann:pw@"), ann.home / "z.fossil")
        work = ann.open(ann.home / "z.fossil", tmp_path / "work", MAIN)
        ann.fossil("settings", "autosync", "off", at=work)
        ann.fossil("settings", "manifest", "on", at=work)
        for number in (2, 3):
            (work / "example.com.zone").write_bytes(_zone(number))
            ann.fossil("commit", "-m", f"version {number}", "--no-warnings", at=work)
        parent = re.findall(r"^P (\w+)", (work / "manifest").read_text(), re.MULTILINE)[0]
        with closing(sqlite3.connect(ann.home / "z.fossil")) as db, db:
            db.execute("INSERT INTO private SELECT rid FROM blob WHERE uuid = ?", (parent,))
        said = ann.fossil("push", at=work).out
        assert "Server says: example.com: 1 check-in waits and is not served: " in said, said
        assert f"names as its parent {parent[:16]}, which has not come" in said
        assert waits(project) == 1
        with closing(sqlite3.connect(ann.home / "z.fossil")) as db, db:
            db.execute("DELETE FROM private")
        assert "waits" not in ann.fossil("push", at=work).out
    assert waits(project) == 0
    assert served(project) == artifact_id((work / "manifest").read_bytes())
