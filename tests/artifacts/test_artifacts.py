"""Structural artifacts against stock's verdicts and stock's own check-ins, both ways."""

import base64
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xferzone.artifacts import (
    MAX_STRUCTURAL,
    CheckIn,
    CherryPick,
    Cluster,
    Control,
    FileCard,
    Other,
    Tag,
    delta_files,
    grammar,
    hazard,
    parse,
    r_card,
    replaced,
)
from xferzone.artifacts.checkin import parse_checkin, parse_files
from xferzone.artifacts.plain import files_below, plain_checkin
from xferzone.hashing import ArtifactId, is_named

FOLDER = Path(__file__).parents[1] / "vectors"


class Verdict(TypedDict):
    name: str
    artifact_b64: str
    sha3_256: str
    accepted: bool


class RCardFile(TypedDict):
    name: str
    hash: str
    content_b64: str


class RCard(TypedDict):
    checkin: str
    artifact_b64: str
    files: list[RCardFile]
    r_card: str


class ClusterRow(TypedDict):
    hash: str
    artifact_b64: str
    members: list[str]


VERDICTS: list[Verdict] = json.loads((FOLDER / "artifacts.json").read_bytes())
R_CARDS: list[RCard] = json.loads((FOLDER / "rcard.json").read_bytes())
CLUSTERS: list[ClusterRow] = json.loads((FOLDER / "cluster.json").read_bytes())

A, B, C = (ArtifactId(digit * 64) for digit in "abc")
NOON = 1_704_110_400_000  # 2024-01-01T12:00:00


def sealed(text: bytes) -> bytes:
    return text + b"Z " + hashlib.md5(text, usedforsecurity=False).hexdigest().encode() + b"\n"


def checkin(text: str) -> CheckIn:
    parsed = parse(sealed(text.encode("utf-8", "surrogateescape")))
    assert isinstance(parsed, CheckIn)
    return parsed


@pytest.mark.parametrize("row", VERDICTS, ids=lambda row: str(row["name"]))
def test_our_verdict_is_stocks(row: Verdict) -> None:
    content = base64.b64decode(row["artifact_b64"])
    assert is_named(ArtifactId(row["sha3_256"]), content)
    assert (parse(content) is not None) is row["accepted"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("minimal-checkin", CheckIn),
        ("control", Control),
        ("control-with-C", CheckIn),
        ("cluster", Cluster),
        ("pgp-wrapped", CheckIn),
        ("wiki", Other),
        ("ticket", Other),
        ("technote", Other),
        ("attachment", Other),
        ("forum", Other),
        ("forum-reply", Other),
    ],
)
def test_the_kind_follows_from_the_cards(name: str, kind: type[object]) -> None:
    (row,) = (row for row in VERDICTS if row["name"] == name)
    parsed = parse(base64.b64decode(row["artifact_b64"]))
    assert isinstance(parsed, kind)
    if isinstance(parsed, Other):
        assert parsed.kind == name.partition("-")[0]


@pytest.mark.parametrize("row", R_CARDS, ids=lambda row: str(row["checkin"])[:10])
def test_a_checkin_of_stock_is_read_and_written_again_to_the_byte(row: RCard) -> None:
    content = base64.b64decode(row["artifact_b64"])
    parsed = parse(content)
    assert isinstance(parsed, CheckIn)
    assert parsed.encode() == content
    assert [(file.name, file.id) for file in parsed.files] == [
        (file["name"], file["hash"]) for file in row["files"]
    ]


@pytest.mark.parametrize("row", R_CARDS, ids=lambda row: str(row["checkin"])[:10])
def test_the_r_card_of_stock(row: RCard) -> None:
    assert (
        r_card((file["name"], base64.b64decode(file["content_b64"])) for file in row["files"])
        == row["r_card"]
    )


def test_the_r_card_of_no_files() -> None:
    assert r_card([]) == "d41d8cd98f00b204e9800998ecf8427e"


@pytest.mark.parametrize("row", CLUSTERS, ids=lambda row: str(row["hash"])[:10])
def test_a_cluster_of_stock_is_read_and_written_again_to_the_byte(row: ClusterRow) -> None:
    content = base64.b64decode(row["artifact_b64"])
    parsed = parse(content)
    assert parsed == Cluster(tuple(map(ArtifactId, row["members"])))
    assert Cluster(tuple(map(ArtifactId, reversed(row["members"])))).encode() == content


def test_the_first_checkin_of_a_stock_repository() -> None:
    root = CheckIn(
        "initial empty check-in",
        NOON,
        "root",
        tags=(Tag("*", "sym-trunk"), Tag("*", "branch", None, "trunk")),
        r_card=r_card([]),
    )
    text = (
        b"C initial\\sempty\\scheck-in\nD 2024-01-01T12:00:00.000\nR d41d8cd98f00b204e9800998ecf8427e\n"
        b"T *branch * trunk\nT *sym-trunk *\nU root\n"
    )
    assert root.encode() == sealed(text)


def test_a_checkin_with_every_card() -> None:
    text = (
        f"B {A}\nC two\\nlines\\sand\\\\more\nD 2024-01-01T12:00:00.123\n"
        f"F a\\sb {A}\nF a! {B} x\nF gone\nF l {B} l\nF new {C} w old\\sname\nF x/y {C} x z\n"
        f"N text/plain\nP {B} {C}\nQ +{A}\nQ -{B} {C}\nR {'0' * 32}\n"
        f"T *branch * example.com/main\nT *sym-example.com/main *\nT +closed {B}\nT +note * a\\sb\nT -sym-old *\n"
        "U o.p\\ss\n"
    )
    parsed = checkin(text)
    assert parsed == CheckIn(
        comment="two\nlines and\\more",
        date_ms=NOON + 123,
        user="o.p s",
        files=(
            FileCard("a b", A),
            FileCard("a!", B, "x"),
            FileCard("gone", None),
            FileCard("l", B, "l"),
            FileCard("new", C, "", "old name"),
            FileCard("x/y", C, "x", "z"),
        ),
        parents=(B, C),
        baseline=A,
        tags=(
            Tag("*", "branch", None, "example.com/main"),
            Tag("*", "sym-example.com/main"),
            Tag("+", "closed", B),
            Tag("+", "note", None, "a b"),
            Tag("-", "sym-old"),
        ),
        cherrypicks=(CherryPick("+", A), CherryPick("-", B, C)),
        r_card="0" * 32,
        mimetype="text/plain",
    )
    assert parsed.encode() == sealed(text.encode())


def test_writing_sorts_by_octets_of_the_decoded_name() -> None:
    names = ["a b", "a!", "B", "a", "z", "é", "\uffff", "\U00010000", "\udcff", "a/b", "a-b"]
    made = CheckIn("x", NOON, "u", tuple(FileCard(name, A) for name in names)).encode()
    parsed = parse(made)
    assert isinstance(parsed, CheckIn)
    octets = [file.name.encode("utf-8", "surrogateescape") for file in parsed.files]
    assert octets == sorted(name.encode("utf-8", "surrogateescape") for name in names)


def test_what_a_checkin_leaves_out() -> None:
    assert checkin("D 2024-01-01T12:00:00\nR " + "0" * 32 + "\n") == CheckIn("", NOON, "", r_card="0" * 32)
    assert checkin("C \nD 2024-01-01T12:00:00\nU\n") == CheckIn("", NOON, "anonymous")
    assert checkin("C \nD 2024-01-01T12:00:00\nU \n").user == "anonymous"
    assert b"C (no\\scomment)\n" in CheckIn("", NOON, "u").encode()


def test_several_p_cards_are_one_list_of_parents() -> None:
    assert checkin(f"D 2024-01-01\nP {A}\nP {B} {A}\n").parents == (A, B, A)


def test_files_that_stock_would_not_keep_are_left_out() -> None:
    names = [
        "_FOSSIL_",
        "_fossil_-WAL",
        "a/.fslckout",
        "a/_FOSSIL_-journal",
        "b",
        "b/.FSLCKOUT-shm",
        "c_FOSSIL_",
    ]
    text = "C x\nD 2024-01-01\n" + "".join(f"F {name} {A}\n" for name in names)
    assert [file.name for file in checkin(text).files] == ["b", "c_FOSSIL_"]
    assert parse(sealed(f"D 2024-01-01\nF _FOSSIL_ {A}\nU x\n".encode())) is None


@pytest.mark.parametrize(
    "cards",
    [
        [f"a {A}", f"b {B} x", f"c\\sd {C}", f"\u00e9/f {A} w old"],
        [f"a {A}", f".fslckout {B}", f"b {C}"],
        [f"_FOSSIL_ {A}", f"d/_fossil_-journal {B}"],
        [f"b {A}", f"_FOSSIL_ {B}", f"c {C}"],
        [f"_FOSSIL_ {A}", f"_FOSSIL_ {B}", f"a {C}"],
        [f"b {A}", f"a {B}"],
        [f"a {A}", f"a {A}"],
        [f"a {A[:30]}"],
        [f"../a {A}"],
        [f"a {A} x b c"],
    ],
    ids=[
        "unusual",
        "reserved",
        "reserved-alone",
        "reserved-behind",
        "reserved-twice",
        "out-of-order",
        "twice",
        "no-id",
        "no-path",
        "too-many",
    ],
)
def test_the_files_of_a_long_checkin_are_read_as_those_of_a_short_one(cards: list[str]) -> None:
    own = [card.encode() for card in cards]
    before = [b"!%03d %s" % (number, B.encode()) for number in range(200)]
    single = [file for card in before for file in parse_files([card], delta=False)]
    for _ in range(2):
        try:
            expected = (*single, *parse_files(own, delta=False))
        except ValueError:
            with pytest.raises(ValueError):  # noqa: PT011 any of them will do
                parse_files([*before, *own], delta=False)
        else:
            assert parse_files([*before, *own], delta=False) == expected


def test_the_file_cards_of_a_checkin_end_where_another_card_begins() -> None:
    """Between the F cards is nothing else, whatever it looks like."""
    lines = [f"F {number:03} {A}" for number in range(30)]
    text = "C x\nD 2024-01-01T00:00:00\n{}U u\n"
    whole = text.format("".join(f"{line}\n" for line in lines))
    assert len(checkin(whole).files) == 30
    for number, line in enumerate(lines[1:], 1):
        for bad in (f"G {line[2:]}", "F", "F ", "", line.replace("F ", "F\0"), f"P {B}"):
            damaged = text.format(
                "".join(f"{each}\n" for each in [*lines[:number], bad, *lines[number + 1 :]])
            )
            octets = sealed(damaged.encode())
            short = verdict(plain_checkin, octets)
            long = verdict(lambda read: parse_checkin(grammar.read(read)), octets)
            assert short is None or short == long


some_files = st.lists(
    st.builds(
        FileCard,
        st.sampled_from("abcd"),
        st.sampled_from((A, B)),
        st.just(""),
        st.sampled_from((None, "a", "b")),
    ),
    max_size=4,
    unique_by=lambda card: card.name,
).map(lambda cards: sorted(cards, key=lambda card: card.name))


@given(some_files, some_files, st.booleans())
def test_what_a_checkin_replaced_is_what_it_changed(
    older: list[FileCard], newer: list[FileCard], is_shared: bool
) -> None:
    known = {card: card for card in older} if is_shared else {}
    was = {card.name: card.id for card in older}
    expected = [
        (was[card.old_name or card.name], card.id)
        for card in newer
        if card not in older and was.get(card.old_name or card.name, card.id) != card.id
    ]
    before = CheckIn("x", 0, "u", tuple(older))
    assert replaced(before, CheckIn("x", 1, "u", tuple(known.get(card, card) for card in newer))) == expected


def test_long_checkins_that_say_the_same_share_their_files() -> None:
    cards = [b"dir/%03d %s" % (number, B.encode()) for number in range(200)]
    one, other = (parse_files(list(map(bytes, map(bytearray, cards))), delta=False) for _ in range(2))
    assert all(a is b for a, b in zip(one, other, strict=True))


def test_an_escaped_nul_ends_a_text_as_in_c() -> None:
    parsed = checkin(f"C a\\0b\nD 2024-01-01\nF n\\0m {A}\nT +x\\0y * v\\0w\nU u\\0\n")
    assert (parsed.comment, parsed.files[0].name, parsed.user) == ("a", "n", "u")
    assert parsed.tags == (Tag("+", "x", None, "v"),)
    assert parse(sealed(f"C x\nD 2024-01-01\nF n\\0a {A}\nF n\\0b {A}\n".encode())) is None


def test_upper_case_is_kept_and_names_nothing() -> None:
    parsed = checkin(f"C x\nD 2024-01-01\nF a {'A' * 64}\nP {'B' * 40}\n")
    assert parsed.files[0].id == "A" * 64
    assert parsed.parents == ("B" * 40,)


def test_tags_of_a_control_artifact() -> None:
    control = Control(
        NOON, (Tag("+", "sym-b", B), Tag("*", "x", B, ""), Tag("-", "a z", A), Tag("+", "sym-b", A)), "u"
    )
    text = f"D 2024-01-01T12:00:00.000\nT *x {B} \nT +sym-b {A}\nT +sym-b {B}\nT -a\\sz {A}\nU u\n".encode()
    assert control.encode() == sealed(text)
    parsed = parse(sealed(text))
    assert isinstance(parsed, Control)
    assert set(parsed.tags) == set(control.tags)
    assert (parsed.date_ms, parsed.user) == (NOON, "u")


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (CheckIn("x", NOON, "u", (FileCard("/a", A),)), "is not the name of a file"),
        (CheckIn("x", NOON, "u", (FileCard("a/../b", A),)), "is not the name of a file"),
        (CheckIn("x", NOON, "u", (FileCard("", A),)), "is not the name of a file"),
        (CheckIn("x", NOON, "u", (FileCard("a", A), FileCard("a", B))), "two files with one name"),
        (CheckIn("x", NOON, "u", (FileCard("a", None),)), "has no content, and there is no baseline"),
        (CheckIn("x", NOON, "u", (FileCard("a\0", A),)), "is not the name of a file"),
        (CheckIn("x", NOON, "u", (FileCard("a/.fslckout", A),)), "is not the name of a file"),
        (CheckIn("x", NOON, "u", tags=(Tag("+", "beef"),)), "is not the name of a tag"),
        (CheckIn("x", NOON, "u", tags=(Tag("+", ""),)), "is not the name of a tag"),
        (CheckIn("x", NOON, "u", tags=(Tag("", "x"),)), "is not the name of a tag"),
        (
            CheckIn("x", NOON, "u", tags=(Tag("+", "x"), Tag("+", "x", None, "v"))),
            "one tag twice on one target",
        ),
        (CheckIn("x", NOON, ""), "an artifact needs a user"),
        (CheckIn("x", 10**17, "u"), "outside the years 1 to 9999"),
        (Control(NOON, (), "u"), "needs a target, and there must be one"),
        (Control(NOON, (Tag("+", "x"),), "u"), "needs a target, and there must be one"),
        (Cluster(()), "a cluster without members"),
    ],
)
def test_what_no_reader_would_take_is_not_written(made: CheckIn | Control | Cluster, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        made.encode()


@pytest.mark.parametrize("kind", [b"PGP", b"SSH"])
def test_a_signature_is_taken_off(kind: bytes) -> None:
    inner = sealed(b"C x\nD 2024-01-01\nU u\n")
    head, tail = b"-----BEGIN %s SIGNED MESSAGE-----\n" % kind, b"-----BEGIN %s SIGNATURE-----\nx\n" % kind
    assert parse(head + b"\n" + inner + tail) == parse(inner)
    assert parse(head + b"Hash: SHA256\n\n" + inner + tail) == parse(inner)
    assert parse(head + b"\n" + inner) == parse(inner)
    assert parse(head[:-1] + b"\r\nHash: SHA1\r\nCharset: x\r\n\r\n" + inner + tail) == parse(inner)
    for other in (sealed(b"D 2024-01-01\nT +x %s\nU u\n" % A.encode()), sealed(b"M %s\n" % A.encode())):
        assert parse(head + b"\n" + other + tail) == parse(other) is not None
    assert parse(head + b"\n" + inner + tail[:25] + b"x\n\n\n" + tail) is None
    assert parse(head + inner + tail) is None
    assert parse(head + b"\n\n" + inner + tail) is None
    assert parse(head) is None
    assert parse(head + b"\n" + tail) is None


@pytest.mark.parametrize("kind", [b"PGP", b"SSH"])
def test_a_signature_that_releases_of_stock_take_off_in_different_places_is_a_hazard(kind: bytes) -> None:
    """Otherwise one would see a tag where we, or another, see none."""
    inner = sealed(b"D 2024-01-01\nT +closed %s\nU u\n" % A.encode())
    head, tail = b"-----BEGIN %s SIGNED MESSAGE-----\n\n" % kind, b"-----BEGIN %s SIGNATURE-----\nx\n" % kind
    odd = b"-----BEGIN %s SIGNATURES\n" % kind
    for content in (head + inner + odd, head + inner + tail + odd):
        assert "different places" in (hazard(content, parse(content)) or "")
    for content in (head + inner + tail, head + b"text\n" + odd, inner, head + inner + tail + tail):
        assert hazard(content, parse(content)) is None
    assert parse(head + inner + odd) == parse(inner)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"Z",
        b"-",
        b"Z \n",
        b"C x\n",
        sealed(b""),
        b"@ 3600 SOA a b 1 2 3 4 5\n",
        sealed(b"C a\0b\nD 2024-01-01\n"),
    ],
)
def test_plain_blobs(content: bytes) -> None:
    assert parse(content) is None


def test_an_artifact_over_the_bound_is_a_plain_blob() -> None:
    for size, verdict in ((MAX_STRUCTURAL, True), (MAX_STRUCTURAL + 1, False)):
        padding = size - len(sealed(b"C \nD 2024-01-01\n"))
        assert (parse(sealed(b"C " + b"x" * padding + b"\nD 2024-01-01\n")) is not None) is verdict


def _sealed(text: bytes) -> bytes:
    return text + b"Z " + hashlib.md5(text, usedforsecurity=False).hexdigest().encode() + b"\n"


def _signed(content: bytes) -> bytes:
    end = b"-----BEGIN PGP SIGNATURE-----\nx\n-----END PGP SIGNATURE-----\n"
    return b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\n" + content + end


LOW, UP = b"a" * 40, b"A" * 40
DATED = b"D 2026-01-01T00:00:00\n"
UPPER = [
    b"C x\n" + DATED + b"F f %s\n" % UP,
    b"C x\n" + DATED + b"F a %s\nF f %s w old\n" % (LOW, b"0" * 63 + b"F"),
    b"B %s\nC x\n" % UP + DATED,
    b"C x\n" + DATED + b"P %s %s\n" % (LOW, UP),
    b"C x\n" + DATED + b"T +closed %s\n" % UP,
    DATED + b"T +closed %s\nU me\n" % UP,
    b"M %s\nM %s\n" % (UP, LOW),
    DATED + b"L x\nP %s\nU me\nW 1\na\n" % UP,
    DATED + b"G %s\nI %s\nU me\nW 1\na\n" % (LOW, UP),
]
PADDING = b"".join(b"T +pad%07d %s\n" % (number, LOW) for number in range(MAX_STRUCTURAL // 55 + 1))


def harm(content: bytes) -> str | None:
    return hazard(content, parse(content))


@pytest.mark.parametrize(
    ("date", "is_last"), [(b"9999-12-31T23:59:59.999", True), (b"9999-12-31T23:59:59.998", False)]
)
def test_a_check_in_that_nothing_can_be_dated_after_is_a_hazard(date: bytes, is_last: bool) -> None:
    content = _sealed(b"C x\nD %s\nP %s\nU me\n" % (date, LOW))
    assert isinstance(parse(content), CheckIn)
    assert (harm(content) is not None) == is_last


@pytest.mark.parametrize("text", UPPER)
@pytest.mark.parametrize("wrap", [bytes, _signed])
def test_ids_in_upper_case_are_a_hazard(text: bytes, wrap: Callable[[bytes], bytes]) -> None:
    content = wrap(_sealed(text))
    assert parse(content) is not None
    assert harm(content) == "it names artifacts in upper case"
    assert harm(wrap(_sealed(text.lower()))) is None  # no card any more: a plain blob
    assert (
        harm(wrap(_sealed(text.replace(b"A", b"a").replace(b"F\n", b"f\n").replace(b"F w", b"f w")))) is None
    )


@pytest.mark.parametrize("wrap", [bytes, _signed])
def test_what_stock_takes_for_cards_and_we_do_not_is_a_hazard(wrap: Callable[[bytes], bytes]) -> None:
    long = wrap(_sealed(DATED + PADDING + b"U me\n"))
    null = wrap(_sealed(DATED + b"T +closed\0%s\nU me\n" % LOW))
    for content, reason in ((long, "longer than"), (null, "a NUL")):
        assert parse(content) is None
        assert reason in (harm(content) or "")
        # One octet off, and it is a plain blob for everybody.
        assert harm(content.replace(b"\nU me", b"\nU you")) is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        _sealed(b""),
        _sealed(b"no card\n"),
        _sealed(b"X of tomorrow\n"),
        _sealed(b"C x\n" + DATED + b"F FILE %s\nU %s\n" % (LOW, UP)),
        _sealed(DATED + b"T +x %s %s\nU me\n" % (LOW, UP)),
        _sealed(DATED + b"L x\nU me\nW 43\nP %s\n\n" % UP),
        _sealed(DATED + b"L x\nU me\nW 3\n\0\0\0\n"),
        bytes(MAX_STRUCTURAL + 1),
    ],
)
def test_all_else_is_none(content: bytes) -> None:
    assert harm(content) is None


def test_a_delta_manifest_changes_its_baseline() -> None:
    baseline = [FileCard("a", A), FileCard("b", B), FileCard("é", A, "x")]
    own = [FileCard("a", None), FileCard("b", C, "x", "a"), FileCard("aa", A), FileCard("never", None)]
    assert delta_files(baseline, own) == (
        FileCard("aa", A),
        FileCard("b", C, "x", "a"),
        FileCard("é", A, "x"),
    )
    assert delta_files(baseline, []) == tuple(baseline)
    assert delta_files([FileCard("z", None), FileCard("a", A)], []) == (FileCard("a", A),)


ids = st.binary(min_size=20, max_size=20).map(lambda raw: ArtifactId(raw.hex())) | st.sampled_from([A, B, C])
texts = st.binary(max_size=12).map(lambda raw: raw.replace(b"\0", b"").decode("utf-8", "surrogateescape"))
words = st.text("abz-/. _é\\\n", min_size=1, max_size=6)
names = words.filter(lambda name: all(part not in ("", ".", "..") for part in name.split("/")))
files = st.builds(FileCard, names, ids, st.sampled_from(["", "x", "l"]), st.none() | names)
tags = st.builds(
    Tag, st.sampled_from("*+-"), words.map(lambda name: "sym-" + name), st.none() | ids, st.none() | texts
)
checkins = st.builds(
    CheckIn,
    texts.map(lambda text: text or "x"),
    st.integers(-(10**13), 10**14),
    texts.map(lambda text: text or "u"),
    st.lists(files, max_size=6, unique_by=lambda file: file.name).map(tuple),
    st.lists(ids, max_size=3).map(tuple),
    st.none() | ids,
    st.lists(tags, max_size=4, unique_by=lambda tag: (tag.prefix, tag.name, tag.target)).map(tuple),
    st.lists(st.builds(CherryPick, st.sampled_from("+-"), ids, st.none() | ids), max_size=3).map(tuple),
    st.none() | st.just("0" * 32),
    st.none() | texts,
)


@given(checkins)
def test_any_checkin_comes_back(made: CheckIn) -> None:
    parsed = parse(made.encode())
    assert isinstance(parsed, CheckIn)
    assert parsed.encode() == made.encode()
    assert set(parsed.files) == set(made.files)
    assert set(parsed.tags) == set(made.tags)
    for field in ("comment", "date_ms", "user", "parents", "baseline", "r_card", "mimetype"):
        assert getattr(parsed, field) == getattr(made, field)


@given(checkins, st.data())
def test_damage_leaves_a_plain_blob_and_damage_under_a_new_seal_never_a_crash(
    made: CheckIn, data: st.DataObject
) -> None:
    content = bytearray(made.encode())
    place = data.draw(st.integers(0, len(content) - 1))
    patch = data.draw(st.binary(max_size=3))
    if content[place : place + len(patch)] != patch:
        content[place : place + len(patch)] = patch
        assert parse(bytes(content)) is None
        parse(sealed(bytes(content[:-35])))


plain_checkins = st.builds(
    CheckIn,
    texts.map(lambda text: text or "x"),
    st.integers(-(10**13), 10**14),
    texts.map(lambda text: text or "u"),
    st.lists(files, max_size=4, unique_by=lambda file: file.name).map(tuple),
    st.lists(ids, max_size=3).map(tuple),
    tags=st.lists(tags, max_size=3, unique_by=lambda tag: (tag.prefix, tag.name, tag.target)).map(tuple),
    r_card=st.none() | st.just("0" * 32),
)


@given(plain_checkins, st.data())
def test_the_short_way_to_read_a_checkin_leads_where_the_long_one_does(
    made: CheckIn, data: st.DataObject
) -> None:
    content = bytearray(made.encode())
    place = data.draw(st.integers(0, len(content) - 36))
    patch = data.draw(
        st.sampled_from([b"", b" ", b"\n", b"\0", b"F", b"P", b"T", b"A", b"9", b"\\", b"\nZ "])
    )
    content[place : place + len(patch)] = patch
    text = sealed(bytes(content[:-35]))
    short = verdict(plain_checkin, text)
    assert short is None or short == verdict(lambda octets: parse_checkin(grammar.read(octets)), text)


def verdict(read: Callable[[bytes], CheckIn | None], text: bytes) -> CheckIn | str | None:
    try:
        return read(text)
    except ValueError:
        return "none"


def test_nearly_every_checkin_is_read_the_short_way() -> None:
    by_id = ArtifactId("0" * 64)
    made = CheckIn("www moves", 1_700_000_000_000, "ops", (FileCard("example.com.zone", by_id),), (by_id,))
    assert plain_checkin(made.encode()) == made


@given(st.binary(max_size=100))
def test_any_octets_under_a_seal_are_an_artifact_or_a_plain_blob(octets: bytes) -> None:
    parse(octets)
    parse(sealed(b"C x\nD 2024-01-01\n" + octets))
    parse(sealed(b"D 2024-01-01\nL x\nU u\nW 3\n" + octets))


def test_the_files_below_a_name_are_those_that_a_parser_finds() -> None:
    one, two = ArtifactId("1" * 64), ArtifactId("2" * 40)
    names = ("a.zone", "a.zone.d/x.zone", "a.zonex", "b.zone", "\u00e4.zone")
    cards = tuple(FileCard(name, two if name == "b.zone" else one) for name in sorted(names))
    told = CheckIn(
        comment="F a.zone\nF a.zone 2", date_ms=1_790_000_000_000, user="ann", files=cards, parents=(one,)
    )
    content = told.encode()
    for beginning in ("a.zone", "b.zone", "\u00e4", "", "c"):
        expected = {card.name: card.id for card in cards if card.name.startswith(beginning)}
        assert files_below(content, beginning) == expected
    blank = CheckIn(
        comment="x", date_ms=1, user="ann", files=(FileCard("a.zone.d/a b.zone", one),), parents=(one,)
    )
    assert files_below(blank.encode(), "a.zone") is None
    based = CheckIn(
        comment="x", date_ms=1, user="ann", files=(FileCard("a.zone", one),), baseline=one, parents=(one,)
    )
    assert files_below(based.encode(), "a.zone") is None
