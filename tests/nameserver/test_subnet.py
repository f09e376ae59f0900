"""The option that names a client's subnet: what a question may hold, and what the answer says of it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xferzone.nameserver.subnet import Subnet

GOOD = {
    "24 bits": ("0001 18 00 c00002", Subnet(1, 24, b"\xc0\0\2")),
    "32 bits": ("0001 20 00 c0000201", Subnet(1, 32, b"\xc0\0\2\1")),
    "20 bits": ("0001 14 00 c00010", Subnet(1, 20, b"\xc0\0\x10")),
    "no bits": ("0001 00 00", Subnet(1, 0, b"")),
    "56 bits of IPv6": ("0002 38 00 20010db8000100", Subnet(2, 56, bytes.fromhex("20010db8000100"))),
}
BAD = {
    "empty": "",
    "cut short": "0001 18",
    "a scope": "0001 18 18 c00002",
    "family 3": "0003 00 00",
    "no family": "0000 00 00",
    "no family, but bits": "0000 08 00 0a",
    "33 bits": "0001 21 00 c000020180",
    "129 bits of IPv6": "0002 81 00" + "20" * 17,
    "an octet too few": "0001 18 00 c000",
    "an octet too many": "0001 18 00 c0000200",
    "stray bits": "0001 14 00 c0001f",
    "one stray bit": "0001 01 00 c0",
}


@pytest.mark.parametrize(("written", "subnet"), GOOD.values(), ids=GOOD)
def test_a_subnet_of_a_question_is_read(written: str, subnet: Subnet) -> None:
    assert Subnet.read(bytes.fromhex(written)) == subnet


@pytest.mark.parametrize("written", BAD.values(), ids=BAD)
def test_what_is_not_a_subnet_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="a client subnet"):
        Subnet.read(bytes.fromhex(written))


def test_an_answer_has_all_of_it_but_another_scope() -> None:
    subnet = Subnet(1, 32, b"\xc0\0\2\1")
    assert subnet.echoed(24).hex() == "0008000800012018c0000201"


@given(st.binary(max_size=24))
def test_whatever_is_read_is_written_alike(value: bytes) -> None:
    try:
        subnet = Subnet.read(value)
    except ValueError:
        return
    assert subnet.echoed(0) == b"\0\x08" + len(value).to_bytes(2) + value
