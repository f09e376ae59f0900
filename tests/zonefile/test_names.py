"""Zone ids, sort keys and presentation forms of names: tables, order and round trips."""

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xferzone.errors import UsageError
from xferzone.zonefile import names

# zone id, wire labels of the zone
IDS = [
    ("%root", ()),
    ("example.com", (b"example", b"com")),
    ("xn--bcher-kva.example", (b"xn--bcher-kva", b"example")),
    ("_tcp.example", (b"_tcp", b"example")),
    ("%2a.example", (b"*", b"example")),
    ("0%2f25.2.0.192.in-addr.arpa", (b"0/25", b"2", b"0", b"192", b"in-addr", b"arpa")),
    ("%2dx.-y", (b"-x", b"-y")),
    ("%2d", (b"-",)),
    ("a%2eb.c", (b"a.b", b"c")),
    ("a%25b", (b"a%b",)),
    ("%25root", (b"%root",)),
    ("%00%20%ff%5c", (b"\x00 \xff\\",)),
    ("%63on", (b"con",)),
    ("%63on.com", (b"con", b"com")),
    ("%70rn.x", (b"prn", b"x")),
    ("%61ux", (b"aux",)),
    ("%6eul", (b"nul",)),
    ("%63om0", (b"com0",)),
    ("%6cpt9.x", (b"lpt9", b"x")),
    ("com.con", (b"com", b"con")),
    ("com10", (b"com10",)),
    ("conx.aux", (b"conx", b"aux")),
]

NOT_IDS = [
    *(
        "",
        ".",
        "example.com.",
        ".com",
        "a..b",
        "Example.com",
        "a%2Fb",
        "a%2",
        "a%zz",
        "%61",
        "a%2db",
        "%root.x",
    ),
    *(
        "con",
        "com1.example",
        "-x",
        "*.x",
        "a b",
        "ü",
        "\u20ac",
        "a/b",
        "%5F",
        "x" * 64,
        "aux.x",
        "%",
        "a\n",
        "%en",
    ),
    ".".join(["x" * 40] * 5),
]

# what a person types, the zone id
TYPED = [
    ("example.com", "example.com"),
    ("example.com.", "example.com"),
    ("EXAMPLE.com", "example.com"),
    (".", "%root"),
    ("%root", "%root"),
    ("%ROOT.", "%root"),
    ("*.example", "%2a.example"),
    ("%2A.example.", "%2a.example"),
    ("0/25.2.0.192.in-addr.arpa", "0%2f25.2.0.192.in-addr.arpa"),
    ("0%2f25.2.0.192.in-addr.arpa", "0%2f25.2.0.192.in-addr.arpa"),
    ("con.example", "%63on.example"),
    ("-x.example", "%2dx.example"),
    ("a\\.b.example", "a%2eb.example"),
    ("a\\.", "a%2e"),
    ("a\\..", "a%2e"),
    ("a\\032b", "a%20b"),
    ("\\065.x", "a.x"),
    ("100%.com", "100%25.com"),
    ("a\\%2f.b", "a%252f.b"),
    ("\\%root", "%25root"),
    ("a\\\\b", "a%5cb"),
    ("localhost", "localhost"),
]

NOT_TYPED = [
    ("", "it is empty"),
    ("@", "it means no zone by itself"),
    ("..", "it has an empty label"),
    (".com", "it has an empty label"),
    ("a..b", "it has an empty label"),
    ("a b", "must be escaped"),
    ("a\tb", "must be escaped"),
    ('"a"', "must be escaped"),
    ("a;b", "must be escaped"),
    ("a(b", "must be escaped"),
    ("bücher.de", "xn--"),
    ("a\\", "backslash"),
    ("a\\25", "backslash"),
    ("a\\256", "not an octet"),
    ("x" * 64, "64 octets"),
    (".".join(["x" * 60] * 5), "255"),
    (".".join(["x" * 60] * 4), "200 are allowed"),
    ("%41.com", "is not a zone id"),
    ("con%20.x.%63", "is not a zone id"),
]


def absolute(labels: tuple[bytes, ...]) -> dns.name.Name:
    return dns.name.Name([*labels, b""])


@pytest.mark.parametrize(("zone_id", "labels"), IDS)
def test_a_zone_id_stands_for_one_name(zone_id: str, labels: tuple[bytes, ...]) -> None:
    assert names.zone_id(absolute(labels)) == zone_id
    assert names.zone_name(zone_id).labels == (*labels, b"")


def test_a_zone_id_forgets_case() -> None:
    assert names.zone_id(dns.name.from_text("EXAMPLE.Com.")) == "example.com"
    assert names.zone_id(dns.name.from_text("CON.Com.")) == "%63on.com"


@pytest.mark.parametrize("text", NOT_IDS)
def test_other_spellings_are_no_zone_ids(text: str) -> None:
    with pytest.raises(ValueError, match="zone id"):
        names.zone_name(text)


def test_relative_and_overlong_names_have_no_zone_id() -> None:
    with pytest.raises(ValueError, match="not absolute"):
        names.zone_id(dns.name.from_text("example", None))
    longest = absolute((b"x" * 62, b"y" * 62, b"z" * 62, b"w" * 11))
    assert len(names.zone_id(longest)) == names.MAX_ZONE_ID
    with pytest.raises(ValueError, match="201 bytes"):
        names.zone_id(absolute((b"v" * 63, *longest.labels[1:-1])))


@pytest.mark.parametrize(("text", "zone_id"), TYPED)
def test_people_may_type_either_form(text: str, zone_id: str) -> None:
    assert names.parse_zone(text) == zone_id


@pytest.mark.parametrize(("text", "reason"), NOT_TYPED)
def test_what_cannot_be_a_zone_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        names.parse_zone(text)


# RFC 4034 6.1's list, below the zone "example."; then octets around our escapes.
ORDERED = [
    (),
    (b"\x00",),
    (b"\x00", b"\x00"),
    (b"\x00\x00",),
    (b"\x00\x01",),
    (b"\x01",),
    (b"\x01\x00",),
    (b"\x01\x01",),
    (b"\x01\x02",),
    (b"\x02",),
    (b"\x02\x00",),
    (b"!",),
    (b"*",),
    (b".",),
    (b"a",),
    (b"yljkjljk", b"a"),
    (b"Z", b"a"),
    (b"zABC", b"a"),
    (b"Z",),
    (b"\x01", b"z"),
    (b"*", b"z"),
    (b"\xc8", b"z"),
    (b"\xff",),
]


def test_keys_sort_in_dnssec_order() -> None:
    keys = [names.labels_key(labels) for labels in ORDERED]
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)
    assert sorted(map(absolute, ORDERED)) == list(map(absolute, ORDERED))


OWNERS = [
    (b"@", ()),
    (b"www", (b"www",)),
    (b"*.a", (b"*", b"a")),
    (b"\\064", (b"@",)),
    (b"\\034\\040\\041\\046\\059\\092\\064\\036", (b'"().;\\@$',)),
    (b"\\033\\035\\037\\038\\039\\043\\044\\058\\060\\061\\062\\063", (b"!#%&'+,:<=>?",)),
    (b"\\091\\093\\094\\096\\123\\124\\125\\126", (b"[]^`{|}~",)),
    (b"\\000\\001\\032\\127\\255.\\033\\126", (b"\x00\x01 \x7f\xff", b"!~")),
    (b"_a-b/c", (b"_a-b/c",)),
]


@pytest.mark.parametrize(("owner", "labels"), OWNERS)
def test_owners_and_labels_and_keys_are_one_thing(owner: bytes, labels: tuple[bytes, ...]) -> None:
    assert names.owner_text(labels) == owner
    assert names.owner_labels(owner) == labels
    assert names.owner_key(owner) == names.labels_key(labels)
    assert names.key_labels(names.owner_key(owner)) == labels


def test_an_owner_is_in_lower_case() -> None:
    assert names.owner_text((b"WwW", b"\xc9A")) == b"www.\\201a"
    assert names.labels_text((b"WwW", b"A")) == b"WwW.A"


PARSED = [
    (b".", (), True),
    (b"a", (b"a",), False),
    (b"A.b.", (b"A", b"b"), True),
    (b"a\\.", (b"a.",), False),
    (b"a\\\\.", (b"a\\",), True),
    (b"\\046\\\\", (b".\\",), False),
    (b"$x\\@y", (b"$x@y",), False),
]


@pytest.mark.parametrize(("text", "labels", "is_absolute"), PARSED)
def test_a_final_dot_makes_a_name_absolute(text: bytes, labels: tuple[bytes, ...], is_absolute: bool) -> None:
    assert names.parsed_name(text) == (labels, is_absolute)


labels_of_names = st.lists(st.binary(min_size=1, max_size=9), max_size=5).map(tuple)


@given(labels_of_names.filter(lambda labels: sum(map(len, labels)) < 50))
def test_zone_ids_round_trip(labels: tuple[bytes, ...]) -> None:
    name = absolute(labels)
    zone_id = names.zone_id(name)
    assert names.zone_name(zone_id) == name
    assert names.parse_zone(zone_id) == names.parse_zone(zone_id.upper() + ".") == zone_id
    assert names.parse_zone(name.to_text().replace("%", "\\%")) == zone_id


@given(labels_of_names)
def test_owners_round_trip(labels: tuple[bytes, ...]) -> None:
    lowered = tuple(label.lower() for label in labels)
    owner = names.owner_text(labels)
    assert owner.isascii()
    assert names.owner_labels(owner) == lowered
    assert names.owner_key(owner) == names.labels_key(labels)
    assert names.key_labels(names.labels_key(labels)) == lowered
    if labels:
        assert names.parsed_name(names.labels_text(labels)) == (labels, False)
        assert names.parsed_name(names.labels_text(labels) + b".") == (labels, True)


@given(labels_of_names, labels_of_names)
def test_keys_order_and_nest_as_names_do(left: tuple[bytes, ...], right: tuple[bytes, ...]) -> None:
    a, b = absolute(left), absolute(right)
    key_a, key_b = names.labels_key(left), names.labels_key(right)
    assert (key_a < key_b) == (a < b)
    assert (key_a == key_b) == (a == b)
    assert key_a.startswith(key_b) == a.is_subdomain(b)


@given(st.text(max_size=20))
def test_any_text_is_a_zone_or_a_usage_error(text: str) -> None:
    try:
        zone_id = names.parse_zone(text)
    except UsageError:
        return
    assert names.zone_id(names.zone_name(zone_id)) == zone_id
