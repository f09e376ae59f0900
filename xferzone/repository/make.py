"""Making a repository: the file, the empty trunk root, the first account."""

from pathlib import Path

from xferzone.artifacts import CheckIn, Tag
from xferzone.publish.publish import publish
from xferzone.refs import Door, LocalRefs, Occasion
from xferzone.repository.accounts import ADMIN_CAPS, EVERYBODY, check_login, password
from xferzone.store import Store, accounts, schema

ROOT_COMMENT = "initial empty check-in"


def make(path: Path, *, admin: str, project_code: str | None, now_ms: int) -> str:
    """Make a new repository with its administrator. Returns the password, which is kept nowhere else.

    Stock makes tags of its own in a project without a trunk root (docs/stock-pitfalls.md 10); nothing descends from
    the root made here.

    Raises:
        UsageError: a bad project code or login.
        Exists: something is at `path` already.
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
                publish(writer, LocalRefs(writer), Occasion(now_ms, admin, Door.CLI))
        except BaseException:
            path.unlink()
            raise
    return secret


def make_mirror(path: Path) -> None:
    """Make a new repository of role mirror, without a project: the first pull gives it that of its primary.

    Raises:
        Exists: something is at `path` already.
        NotFound: its directory is not there.
    """
    with Store.making(path) as store, store.writer() as writer:
        writer.set_setting("role", schema.MIRROR)
        for login in EVERYBODY:
            accounts.put_user(writer, login, None, "")
