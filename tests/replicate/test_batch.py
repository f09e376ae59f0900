"""Bodies with many artifacts: round trips, and any damage is the peer's fault or is noticed by a hash."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xferzone.errors import PeerError
from xferzone.hashing import ArtifactId, artifact_id
from xferzone.replicate import batch
from xferzone.replicate.batch import Arriving, Unsent, Why
from xferzone.store.incoming import Received

Record = Received | Unsent

names = st.one_of(st.binary(max_size=4).map(artifact_id), st.sampled_from([ArtifactId("0f" * 20)]))
payloads = st.binary(max_size=300)


@st.composite
def records(draw: st.DrawFn) -> list[Record]:
    found: list[Record] = []
    known = draw(st.lists(names, unique=True, max_size=8))
    for name in known:
        what = draw(st.sampled_from(("whole", "near", "far", *Why)))
        others = [each for each in known if each != name]
        if isinstance(what, Why):
            found.append(Unsent(name, what))
        elif what == "near" and others:
            found.append(Received(name, draw(st.sampled_from(others)), draw(payloads)))
        elif what == "far":
            source = draw(names.filter(lambda each: each not in known))
            found.append(Received(name, source, draw(payloads)))
        else:
            found.append(Received(name, None, draw(payloads)))
    return found


def asked(found: list[Record]) -> list[ArtifactId]:
    return [each.artifact for each in found]


def encoded(found: list[Record], *, is_named: bool, more: str = "") -> bytes:
    places = {name: at for at, name in enumerate(asked(found))}
    made = [batch.MAGIC]
    for at, each in enumerate(found):
        own = batch.named(each.artifact) if is_named else b""
        if isinstance(each, Unsent):
            made.append(batch.unsent(each.why, own))
        elif each.source is None:
            made.append(batch.whole(each.payload, own))
        elif each.source in places and not is_named:
            made.append(batch.near(places[each.source] - at, each.payload))
        else:
            made.append(batch.far(each.source, each.payload, own))
    return b"".join([*made, batch.end(more)])


def pieces(octets: bytes, size: int) -> list[bytes]:
    return [octets[start : start + size] for start in range(0, len(octets), size)]


@given(records(), st.integers(1, 400))
def test_a_batch_reads_back_in_whatever_pieces_it_comes(found: list[Record], size: int) -> None:
    octets = encoded(found, is_named=False)
    assert list(Arriving(pieces(octets, size)).records(asked(found))) == found


@given(records(), st.integers(1, 400), st.sampled_from(("", "+7", f"{'0' * 64}.12.q")))
def test_a_pull_reads_back_with_its_cursor(found: list[Record], size: int, more: str) -> None:
    arriving = Arriving(pieces(encoded(found, is_named=True, more=more), size))
    assert list(arriving.pulled()) == found
    assert arriving.more == more


@given(records(), st.booleans())
def test_a_body_cut_anywhere_is_the_peers_fault(found: list[Record], is_named: bool) -> None:
    octets = encoded(found, is_named=is_named)
    for end in range(len(octets)):
        arriving = Arriving([octets[:end]])
        with pytest.raises(PeerError):
            list(arriving.pulled() if is_named else arriving.records(asked(found)))


@given(records(), st.booleans(), st.integers(1, 255))
def test_an_octet_changed_anywhere_never_surprises(found: list[Record], is_named: bool, change: int) -> None:
    octets = encoded(found, is_named=is_named)
    for at in range(len(octets)):
        damaged = octets[:at] + bytes([octets[at] ^ change]) + octets[at + 1 :]
        arriving = Arriving([damaged])
        try:
            read = list(arriving.pulled() if is_named else arriving.records(asked(found)))
        except PeerError:
            continue
        assert all(isinstance(each, Received | Unsent) for each in read)


@given(records(), st.binary(min_size=1, max_size=5))
def test_what_follows_the_end_is_refused(found: list[Record], rest: bytes) -> None:
    octets = encoded(found, is_named=False) + rest
    with pytest.raises(PeerError):
        list(Arriving(pieces(octets, 7)).records(asked(found)))


@given(records())
def test_more_or_fewer_records_than_were_asked_for_are_refused(found: list[Record]) -> None:
    whole: list[Record] = [Received(artifact_id(b"one more"), None, b"one more")]
    with pytest.raises(PeerError):
        list(Arriving([encoded([*found, *whole], is_named=False)]).records(asked(found)))
    with pytest.raises(PeerError):
        list(Arriving([encoded(found, is_named=False)]).records(asked([*found, *whole])))


@pytest.mark.parametrize(
    "octets",
    [
        b"w" + b"\xff\xff\xff\xff\xff\x01",  # a number of six octets
        b"w" + batch.number(64 * 1024 * 1024 + 1),  # larger than any artifact
        b"d" + batch.number(0) + batch.number(1) + b"x",  # of itself
        b"d" + batch.number(1 << 1) + batch.number(1) + b"x",  # of a record behind the last
        b"d" + batch.number(1 << 1 | 1) + batch.number(1) + b"x",  # of a record before the first
        b"e" + b"g" * 64 + b"\n" + batch.number(1) + b"x",  # of what is not a hash
        b"q",  # no kind
    ],
)
def test_a_malformed_record_is_refused(octets: bytes) -> None:
    with pytest.raises(PeerError):
        list(Arriving([batch.MAGIC + octets + batch.end()]).records([artifact_id(b"one")]))


@given(st.integers(0, 2**35 - 1))
def test_a_number_reads_back(value: int) -> None:
    octets = batch.number(value)
    assert len(octets) <= 5
    assert sum((octet & 0x7F) << 7 * place for place, octet in enumerate(octets)) == value
