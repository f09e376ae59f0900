"""Signatures: dnspython is the judge of ours, and we of its."""

import time
from collections.abc import Callable

import dns.message
import dns.name
import dns.tsig
import pytest

from xferzone.nameserver import tsig
from xferzone.nameserver.tsig import ALGORITHMS, BadSignature, Key, Signer, signature, verified

NAME = dns.name.from_text("transfer.example.")
SECRET = b"0123456789abcdef0123456789abcdef"


def key(algorithm: str = "hmac-sha256") -> Key:
    return Key(wire(NAME), wire(dns.name.from_text(algorithm)), SECRET)


def wire(name: dns.name.Name) -> bytes:
    made = name.to_wire()
    assert made is not None
    return made


def theirs(algorithm: str = "hmac-sha256", secret: bytes = SECRET) -> dns.tsig.Key:
    return dns.tsig.Key(NAME, secret, dns.name.from_text(algorithm))


def question(of: dns.tsig.Key, fudge: int = 300) -> dns.message.Message:
    asked = dns.message.make_query("example.com.", "AXFR", use_edns=0)
    asked.use_tsig(of, fudge=fudge)
    return asked


def now() -> int:
    """dnspython takes the clock, too; a run of all tests takes longer than signatures hold."""
    return int(time.time())


def looked_at(message: bytes, keys: dict[bytes, Key], ahead: int = 0) -> Signer | BadSignature:
    found = signature(message)
    assert found is not None
    return verified(found, keys, now() + ahead)


ALGORITHM_NAMES = [dns.name.from_wire(name, 0)[0].to_text(omit_final_dot=True) for name in ALGORITHMS]


@pytest.mark.parametrize("algorithm", ALGORITHM_NAMES)
def test_a_signed_question_is_believed_and_every_message_of_the_answer_is_signed(algorithm: str) -> None:
    asked = question(theirs(algorithm))
    as_sent = asked.to_wire()
    signer = looked_at(as_sent, {wire(NAME): key(algorithm)})
    assert isinstance(signer, Signer)
    bare = as_sent[:2] + b"\x84\0" + bytes(8)
    context = None
    for _ in range(3):
        message = signer.sign(bare, now())
        assert len(message) == len(bare) + signer.room
        read = dns.message.from_wire(
            message,
            keyring=theirs(algorithm),
            request_mac=asked.mac,
            multi=True,
            tsig_ctx=context,
        )
        assert read.had_tsig
        context = read.tsig_ctx


def test_hmac_md5_is_taken_only_of_a_key_that_names_it() -> None:
    asked = question(theirs("hmac-md5.sig-alg.reg.int")).to_wire()
    assert isinstance(looked_at(asked, {wire(NAME): key("hmac-md5.sig-alg.reg.int")}), Signer)
    refused = looked_at(asked, {wire(NAME): key()})
    assert isinstance(refused, BadSignature)
    assert refused.error == tsig.BADKEY


def test_without_its_signature_a_message_is_as_it_was() -> None:
    asked = question(theirs())
    found = signature(asked.to_wire())
    assert found is not None
    plain = dns.message.make_query("example.com.", "AXFR", use_edns=0, id=asked.id)
    assert found.message == plain.to_wire()


def changed(message: bytes) -> bytes:
    return message[:14] + bytes((message[14] ^ 1,)) + message[15:]


#: What is wrong, how the message is made so, the keys that are known, seconds that we are ahead, and what it is called.
FAULTS: list[tuple[str, Callable[[], bytes], dict[bytes, Key], int, int]] = [
    ("no key", lambda: question(theirs()).to_wire(), {}, 0, tsig.BADKEY),
    (
        "another algorithm",
        lambda: question(theirs("hmac-sha512")).to_wire(),
        {wire(NAME): key()},
        0,
        tsig.BADKEY,
    ),
    ("another secret", lambda: question(theirs(secret=b"x")).to_wire(), {wire(NAME): key()}, 0, tsig.BADSIG),
    ("another question", lambda: changed(question(theirs()).to_wire()), {wire(NAME): key()}, 0, tsig.BADSIG),
    ("late", lambda: question(theirs()).to_wire(), {wire(NAME): key()}, 301, tsig.BADTIME),
    ("early", lambda: question(theirs()).to_wire(), {wire(NAME): key()}, -302, tsig.BADTIME),
    ("a shorter fudge", lambda: question(theirs(), 10).to_wire(), {wire(NAME): key()}, 15, tsig.BADTIME),
]


@pytest.mark.parametrize(
    ("make", "keys", "ahead", "error"), [row[1:] for row in FAULTS], ids=[row[0] for row in FAULTS]
)
def test_what_is_wrong_is_told(
    make: Callable[[], bytes], keys: dict[bytes, Key], ahead: int, error: int
) -> None:
    message = make()
    refusal, at = looked_at(message, keys, ahead), now() + ahead
    assert isinstance(refusal, BadSignature)
    assert refusal.error == error
    bare = message[:2] + bytes((0x80, 9)) + bytes(8)
    answer = tsig.answered(refusal, bare, at)
    found = signature(answer)
    assert found is not None
    assert (found.error, found.message) == (error, bare)
    if error == tsig.BADTIME:
        assert found.other == at.to_bytes(6)
        assert found.mac
    else:
        assert not found.mac


def test_a_shortened_mac_is_refused_by_name() -> None:
    found = signature(question(theirs()).to_wire())
    assert found is not None
    refusal = verified(found._replace(mac=found.mac[:16]), {wire(NAME): key()}, now())
    assert isinstance(refusal, BadSignature)
    assert refusal.error == tsig.BADTRUNC


@pytest.mark.parametrize("size", [0, 1, 9, 15, 16, 31, 32, 33, 64])
def test_nothing_is_signed_for_who_does_not_know_the_secret(size: int) -> None:
    """An answer's MAC is over what the question has for one: it would be a signature of anybody's words."""
    found = signature(question(theirs()).to_wire())
    assert found is not None
    for made in (bytes(size), found.mac[:-1] + b"?" if size == len(found.mac) else bytes(size)):
        refusal = verified(found._replace(mac=made), {wire(NAME): key()}, now())
        assert isinstance(refusal, BadSignature)
        assert (refusal.error, refusal.signer) == (tsig.BADSIG, None)


def test_a_question_that_tells_of_an_error_is_none() -> None:
    found = signature(question(theirs()).to_wire())
    assert found is not None
    refusal = verified(found._replace(error=tsig.BADTRUNC), {wire(NAME): key()}, now())
    assert isinstance(refusal, BadSignature)
    assert refusal.signer is None


def test_what_we_sign_is_believed_and_its_answer_by_us() -> None:
    signer = Signer(key())
    bare = dns.message.make_query("example.com.", "SOA").to_wire()
    read = dns.message.from_wire(signer.sign(bare, now()), keyring=theirs())
    answer = dns.message.make_response(read)
    answer.use_tsig(theirs())
    message = answer.to_wire()
    assert signer.accepts(message, now())
    assert not signer.accepts(message, now() + 1000)
    assert not signer.accepts(changed(message), now())
    assert not signer.accepts(bare, now())
