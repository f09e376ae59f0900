"""Making a repository: the file, the empty trunk root, the first account."""

import secrets
from pathlib import Path

from xferzone.artifacts import CheckIn, Tag
from xferzone.errors import UsageError
from xferzone.publish.settle import publish
from xferzone.refs import LocalRefs
from xferzone.store import Store, accounts

_ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"  # no 0 o 1 l: people read it off a screen
_PASSWORD_LENGTH = 16  # 5 bits each
MAX_LOGIN = 100  # letters
ADMIN_CAPS = "s"
EVERYBODY = ("nobody", "anonymous")
_CATEGORIES = ("developer", "reader")  # stock lets others inherit the rights of accounts called so
ROOT_COMMENT = "initial empty check-in"


def password() -> str:
    """A new random password."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(_PASSWORD_LENGTH))


def check_login(login: str) -> None:
    """Raise UsageError if no account may be called so."""
    if len(login) > MAX_LOGIN:
        raise UsageError(f"an account's name has at most {MAX_LOGIN} letters, this one {len(login)}")
    if not login or login in (*EVERYBODY, *_CATEGORIES) or not login.isprintable() or " " in login:
        raise UsageError(
            f"{login!r} cannot be an account's name: it is reserved, empty, or has blanks or control characters"
        )


def make(path: Path, *, admin: str, project_code: str | None, now_ms: int) -> str:
    """A new repository with its administrator; his password, which is nowhere else.

    The empty trunk root is there because stock makes tags of its own in a project without one
    (docs/stock-pitfalls.md 10); nothing descends from it.

    Raises:
        UsageError: a bad project code or login, or a file that exists.
    """
    check_login(admin)
    secret = password()
    with Store.create(path, project_code) as store:
        try:
            with store.writer() as writer:
                tags = (Tag("*", "branch", None, "trunk"), Tag("*", "sym-trunk", None, None))
                root = CheckIn(comment=ROOT_COMMENT, date_ms=now_ms, user=admin, tags=tags)
                writer.put(root.encode())
                for login in EVERYBODY:
                    accounts.put_user(writer, login, None, "")
                accounts.put_user(writer, admin, secret, ADMIN_CAPS)
                publish(writer, LocalRefs(writer), now_ms)
        except BaseException:
            path.unlink()
            raise
    return secret
