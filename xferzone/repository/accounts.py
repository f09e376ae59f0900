"""Names and passwords of accounts."""

import secrets

from xferzone.errors import UsageError

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # without 0 o 1 l, which people confuse
_PASSWORD_LENGTH = 16  # 5 bits each
MAX_LOGIN = 100  # letters
ADMIN_CAPS = "s"
EVERYBODY = ("nobody", "anonymous")
_CATEGORIES = ("developer", "reader")  # other accounts inherit the rights of these in stock


def password() -> str:
    """A new random password."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_PASSWORD_LENGTH))


def check_login(login: str) -> None:
    """Raise UsageError if no account may have this name."""
    if len(login) > MAX_LOGIN:
        raise UsageError(f"an account's name has at most {MAX_LOGIN} letters; this one has {len(login)}")
    if not login or login in (*EVERYBODY, *_CATEGORIES) or not login.isprintable() or " " in login:
        raise UsageError(
            f"{login!r} cannot be an account's name: it is reserved, empty, or has blanks or control characters"
        )
