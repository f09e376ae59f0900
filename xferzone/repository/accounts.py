"""Names and passwords of accounts."""

import secrets

from xferzone.errors import UsageError
from xferzone.store.accounts import INVITE

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # without 0 o 1 l, which people confuse
_PASSWORD_LENGTH = 16  # 5 bits each
_TOKEN_LENGTH = 32  # 160 bits: nobody guesses one, and its hash need not be slow
MAX_LOGIN = 100  # letters
MAX_PASSWORD = 1_000  # letters; the same
ADMIN_CAPS = "s"
EVERYBODY = ("nobody", "anonymous")
_CATEGORIES = ("developer", "reader")  # other accounts inherit the rights of these in stock


def password() -> str:
    """A new random password."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_PASSWORD_LENGTH))


def token() -> str:
    """A new random token of an invitation."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_TOKEN_LENGTH))


def check_login(login: str) -> None:
    """Raise UsageError if no account may have this name."""
    if len(login) > MAX_LOGIN:
        raise UsageError(f"an account's name has at most {MAX_LOGIN} letters; this one has {len(login)}")
    is_free = login not in (*EVERYBODY, *_CATEGORIES) and not login.startswith(INVITE)
    if not login or not is_free or not login.isprintable() or " " in login:
        raise UsageError(
            f"{login!r} cannot be an account's name: it is reserved, empty, or has blanks or control characters"
        )


def check_password(password: str) -> None:
    """Raise UsageError if no account may have this password."""
    if not password or len(password) > MAX_PASSWORD or not password.isprintable():
        raise UsageError(
            f"a password has 1 to {MAX_PASSWORD} letters, and no control characters: choose another"
        )
