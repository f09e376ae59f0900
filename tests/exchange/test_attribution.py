"""Who pushed what: kept for each artifact of a push, told where it is not the author, and what it may not touch."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.exchange.test_publishing import FIRST, INVALID, ONE, SECOND, asked
from tests.publish.project import NOW, ZONE
from tests.sync.rounds import PROJECT, PUSH, by
from xferzone import delta
from xferzone.artifacts import CheckIn, Control, FileCard, Tag
from xferzone.cards import Card, Error, File, IGot, Message
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.history import log
from xferzone.history.blame import blame
from xferzone.publish.pending import MAX_AHEAD_MS, MAX_PUSHED_AHEAD_MS
from xferzone.refs import BranchName, Door, LocalRefs, Occasion
from xferzone.repository.rebuild import rebuild
from xferzone.store import Store, accounts, brought, places
from xferzone.store.brought import Bringer

MAIN = f"{ZONE}/main"
EVE = Bringer("eve", "push")
FIRST_ID = artifact_id(ONE)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Ann has published ONE; eve may push, too; ops is an administrator."""
    with Store.create(tmp_path / "z.xferzone", PROJECT) as store:
        with store.writer() as writer:
            for login, caps in (("ann", "gi"), ("eve", "gi"), ("ops", "s")):
                accounts.put_user(writer, login, "pw", caps)
        assert pushed(store, "ann", FIRST, ONE) == []
        yield store


def pushed(store: Store, login: str, *contents: bytes | Card) -> list[str]:
    """What the pusher is told."""
    cards = [File(artifact_id(each), each) if isinstance(each, bytes) else each for each in contents]
    told = asked(store, by(login, PUSH, *cards), None)
    return [card.text for card in told if isinstance(card, Error | Message)]


def checkin(*parents: ArtifactId, text: bytes = SECOND, user: str = "ann", ahead_ms: int = -1_000,
            branch: str | None = None, tags: Sequence[Tag] = ()) -> bytes:  # fmt: skip
    begins = (Tag("*", "branch", None, branch), Tag("*", f"sym-{branch}", None, None)) if branch else ()
    file = FileCard(f"{ZONE}.zone", artifact_id(text))
    return CheckIn("x", NOW + ahead_ms, user, (file,), parents, tags=(*begins, *tags)).encode()


def control(*tags: Tag) -> bytes:
    return Control(NOW, tags, "eve").encode()


def bringer(store: Store, content: bytes) -> Bringer | None:
    with store.reader() as reader:
        return brought.by(reader, artifact_id(content))


def logged(store: Store, checkin: ArtifactId) -> log.LogEntry:
    with store.reader() as reader:
        return log.of_checkin(reader, LocalRefs(reader), checkin)


def served(store: Store) -> ArtifactId:
    with store.reader() as reader:
        ref = LocalRefs(reader).get(BranchName(ZONE, "main"))
    assert ref is not None
    return ref.checkin


def branch_of(store: Store, checkin: bytes) -> str | None:
    with store.reader() as reader:
        placed = places.placed(reader, artifact_id(checkin))
    return None if placed is None else placed.branch


def test_whoever_pushes_in_another_name_is_told_beside_it(store: Store) -> None:
    forged, own = checkin(FIRST_ID), checkin(FIRST_ID, user="eve", ahead_ms=-2_000, branch=f"{ZONE}/own")
    assert pushed(store, "eve", SECOND, forged, own) == []
    for content in (SECOND, forged, own):
        assert bringer(store, content) == EVE
    assert bringer(store, ONE) == Bringer("ann", "push")
    assert [logged(store, artifact_id(each)).brought for each in (forged, own, ONE)] == [EVE, None, None]
    with store.reader() as reader:
        brought_by = {(one.author, one.brought) for one in blame(reader, ZONE, artifact_id(forged), None)}
    assert brought_by == {("ann", None), ("ann", EVE)}
    with store.writer() as writer:
        rebuild(writer, LocalRefs(writer), Occasion(NOW, "", Door.START))
    assert bringer(store, forged) == EVE


def test_an_author_that_the_check_in_itself_edits_is_told_too(store: Store) -> None:
    mine = checkin(FIRST_ID, user="eve", tags=[Tag("+", "user", None, "ann")])
    pushed(store, "eve", SECOND, mine)
    entry = logged(store, artifact_id(mine))
    assert (entry.author, entry.brought) == ("ann", EVE)


def test_a_merge_that_is_appended_has_the_pusher_of_what_it_merges(store: Store) -> None:
    winner, loser = checkin(FIRST_ID), checkin(FIRST_ID, ahead_ms=-900)
    merge = checkin(artifact_id(loser), artifact_id(winner), user="ops", ahead_ms=-800)
    pushed(store, "ann", SECOND, winner)
    pushed(store, "eve", loser, merge)
    assert served(store) not in map(artifact_id, (winner, loser, merge))
    entry = logged(store, served(store))
    assert (entry.author, entry.brought) == ("ops", EVE)


def test_what_waited_aside_is_its_senders_and_not_of_whoever_brings_the_source(store: Store) -> None:
    source, made = b"a" * 500, b"a" * 500 + b"b"
    change = delta.create(source, made)
    assert change is not None
    pushed(store, "eve", File(artifact_id(made), change, artifact_id(source)))
    pushed(store, "ann", source)
    assert bringer(store, made) == EVE
    assert bringer(store, source) == Bringer("ann", "push")


def test_a_bad_delta_that_waited_brings_nothing(store: Store) -> None:
    source, made = b"a" * 500, b"a" * 500 + b"b"
    change = delta.create(source, source + b"another")
    assert change is not None
    pushed(store, "eve", File(artifact_id(made), change, artifact_id(source)))
    pushed(store, "ann", source)
    pushed(store, "ann", made)
    assert bringer(store, made) == Bringer("ann", "push")


@pytest.mark.parametrize(
    ("login", "ahead_ms", "is_served"),
    [
        ("eve", MAX_PUSHED_AHEAD_MS, True),
        ("eve", MAX_PUSHED_AHEAD_MS + 1, False),
        ("eve", 290_000, False),
        ("ops", 290_000, True),
        ("ops", MAX_AHEAD_MS, True),
        ("ops", MAX_AHEAD_MS + 1, False),
    ],
)
def test_a_writer_may_be_a_minute_ahead_and_an_administrator_five(
    store: Store, login: str, ahead_ms: int, is_served: bool
) -> None:
    ahead = checkin(FIRST_ID, ahead_ms=ahead_ms, user=login)
    told = pushed(store, login, SECOND, ahead)
    assert (served(store) == artifact_id(ahead)) == is_served
    assert (branch_of(store, ahead) == MAIN) == is_served
    assert ["ahead of this server's clock" in each for each in told] == ([] if is_served else [True])


def test_a_writer_may_follow_what_is_further_ahead_by_a_millisecond(store: Store) -> None:
    far = checkin(FIRST_ID, ahead_ms=200_000, user="ops")
    pushed(store, "ops", SECOND, far)
    step = checkin(artifact_id(far), ahead_ms=200_001, text=FIRST)
    pushed(store, "eve", step)
    assert served(store) == artifact_id(step)
    leap = checkin(artifact_id(step), ahead_ms=200_003)
    assert "over 60 seconds ahead" in pushed(store, "eve", leap)[0]
    assert served(store) == artifact_id(step)


def test_what_is_appended_for_a_merge_is_not_dated_further_ahead_than_a_push_may_be(store: Store) -> None:
    winner, loser = checkin(FIRST_ID), checkin(FIRST_ID, ahead_ms=-900)
    pushed(store, "ann", SECOND, winner)
    pushed(store, "ann", loser)
    last = checkin(artifact_id(loser), artifact_id(winner), ahead_ms=MAX_PUSHED_AHEAD_MS)
    pushed(store, "ann", last)
    assert served(store) == artifact_id(winner)
    good = checkin(artifact_id(loser), artifact_id(winner), ahead_ms=MAX_PUSHED_AHEAD_MS - 1, text=FIRST)
    pushed(store, "ann", good)
    with store.reader() as reader:
        placed = places.placed(reader, served(store))
    assert placed is not None
    assert placed.parents == (artifact_id(winner), artifact_id(good))
    assert placed.date_ms == NOW + MAX_PUSHED_AHEAD_MS


@pytest.mark.parametrize("prefix", ["+", "*", "-"])
@pytest.mark.parametrize("name", ["user", "comment"])
def test_what_a_published_check_in_says_is_changed_by_administrators_and_its_text_by_its_pusher(
    store: Store, name: str, prefix: str
) -> None:
    edit = control(Tag(prefix, name, FIRST_ID, None if prefix == "-" else "forged"))
    assert "not yours" in pushed(store, "eve", edit)[0]
    assert logged(store, FIRST_ID).author == "ann"
    assert (pushed(store, "ann", edit) == []) == (name == "comment")
    other = Control(NOW + 1, (Tag("+", name, FIRST_ID, "put right"),), "ops").encode()
    assert pushed(store, "ops", other) == []
    assert "put right" in (logged(store, FIRST_ID).author, logged(store, FIRST_ID).comment)


def test_words_of_a_check_in_that_waits_are_its_pushers_too(store: Store) -> None:
    bad = checkin(FIRST_ID, text=INVALID)
    pushed(store, "ann", INVALID, bad)
    for name in ("user", "comment"):
        assert "not yours" in pushed(store, "eve", control(Tag("+", name, artifact_id(bad), "forged")))[0]
        assert pushed(store, "ann", control(Tag("+", name, artifact_id(bad), "mine"))) == []


def test_a_check_in_of_no_zone_may_be_edited_by_writers_as_ever(store: Store) -> None:
    other = checkin(text=FIRST, branch="trunk")
    pushed(store, "ann", other)
    assert pushed(store, "eve", control(Tag("+", "comment", artifact_id(other), "typo"))) == []


SPELLINGS = [
    "Example.com/main", "example.com/MAIN", "example.com./main", "example.com/main.", r"ex\097mple.com/main",
    "example.com/%6dain", "\uff45xample.com/main", "example.com\uff0fmain",
    "\u0435xample.com/main", "example.com/m\u0430in", "example\u3002com/main", "exa\u200bmple.com/main",
    "example.com//main", "e\u0301xample.com/main", "example.com/ main",
]  # fmt: skip


@pytest.mark.parametrize("name", SPELLINGS)
def test_no_tag_shadows_a_branch_of_a_zone_in_another_spelling(store: Store, name: str) -> None:
    (told,) = pushed(store, "eve", control(Tag("*", f"sym-{name}", FIRST_ID, None)))
    assert f"would be taken for the branch {MAIN}" in told
    hidden = checkin(text=FIRST, branch="trunk", tags=[Tag("+", f"sym-{name}", None, None)])
    assert "would be taken for" in pushed(store, "eve", hidden)[0]
    assert branch_of(store, hidden) is None


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_branch_that_shadows_one_is_moved_to_a_fork_of_that(store: Store, name: str) -> None:
    begins = checkin(FIRST_ID, branch=name, user="eve", tags=[Tag("-", f"sym-{MAIN}", None, None)])
    follows = checkin(artifact_id(begins), text=FIRST, user="eve", ahead_ms=-500)
    (told,) = pushed(store, "eve", SECOND, begins, follows)
    fork = f"{MAIN}-fork-{artifact_id(begins)[:16]}"
    assert f"fossil update {MAIN}; fossil merge {fork}" in told
    assert (branch_of(store, begins), branch_of(store, follows), served(store)) == (fork, fork, FIRST_ID)
    assert logged(store, artifact_id(begins)).tags == ()


@pytest.mark.parametrize(
    "name",
    [
        "example.com/main2",
        "example.co/main",
        "example.com/v1",
        "feature/caf\u00e9",
        "b\u00fccher.example/main",
    ],
)
def test_other_names_are_taken(store: Store, name: str) -> None:
    assert pushed(store, "eve", control(Tag("+", f"sym-{name}", FIRST_ID, None))) == []


def test_a_check_in_cannot_name_itself_a_branch_of_a_zone_that_it_is_not_on(store: Store) -> None:
    weapon = checkin(text=FIRST, branch="trunk", tags=[Tag("+", f"sym-{MAIN}", None, None)])
    assert "may move the branch name" in pushed(store, "eve", weapon)[0]
    fair = checkin(FIRST_ID, tags=[Tag("+", f"sym-{MAIN}", None, None)])
    assert pushed(store, "eve", SECOND, fair) == []
    assert served(store) == artifact_id(fair)


def test_artifacts_named_by_sha1_come_from_administrators_alone(store: Store) -> None:
    content = b"one of two\n"
    name = ArtifactId(hashlib.sha1(content).hexdigest())
    (told,) = pushed(store, "eve", File(name, content))
    assert "only an administrator may bring a history that has SHA1 names" in told
    whole = b"of a longer text " * 40
    change = delta.create(whole, whole + content)
    assert change is not None
    other = ArtifactId(hashlib.sha1(whole + content).hexdigest())
    assert "is not taken" in pushed(store, "eve", File(other, change, artifact_id(whole)))[0]
    with store.reader() as reader:
        assert not reader.has(name)
        assert reader.rid(other) is None
    assert asked(store, by("eve", PUSH, IGot(name)), None) == []
    assert pushed(store, "ops", File(name, content)) == []
    with store.reader() as reader:
        assert reader.content(name) == content


def test_a_check_in_that_waited_aside_cannot_take_a_branchs_name_when_its_source_comes(store: Store) -> None:
    shadow = checkin(FIRST_ID, branch=f"{ZONE}/own", tags=[Tag("*", "sym-Example.com/main", None, None)])
    source = shadow + b"x"
    change = delta.create(source, shadow)
    assert change is not None
    pushed(store, "eve", SECOND, File(artifact_id(shadow), change, artifact_id(source)))
    pushed(store, "ann", source)
    with store.reader() as reader:
        assert not reader.has(artifact_id(shadow))
    (told,) = pushed(store, "eve", shadow)
    assert "would be taken for the branch example.com/main" in told


def test_before_anything_is_served_writers_may_bring_sha1_names(tmp_path: Path) -> None:
    """A history from before 2017 is brought by whoever founds the zone."""
    old = b"a file of long ago\n"
    name = ArtifactId(hashlib.sha1(old).hexdigest())
    with Store.create(tmp_path / "fresh.xferzone", PROJECT) as store:
        with store.writer() as writer:
            accounts.put_user(writer, "ann", "pw", "gi")
        assert pushed(store, "ann", File(name, old)) == []
        with store.reader() as reader:
            assert reader.has(name)


def test_what_the_artifacts_of_a_request_make_is_bounded(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xferzone.sync.server.taking.MAX_EXPANDED", 3_000)
    source = bytes(1_000)
    deltas = [File(artifact_id(made), delta.create(source, made) or b"", artifact_id(source))
              for made in (source + b"%d" % number for number in range(3))]  # fmt: skip
    assert sum(len(each.payload) for each in deltas) < 300
    (told,) = pushed(store, "eve", source, *deltas)
    assert f"with {deltas[1].artifact} the artifacts of a request have over 3000 bytes" in told
    assert pushed(store, "eve", source, deltas[0]) == []


def test_controls_that_waited_behind_large_artifacts_are_refused_in_whatever_batch_they_come(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each hangs on an artifact that fills what is held at a time, and these on a source that somebody else brings."""
    monkeypatch.setattr("xferzone.store.incoming.MAX_HELD", 100_000)
    source, cards, controls = bytes(range(256)) * 10, [], []
    for number in (40, 41):
        large = source * number
        tag = Tag("+", "closed", FIRST_ID, str(number))
        controls.append(control(tag))
        for made, on in ((large, source), (controls[-1], large)):
            cards.append(File(artifact_id(made), delta.create(on, made) or b"", artifact_id(on)))
    assert pushed(store, "eve", *cards) == []
    assert pushed(store, "ann", source) == []
    with store.reader() as reader:
        assert all(reader.has(card.artifact) for card in cards[::2])
        assert not any(reader.has(artifact_id(each)) for each in controls)
    for each in controls:
        assert "only an administrator may set the tag closed" in pushed(store, "eve", each)[0]
