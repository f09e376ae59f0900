"""Records as messages: what was put in comes out, shortened, in messages of a bounded size."""

import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from hypothesis import given, settings
from hypothesis import strategies as st

from xferzone.nameserver import stream
from xferzone.nameserver.wire import Query, parse
from xferzone.zone.index import Index, compile_index
from xferzone.zonefile import text

ORIGIN = dns.name.from_text("example.com.")
APEX = "@ 3600 SOA ns.example.net. h 7 3600 600 86400 300\n@ 3600 NS ns.example.net.\n@ 3600 NS ns\n"


def asked(message: dns.message.Message | None = None) -> Query:
    made = parse((message or dns.message.make_query("eXample.com.", "AXFR")).to_wire())
    assert made is not None
    return made


def sent(zone: str, limit: int = stream.SIZE, reserved: int = 0) -> list[bytes]:
    compiled = Index(compile_index(text.read(zone.encode(), ORIGIN), ORIGIN))
    return list(stream.messages(asked(), compiled.rows(), reserved, limit))


def records(messages: list[bytes]) -> list[str]:
    read = [dns.message.from_wire(message, one_rr_per_rrset=True) for message in messages]
    return [str(rrset).lower() for message in read for rrset in message.answer]


def given_records(zone: str) -> set[str]:
    compiled = dns.message.make_response(dns.message.make_query(ORIGIN, "AXFR"))
    for record in text.read(zone.encode(), ORIGIN):
        name = dns.name.from_text(record.owner.decode(), ORIGIN) if record.owner != b"@" else ORIGIN
        rdtype = dns.rdatatype.RdataType.make(record.rdtype)
        rdata = dns.rdata.from_wire(dns.rdataclass.IN, rdtype, record.rdata, 0, len(record.rdata))
        compiled.answer.append(dns.rrset.from_rdata(name, record.ttl, rdata))
    return {str(rrset).lower() for rrset in compiled.answer}


LABEL = st.sampled_from(["a", "bb", "c-d", "*", r"\000\001x", "z" * 63])
OWNER = st.lists(LABEL, min_size=1, max_size=3).map(".".join)
DATA = st.sampled_from(
    [
        "A 192.0.2.1",
        "A 192.0.2.2",
        "NS ns.a.bb",
        "MX 5 a",
        "MX 5 mail.example.net.",
        "PTR x.y.example.net.",
        'TXT "t"',
    ]
)


@settings(deadline=None)
@given(st.lists(st.tuples(OWNER, DATA), max_size=60), st.integers(200, 600), st.integers(0, 90))
def test_what_was_put_in_comes_out_in_messages_of_a_bounded_size(
    rows: list[tuple[str, str]], limit: int, reserved: int
) -> None:
    zone = APEX + "".join(f"{owner} 300 {data}\n" for owner, data in dict.fromkeys(rows))
    made = sent(zone, limit, reserved)
    came = records(made)
    assert len(came) == len(set(came))
    assert set(came) == given_records(zone)
    assert all(len(message) + reserved <= limit or int.from_bytes(message[6:8]) == 1 for message in made)


def test_names_are_shortened_and_messages_are_filled() -> None:
    zone = APEX + "".join(f"host{number} 300 A 192.0.2.1\n" for number in range(10_000))
    made = sent(zone)
    assert all(stream.SIZE - 30 < len(message) <= stream.SIZE for message in made[:-1])
    assert sum(map(len, made)) / 10_000 < 26  # bytes a record: 10 of a name with its pointer, 14 of the rest


def test_an_option_record_goes_back_where_one_came() -> None:
    zone = Index(compile_index(text.read(APEX.encode(), ORIGIN), ORIGIN))
    (made,) = stream.messages(asked(dns.message.make_query("example.com.", "AXFR", use_edns=0)), zone.rows())
    assert dns.message.from_wire(made).edns == 0


def test_the_serial_that_a_client_has_is_read() -> None:
    question = dns.message.make_query("example.com.", "IXFR")
    soa = dns.rrset.from_text(
        "example.com.", 0, "IN", "SOA", "ns.example.com. h.example.com. 4000000000 1 1 1 1"
    )
    question.authority.append(soa)
    assert stream.asked_serial(question.to_wire()) == 4_000_000_000
