"""Zones that take long to compile are compiled while others may write."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.exchange.test_publishing import ENV, SECOND, asked, checkin, moves, push, served
from tests.live import within
from tests.publish.project import NOW, zone_text
from tests.sync.rounds import PROJECT
from xferzone.artifacts import CheckIn, FileCard
from xferzone.cards import Message, parse_cards
from xferzone.cards.body import UNCOMPRESSED
from xferzone.env import Env
from xferzone.exchange import Terms, answer
from xferzone.exchange.publishing import Later, publish_in_parts
from xferzone.hashing import artifact_id
from xferzone.publish import served as compiling
from xferzone.publish.ahead import LARGE, Ahead
from xferzone.publish.plan import Liberties
from xferzone.publish.publish import publish, publish_part
from xferzone.refs import BranchName, Door, LocalRefs, Occasion, indexes
from xferzone.store import Store, accounts, schema, unsent
from xferzone.transport import Body
from xferzone.zone import cut
from xferzone.zone.compile import Compiled, Task, compile_zone
from xferzone.zonefile import names
from xferzone.zonefile.text import parse
from xferzone.zonefile.whole import joined

OCCASION = Occasion(NOW, "ann", Door.PUSH)
PADDING = [f'text{number} 300 TXT "{"x" * 250}"' for number in range(LARGE // 250)]
WRONG = ["www 300 CNAME a", "www 300 A 192.0.2.2"]
HAND_WRITTEN = zone_text(*PADDING)
GENERATED = zone_text("$generate 1-300 h$ 60 A 192.0.2.1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.create(tmp_path / "z.xferzone", PROJECT) as store:
        with store.writer() as writer:
            accounts.put_user(writer, "ann", "pw", "gi")
        yield store


def watched(monkeypatch: pytest.MonkeyPatch, look: Callable[[], object]) -> list[object]:
    """What `look` has found whenever a whole zone was compiled."""
    found: list[object] = []

    def compiled(task: Task) -> Compiled:
        found.append(look())
        return compile_zone(task)

    monkeypatch.setattr(compiling, "compile_zone", compiled)
    return found


def in_a_thread(work: Callable[[Store], object], store: Store) -> bool:
    """Whether another writer's work ends while this thread waits for it."""
    ended = threading.Event()

    def run() -> None:
        with Store.open(store.path) as other:
            work(other)
        ended.set()

    threading.Thread(target=run, daemon=True).start()
    return within(20, ended.is_set)


def write(store: Store) -> None:
    with store.writer() as writer:
        writer.put(b"meanwhile")


def put(store: Store, *contents: bytes) -> None:
    with store.writer() as writer:
        for content in contents:
            writer.put(content)


def told(store: Store, *contents: bytes) -> list[str]:
    return [card.text for card in asked(store, push(*contents), None) if isinstance(card, Message)]


def by_a_request(store: Store) -> None:
    asked(store, push(b"of no zone"), None)


def by_the_thread(store: Store) -> None:
    later = Later(store.path, ENV)
    later.soon()
    later.close()


def by_a_server_that_starts(store: Store) -> None:
    assert list(publish_in_parts(store, OCCASION, ENV)) == []


@pytest.mark.parametrize("text", [HAND_WRITTEN, GENERATED], ids=["many bytes", "many records of few bytes"])
@pytest.mark.parametrize("publishing", [by_a_request, by_the_thread, by_a_server_that_starts])
def test_a_large_zone_is_compiled_while_others_write(
    store: Store, monkeypatch: pytest.MonkeyPatch, publishing: Callable[[Store], None], text: bytes
) -> None:
    put(store, text, checkin(text))
    wrote = watched(monkeypatch, lambda: in_a_thread(write, store))
    publishing(store)
    assert wrote == [True]
    assert served(store) == artifact_id(checkin(text))


def test_a_large_file_beside_one_that_is_compiled_is_compiled_while_others_write(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(store, SECOND, checkin(SECOND))
    large = "".join(f"{line}\n" for line in PADDING).encode()
    after = version(1, checkin(SECOND), {"example.com.zone": SECOND, "example.com.zone.d/text.zone": large})
    wrote = watched(monkeypatch, lambda: in_a_thread(write, store))
    assert told(store, large, after) == []
    assert wrote == [True]
    assert served(store) == artifact_id(after)


def version(number: int, parent: bytes, files: dict[str, bytes]) -> bytes:
    """A check-in on another one, dated `number` seconds after the first."""
    return CheckIn(
        comment="x",
        date_ms=1_700_000_000_000 + 1_000 * number,
        user="ann",
        files=tuple(FileCard(name, artifact_id(content)) for name, content in files.items()),
        parents=(artifact_id(parent),),
    ).encode()


def test_a_large_zone_that_is_invalid_is_told_as_a_small_one(store: Store) -> None:
    large, small = zone_text(*WRONG, *PADDING), zone_text(*WRONG)
    (of_large,) = told(store, large, checkin(large))
    (of_small,) = told(store, small, checkin(small, zone="example.net"))
    name = artifact_id(checkin(large))[:16], artifact_id(checkin(small, zone="example.net"))[:16]
    assert of_large.replace(name[0], name[1]).replace("example.com", "example.net") == of_small
    assert "is kept but not served" in of_large


def test_whoever_pushes_large_versions_that_are_invalid_is_told_however_long_they_take(store: Store) -> None:
    """The clock goes on by four seconds with each look."""
    seconds = iter(range(0, 10**6, 4))
    slow = Env(clock_ms=lambda: NOW, monotonic=lambda: float(next(seconds)))
    one, two = (zone_text(*WRONG, *PADDING, serial=number) for number in (1, 2))
    first = checkin(one)
    after = version(1, first, {"example.com.zone": two})
    later = Later(store.path, ENV)
    reply = answer(store, Body.of(UNCOMPRESSED, push(one, two, first, after)), Terms(env=slow, later=later))
    with reply.body:
        texts = [card.text for card in parse_cards(reply.octets()) if isinstance(card, Message)]
    later.close()
    assert sum("is kept but not served" in text for text in texts) == 2


def test_what_another_process_publishes_meanwhile_stands(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish_all(other: Store) -> None:
        with other.writer() as writer:
            publish(writer, LocalRefs(writer), OCCASION)

    done: list[bool] = []

    def once() -> None:
        if not done:
            done.append(True)
            done.append(in_a_thread(publish_all, store))

    watched(monkeypatch, once)
    assert told(store, HAND_WRITTEN, checkin(HAND_WRITTEN)) == []
    assert done == [True, True]
    assert moves(store) == [("example.com", "ann", Door.PUSH)]


def test_what_another_process_finds_invalid_meanwhile_is_told_to_its_sender(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    others: list[str] = []

    def publish_all(other: Store) -> None:
        others.extend(publish_in_parts(other, Occasion(NOW, "bob", Door.PUSH), ENV))

    looked: list[bool] = []

    def once() -> None:
        if not looked:
            looked.append(True)
            looked.append(in_a_thread(publish_all, store))

    watched(monkeypatch, once)
    large = zone_text(*WRONG, *PADDING)
    (notice,) = told(store, large, checkin(large))
    assert looked == [True, True]
    assert "is kept but not served" in others[0]
    name = artifact_id(checkin(large))[:16]
    assert notice.startswith(f"example.com/main: check-in {name} is not served: example.com.zone line ")


def test_versions_that_were_not_looked_at_are_told_in_one_line(store: Store) -> None:
    texts = [zone_text(*WRONG, serial=number) for number in range(1, 31)]
    line = [checkin(texts[0])]
    for number, text in enumerate(texts[1:], 1):
        line.append(version(number, line[-1], {"example.com.zone": text}))
    assert sum("not looked at" in notice for notice in told(store, *texts, *line)) == 1


def test_a_process_that_dies_before_the_next_part_leaves_it_to_another(store: Store) -> None:
    put(store, HAND_WRITTEN, checkin(HAND_WRITTEN))
    for number in range(3):
        ahead = Ahead()
        if number == 2:
            part(store, ahead)
            compiling.compile_wanted(store, ahead)
        assert part(store, ahead) == (number == 2)
        assert (served(store) is not None) == (number == 2)


def part(store: Store, ahead: Ahead) -> bool:
    with store.writer() as writer:
        made = publish_part(writer, LocalRefs(writer), OCCASION, bool, Liberties(ahead=ahead))
    return made.is_all


def test_of_many_large_versions_that_are_invalid_a_few_are_compiled(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = [checkin(SECOND)]
    told(store, SECOND, *line)
    texts = [zone_text(*WRONG, *PADDING, serial=number) for number in range(15)]
    for number, text in enumerate(texts, 1):
        line.append(version(number, line[-1], {"example.com.zone": text}))
    compiled = watched(monkeypatch, lambda: None)
    put(store, *texts, *line)
    by_a_request(store)
    assert len(compiled) == 5  # the last one, then half of the line each time
    assert served(store) == artifact_id(line[0])


def cut_zone(serial: int) -> dict[str, bytes]:
    """A large zone in files as the rule cuts it; only the serial differs."""
    whole = parse(zone_text(*PADDING, serial=serial), names.zone_name("example.com"))
    return dict(cut.cut("example.com", whole.records, joined({"": whole}).default))


def test_of_a_large_zone_in_files_only_what_is_new_is_compiled(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = cut_zone(3), cut_zone(4)
    assert len(one) > 2
    first = version(1, checkin(SECOND), one)
    after = version(2, first, two)
    told(store, SECOND, checkin(SECOND))
    put(store, *one.values(), *two.values(), first)
    by_a_request(store)
    assert served(store) == artifact_id(first)
    whole = watched(monkeypatch, lambda: None)
    assert told(store, after) == []
    assert whole == []
    assert served(store) == artifact_id(after)


def test_indexes_that_go_before_the_next_part_are_made_again(store: Store) -> None:
    one, two = cut_zone(3), cut_zone(4)
    first = version(1, checkin(SECOND), one)
    after = version(2, first, two)
    told(store, SECOND, checkin(SECOND))
    put(store, *one.values(), *two.values(), first)
    by_a_request(store)
    put(store, after)
    ahead = Ahead()
    assert not part(store, ahead)
    compiling.compile_wanted(store, ahead)
    with store.writer() as writer:
        indexes.sweep(writer, "example.com", set())
    assert part(store, ahead)
    with store.reader() as reader:
        ref = LocalRefs(reader).get(BranchName("example.com", "main"))
        assert ref is not None
        assert ref.checkin == artifact_id(after)
        assert len(indexes.of_files(reader, "example.com", map(artifact_id, two.values()))) == len(two)


def test_in_a_clone_what_was_made_there_is_published_at_once(store: Store) -> None:
    with store.writer() as writer:
        writer.set_setting("role", schema.CLONE)
        writer.put(HAND_WRITTEN)
        unsent.put_own(writer, checkin(HAND_WRITTEN))
    assert part(store, Ahead())
    assert served(store) == artifact_id(checkin(HAND_WRITTEN))
