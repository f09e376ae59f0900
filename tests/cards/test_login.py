"""The proof in a login card against what the stock client sent."""

import base64
import json
from pathlib import Path
from typing import TypedDict

import pytest

from xferzone.cards import Login, parse_cards
from xferzone.cards.session import nonce, shared_secret, signature


class Row(TypedDict):
    project_code: str
    login: str
    password: str
    shared_secret: str
    login_card: str
    rest_b64: str
    nonce: str
    signature: str


class Vectors(TypedDict):
    project_code: str
    vectors: list[Row]
    stored_pw_column: dict[str, str]


VECTORS: Vectors = json.loads((Path(__file__).parents[1] / "vectors" / "login.json").read_bytes())


@pytest.mark.parametrize("row", VECTORS["vectors"], ids=lambda row: str(row["login"]))
def test_a_login_proves_that_the_password_is_known(row: Row) -> None:
    rest = base64.b64decode(row["rest_b64"])
    secret = shared_secret(row["project_code"], row["login"], row["password"])
    card = Login(row["login"], nonce(rest), signature(nonce(rest), secret))
    assert secret == row["shared_secret"]
    assert (card.nonce, card.signature) == (row["nonce"], row["signature"])
    assert card.encode() == row["login_card"].encode() + b"\n"
    body = card.encode() + rest
    parsed = next(parse_cards(body))
    assert parsed == card
    assert isinstance(parsed, Login)
    assert body[parsed.end :] == rest


def test_the_secret_is_what_stock_keeps_for_a_user() -> None:
    stored = VECTORS["stored_pw_column"]
    assert shared_secret(VECTORS["project_code"], "dev", "devpw") == stored["dev"]
    assert shared_secret(VECTORS["project_code"], "odd user", "p w") == stored["odd user"]
    assert shared_secret(VECTORS["project_code"], "ro", "ropw") == stored["ro"]


@pytest.mark.parametrize("password", ["0" * 40, "AbCdEf" * 6 + "0123"])
def test_forty_hex_digits_are_a_secret_already(password: str) -> None:
    assert shared_secret("f" * 40, "dev", password) == password


@pytest.mark.parametrize("password", ["", "0" * 39, "0" * 41, "g" * 40, "0" * 64, "0" * 40 + "\n"])
def test_anything_else_is_hashed(password: str) -> None:
    assert shared_secret("f" * 40, "dev", password) != password
