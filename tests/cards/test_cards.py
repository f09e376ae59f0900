"""Every card against its wire form, both ways, and what becomes of lines that are no card."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

import xferzone.cards
from xferzone.cards import (
    Card,
    CFile,
    Clone,
    CloneSeqno,
    Comment,
    Config,
    Cookie,
    Error,
    File,
    Gimme,
    IGot,
    Login,
    Message,
    Pragma,
    Private,
    Pull,
    Push,
    ReqConfig,
    Unknown,
    UVFile,
    UVGimme,
    UVIGot,
    XDelete,
    XHave,
    XList,
    XRow,
    XTable,
    XWant,
    encode_cards,
    parse_cards,
)
from xferzone.cards.base import MAX_LINE, Cursor
from xferzone.errors import MalformedCard, PeerError
from xferzone.hashing import ArtifactId

A = ArtifactId("a" * 40)
B = ArtifactId("b" * 64)
a, b = A.encode(), B.encode()

# One row serves both directions: the card encodes to the bytes and they parse to it.
WIRE: list[tuple[Card, bytes]] = [
    (IGot(A), b"igot %s\n" % a),
    (IGot(B, private=True), b"igot %s 1\n" % b),
    (Gimme(B), b"gimme %s\n" % b),
    (Private(), b"private\n"),
    (File(A, b""), b"file %s 0\n" % a),
    (File(A, b"#\n\ngimme"), b"file %s 8\n#\n\ngimme" % a),
    (File(A, b"D", B), b"file %s %s 1\nD" % (a, b)),
    (CFile(A, 9, b"zz"), b"cfile %s 9 2\nzz\n" % a),
    (CFile(A, 9, b"z\n"), b"cfile %s 9 2\nz\n" % a),
    (CFile(A, 9, b"z", B), b"cfile %s %s 9 1\nz\n" % (a, b)),
    (CFile(A, 0, b""), b"cfile %s 0 0\n\n" % a),
    (Login("dev", "0" * 40, "f" * 40), b"login dev %s %s\n" % (b"0" * 40, b"f" * 40)),
    (Login("odd us\\er\n", "n", "s"), rb"login odd\sus\\er\n n s" + b"\n"),
    (Login("ümläut", "n", "s"), "login ümläut n s\n".encode()),
    (Pull("x", A), b"pull x %s\n" % a),
    (Pull("-", "F" * 64), b"pull - %s\n" % (b"F" * 64)),
    (Push(A, B), b"push %s %s\n" % (a, b)),
    (Clone(), b"clone\n"),
    (Clone(3, 1), b"clone 3 1\n"),
    (Clone(3, 0), b"clone 3 0\n"),
    (Clone(1, 5), b"clone 1 5\n"),
    (CloneSeqno(0), b"clone_seqno 0\n"),
    (CloneSeqno(2147483647), b"clone_seqno 2147483647\n"),
    (Cookie("k\\s="), b"cookie k\\s=\n"),
    (Pragma("send-catalog"), b"pragma send-catalog\n"),
    (Pragma("x", ("1", "2", "3", "4")), b"pragma x 1 2 3 4\n"),
    (Pragma("client-url", ("\udcff",)), b"pragma client-url \xff\n"),
    (UVIGot("a/b.txt", 1700000000, A, 12), b"uvigot a/b.txt 1700000000 %s 12\n" % a),
    (UVIGot("é", 2**63 - 1, None, 0), "uvigot é 9223372036854775807 - 0\n".encode()),
    (UVGimme("refs/heads/exa:mple"), b"uvgimme refs/heads/exa:mple\n"),
    (UVFile("n", 5, B, 3, 0, b"abc"), b"uvfile n 5 %s 3 0\nabc" % b),
    (UVFile("n", 5, B, 0), b"uvfile n 5 %s 0 0\n" % b),
    (UVFile("n", 5, B, 3, 4), b"uvfile n 5 %s 3 4\n" % b),
    (UVFile("n", 5, None, 0, 1), b"uvfile n 5 - 0 1\n"),
    (UVFile("n", 5, B, 3, 2, b"abc"), b"uvfile n 5 %s 3 2\nabc" % b),
    (XTable("Hosts-2_x", 5, B, B), b"xtable Hosts-2_x 5 %s %s 0\n" % (b, b)),
    (XTable("t", 2**63 - 1, B, B, b"{}\n"), b"xtable t 9223372036854775807 %s %s 3\n{}\n" % (b, b)),
    (XList("t", B), b"xlist t %s\n" % b),
    (XList("t", None), b"xlist t -\n"),
    (XHave("t", B, 5, B), b"xhave t %s 5 %s\n" % (b, b)),
    (XHave("t", B, 5, None), b"xhave t %s 5 -\n" % b),
    (XWant("t", B), b"xwant t %s\n" % b),
    (XRow("t", B, 5, "an n", b"{}"), b"xrow t %s 5 an\\sn 2\n{}" % b),
    (XRow("t", B, 5, "", b""), b"xrow t %s 5 - 0\n" % b),
    (XDelete("t", B, 5, "ümläut", b"{}"), b"xdelete t %s 5 " % b + "ümläut 2\n{}".encode()),
    (ReqConfig("/all"), b"reqconfig /all\n"),
    (Config("/config", b"1 'x' value 'y'"), b"config /config 15\n1 'x' value 'y'\n"),
    (Config("/user", b""), b"config /user 0\n\n"),
    (
        Message("pull only - not authorized to push"),
        rb"message pull\sonly\s-\snot\sauthorized\sto\spush" + b"\n",
    ),
    (Error("line 1\nline 2\t\\"), rb"error line\s1\nline\s2\t\\" + b"\n"),
    (Error("wrong+hash"), b"error wrong+hash\n"),
]

# What receivers take and no writer writes.
FORGIVEN: list[tuple[bytes, Sequence[Card]]] = [
    (b"igot %s 2 new\n" % a, [IGot(A)]),
    (b"igot %s 1 new\n" % a, [IGot(A, private=True)]),
    (b"igot %s 11\n" % a, [IGot(A)]),
    (b"private and more\n", [Private()]),
    (b" \t gimme\v\f%s \r\n" % a, [Gimme(A)]),
    (b"private", [Private()]),
    (b"\n \r\n\t\nprivate\n\n", [Private()]),
    (b"# timestamp 2026\n#\n#private\nprivate\n# end", [Private()]),
    (b"file %s 0003\nabcprivate\n" % a, [File(A, b"abc"), Private()]),
    (b"file %s 3\nabc\nprivate\n" % a, [File(A, b"abc"), Private()]),
    (b"cfile %s 9 3\nabcprivate\n" % a, [CFile(A, 9, b"abc"), Private()]),
    (b"cfile %s 9 3\nab\n\nprivate\n" % a, [CFile(A, 9, b"ab\n"), Private()]),
    (b"config /x 3\nabcprivate\n", [Config("/x", b"abc"), Private()]),
    (b"config /x 3\nabc\nprivate\n", [Config("/x", b"abc"), Private()]),
    (b"clone 3\n", [Clone()]),
    (b"clone x y\n", [Clone()]),
    (b"clone -3 1\n", [Clone()]),
    (b"clone 3 1 5\n", [Clone()]),
    (b"clone 3 -5\n", [Clone(3, 0)]),
    (b"clone 3 x\n", [Clone(3, 0)]),
    (b"clone 3 99999999999\n", [Clone(3, 2**31 - 1)]),
    (b"clone %s 1\n" % (b"9" * 5000), [Clone(2**31 - 1, 1)]),
    (b"pragma a 1 2 3 4 5 6\n", [Pragma("a", ("1", "2", "3", "4"))]),
    (b"login a b c\n", [Login("a", "b", "c")]),
    (b"login a \xff c\n", [Login("a", "\\xff", "c")]),
    (b"error \\x\n", [Error("x")]),
    (b"uvfile n 5 - 9 1\nprivate\n", [UVFile("n", 5, None, 9, 1), Private()]),
]

UNKNOWN = [
    (b"xyzzy 1 2\n", ""),
    (b" # no comment\n", ""),
    (b"IGOT %s\n" % a, ""),
    (b"igot\n", "no artifact id"),
    (b"igot abc\n", "is not an artifact id"),
    (b"gimme\n", "0 arguments, expected 1"),
    (b"gimme %s x\n" % a, "2 arguments, expected 1"),
    (b"gimme %s\n" % a.upper(), "is not an artifact id"),
    (b"login a b\n", "2 arguments, expected 3"),
    (b"login a b c d\n", "4 arguments, expected 3"),
    (b"pull x\n", "1 arguments, expected 2"),
    (b"pull x %s y\n" % a, "3 arguments, expected 2"),
    (b"push x zz\n", "is not a project code"),
    (b"clone_seqno\n", "0 arguments"),
    (b"clone_seqno -1\n", "is not a number"),
    (b"clone_seqno 2147483648\n", "is not a number"),
    (b"clone_seqno %s\n" % (b"0" * 5000), "is not a number"),
    (b"cookie\n", "0 arguments"),
    (b"cookie a b\n", "2 arguments"),
    (b"pragma\n", "no name"),
    (b"message two words\n", "2 arguments, expected 1"),
    (b"message\n", "0 arguments"),
    (b"error two words\n", "2 arguments, expected 1"),
    (b"reqconfig\n", "0 arguments"),
    (b"reqconfig /all x\n", "2 arguments"),
    (b"uvigot a 1 %s\n" % a, "3 arguments"),
    (b"uvigot a -1 - 0\n", "is not a number"),
    (b"uvigot a 9223372036854775808 - 0\n", "is not a number"),
    (b"xlist t\n", "1 arguments"),
    (b"xlist t %s\n" % a, "is not a hash"),
    (b"xlist -t -\n", "is not the name of a table"),
    (b"xlist t;DROP -\n", "is not the name of a table"),
    (b"xlist %s -\n" % (b"t" * 65), "is not the name of a table"),
    (b"xhave t %s 5\n" % b, "3 arguments"),
    (b"xhave t %s -5 -\n" % b, "is not a number"),
    (b"xwant t -\n", "is not a hash"),
    (b"xwant t %s\n" % b.upper(), "is not a hash"),
    (b"xwant t'-- %s\n" % b, "is not the name of a table"),
    (b"uvgimme\n", "0 arguments"),
    (b"uvgimme /a\n", "is not the name"),
    (b"uvgimme a/\n", "is not the name"),
    (b"uvgimme a//b\n", "is not the name"),
    (b"uvgimme a/./b\n", "is not the name"),
    (b"uvgimme ..\n", "is not the name"),
    (b"uvgimme a/..\n", "is not the name"),
    (b"uvgimme a\\b\n", "is not the name"),
    (b"uvgimme a\0b\n", "is not the name"),
    ("uvgimme \U0001f600\n".encode(), "is not the name"),
    ("uvgimme \ue000\n".encode(), "is not the name"),
    (b"uvgimme \xff\n", "utf-8"),
    (b"uvgimme \xed\xa0\x80\n", "utf-8"),
    (b"xyzzy", ""),
]

MALFORMED = [
    (b"file\n", "0 arguments, expected 2 or 3"),
    (b"file %s\nabc" % a, "1 arguments, expected 2 or 3"),
    (b"file zz 3\nabc", "is not an artifact id"),
    (b"file %s +3\nabc" % a, "is not a number"),
    (b"file %s -3\nabc" % a, "is not a number"),
    (b"file %s 3_0\nabc" % a, "is not a number"),
    (b"file %s 2147483648\n" % a, "is not a number"),
    (b"file %s 4\nabc" % a, "payload of 4 bytes, 3 remain"),
    (b"file %s %s %s 1\nabc" % (a, a, a), "4 arguments, expected 2 or 3"),
    (b"cfile %s 3\nabc" % a, "2 arguments, expected 3 or 4"),
    (b"cfile %s 3 9\nabc" % a, "payload of 9 bytes, 3 remain"),
    (b"cfile %s x 3\nabc" % a, "is not a number"),
    (b"uvfile a 1 - 0\n", "4 arguments, expected 5"),
    (b"uvfile a b 1 - 0 1\n", "is not a number"),
    (b"uvfile /a 1 - 0 1\n", "is not the name"),
    (b"uvfile a 1 zz 0 1\n", "is not an artifact id"),
    (b"uvfile a 1 %s 4 0\nabc" % a, "payload of 4 bytes, 3 remain"),
    (b"xtable t 5 %s %s\n" % (b, b), "4 arguments, expected 5"),
    (b"xtable t 5 %s %s 3\n{}" % (b, b), "payload of 3 bytes, 2 remain"),
    (b"xtable t 5 %s %s 65537\n" % (b, b), "is not a number"),
    (b"xrow t %s 5 a 3\n{}" % b, "payload of 3 bytes, 2 remain"),
    (b"xrow t %s 5 a 65537\n" % b, "is not a number"),
    (b"xrow t %s 5 \xff 0\n" % b, "utf-8"),
    (b"xrow t %s 5 %s 0\n" % (b, b"a" * 1001), "a login of 1001 bytes"),
    (b"xdelete ta/b %s 5 a 0\n" % b, "is not the name of a table"),
    (b"config /x zz\n", "is not a number"),
    (b"config /x 9\nabc", "payload of 9 bytes, 3 remain"),
]


@pytest.mark.parametrize(("card", "wire"), WIRE)
def test_encode(card: Card, wire: bytes) -> None:
    assert card.encode() == wire


@pytest.mark.parametrize(("card", "wire"), WIRE)
def test_parse(card: Card, wire: bytes) -> None:
    assert list(parse_cards(wire + b"private\n")) == [card, Private()]


@pytest.mark.parametrize(("wire", "message"), FORGIVEN)
def test_what_receivers_forgive(wire: bytes, message: Sequence[Card]) -> None:
    assert list(parse_cards(wire)) == message


@pytest.mark.parametrize(("line", "reason"), UNKNOWN)
def test_a_line_that_is_no_card_is_kept_as_it_came_and_the_next_is_read(line: bytes, reason: str) -> None:
    unknown, *rest = parse_cards(line + (b"private\n" if line.endswith(b"\n") else b""))
    assert unknown == Unknown(line)
    assert isinstance(unknown, Unknown)
    assert reason in unknown.reason
    assert bool(reason) == bool(unknown.reason)
    assert unknown.encode() == line
    assert rest == ([Private()] if line.endswith(b"\n") else [])


def test_an_unknown_card_has_a_name_that_can_be_printed() -> None:
    assert Unknown(b"  got\xff 1\n").name == "got\\xff"


@pytest.mark.parametrize(("wire", "reason"), MALFORMED)
def test_a_malformed_card_with_a_payload_names_its_place_and_reason(wire: bytes, reason: str) -> None:
    good = Private().encode()
    cards = parse_cards(good + wire)
    assert next(cards) == Private()
    with pytest.raises(MalformedCard) as caught:
        next(cards)
    assert reason in caught.value.reason
    assert caught.value.offset == len(good)
    assert caught.value.line == wire[: wire.index(b"\n") + 1]
    assert caught.value.operator == wire.split()[0]


def test_a_login_tells_where_the_text_begins_that_its_nonce_covers() -> None:
    body = b"# c\nlogin a b c\npull x %s\n" % a
    login = next(parse_cards(body))
    assert isinstance(login, Login)
    assert body[login.end :] == b"pull x %s\n" % a


def test_a_comment_is_written_and_never_read() -> None:
    assert Comment("timestamp x y").encode() == b"# timestamp x y\n"
    assert not list(parse_cards(Comment("private").encode()))


@pytest.mark.parametrize(
    "card",
    [
        Error(""),
        Message(""),
        Login("", "n", "s"),
        Login("u", "", "s"),
        Cookie("a b"),
        Cookie("a\nerror x"),
        Pragma("x", ("1", "2", "3", "4", "5")),
        Pragma("x", ("",)),
        UVGimme("a b"),
        UVFile("n", 1, A, 3, 0, b"ab"),
        UVFile("n", 1, A, 3, 4, b"abc"),
        ReqConfig("/a\r"),
        Comment("a\nb"),
    ],
)
def test_a_card_that_would_be_read_otherwise_is_not_written(card: Card) -> None:
    with pytest.raises(ValueError, match=r"cannot carry|announced as|one line"):
        card.encode()


def test_long_rows_of_announcements_come_in_order_and_mixed_with_others() -> None:
    ids = [ArtifactId(f"{number:040x}" if number % 3 else f"{number:064x}") for number in range(2_000)]
    message: list[Card] = []
    for number, each in enumerate(ids):
        message.append(IGot(each, private=number % 700 == 699))
        if number % 911 == 0:
            message += [Gimme(each), File(each, b"igot %s\n" % each.encode())]
    assert list(parse_cards(encode_cards(message))) == message


def test_a_line_has_a_bound_and_a_payload_has_not() -> None:
    longest = b"#" * (MAX_LINE - 1) + b"\n"
    assert list(parse_cards(longest + b"private\n" + longest[:-1])) == [Private()]
    payload = bytes(MAX_LINE * 2)
    assert list(parse_cards(File(A, payload).encode() + b"private\n")) == [File(A, payload), Private()]
    for body in (b"#" + longest, b"private\n" + bytes(MAX_LINE + 1), b" " * MAX_LINE + b"private\n"):
        with pytest.raises(PeerError, match="a line of over 65536 bytes"):
            list(parse_cards(body))


@pytest.mark.parametrize(
    "line", [b"\n", b"#\n", b"private\n", b"x\n", b"igot %s\n" % a, b"igot %s 1\n" % a, b"gimme %s\n" % a]
)
def test_lines_of_every_kind_count(line: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xferzone.cards, "MAX_LINES", 1_000)
    list(parse_cards(line * 999 + b"private\n"))
    with pytest.raises(PeerError, match="over 1000 lines in one message"):
        list(parse_cards(line * 1_000 + b"private\n"))


@pytest.mark.parametrize("nothing", [b"\n", b" \t\r\n", b"#\n", b"# nothing\n", b"\n#\n\v\n"])
def test_what_means_nothing_is_not_read_line_by_line(nothing: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    read = 0

    def counted(cursor: Cursor) -> bytes | None:
        nonlocal read
        read += 1
        return next_line(cursor)

    next_line = Cursor.next_line
    monkeypatch.setattr(Cursor, "next_line", counted)
    lines = 100_000 // nothing.count(b"\n")
    assert list(parse_cards(nothing * lines + b"igot %s\n" % a)) == [IGot(A)]
    assert read < 100_000 / 200


def test_cards_are_read_one_by_one() -> None:
    body = encode_cards([IGot(A)] * 100_000) + b"file zz\n"
    assert next(parse_cards(body)) == IGot(A)


ids = st.sampled_from([A, B]) | st.binary(min_size=20, max_size=20).map(lambda raw: ArtifactId(raw.hex()))
payloads = st.binary(max_size=64)
sources = st.none() | ids
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Z", "Cc"]), min_size=1, max_size=8)
texts = st.text(min_size=1, max_size=20).filter(lambda each: all(not "\ud800" <= c <= "\udfff" for c in each))
names = st.sampled_from(["a", "a/b", "refs/heads/x", "é/ü", ".a", "..."])
numbers = st.integers(0, 2**31 - 1)
cards: st.SearchStrategy[Card] = st.one_of(
    st.builds(IGot, ids, st.booleans()),
    st.builds(Gimme, ids),
    st.just(Private()),
    st.builds(File, ids, payloads, sources),
    st.builds(CFile, ids, numbers, payloads, sources),
    st.builds(Login, texts, st.just("0" * 40), st.just("1" * 40)),
    st.builds(Pull, words, ids),
    st.builds(Push, words, ids),
    st.just(Clone()) | st.builds(Clone, numbers, numbers),
    st.builds(CloneSeqno, numbers),
    st.builds(Cookie, words),
    st.builds(Pragma, words, st.lists(words, max_size=4).map(tuple)),
    st.builds(UVIGot, names, numbers, sources, numbers),
    st.builds(UVGimme, names),
    st.builds(
        lambda name, mtime, each, part: UVFile(name, mtime, each, len(part), 0, part),
        names,
        numbers,
        ids,
        payloads,
    ),
    st.builds(UVFile, names, numbers, sources, numbers, st.sampled_from([1, 4, 5])),
    st.builds(ReqConfig, words),
    st.builds(Config, words, payloads),
    st.builds(Message, texts),
    st.builds(Error, texts),
)


@given(st.lists(cards, max_size=8))
def test_any_message_round_trips(message: list[Card]) -> None:
    assert list(parse_cards(encode_cards(message))) == message


@given(st.lists(cards, min_size=1, max_size=5), st.data())
def test_any_damage_is_the_peers_fault_never_a_crash(message: list[Card], data: st.DataObject) -> None:
    body = bytearray(encode_cards(message))
    place = data.draw(st.integers(0, len(body) - 1))
    body[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    damaged = bytes(body[: data.draw(st.integers(0, len(body)))])
    read: list[Card] = []
    try:
        for card in parse_cards(damaged):
            read.append(card)
    except PeerError:
        pass
    # Whatever was understood can be said again, and means the same, but for a seqno or nonce that was none.
    assert list(parse_cards(encode_cards(read))) == read


@given(st.binary(max_size=200))
def test_any_octets_are_cards_or_the_peers_fault(body: bytes) -> None:
    try:
        read = list(parse_cards(body))
    except PeerError:
        return
    assert list(parse_cards(encode_cards(read))) == read
