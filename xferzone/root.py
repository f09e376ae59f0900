"""A directory of repositories, each of which a server of many has under its name.

    DIR/NAME.xferzone    NAME: 1 to 64 letters, digits, ".", "-" and "_", the first one a letter or digit
    any other file       is not served: what SQLite and our programs keep beside a repository, hidden files, a link that
                         leads out of DIR, a directory
    DIR/.xferzone-names  a secret of the server, for what is told of names that are not there

Whoever may write in DIR decides what is served; clients name files in it, and never a path.
"""

import contextlib
import hmac
import logging
import os
import re
import secrets
import stat
from pathlib import Path
from typing import Final

from xferzone.errors import CannotServe

ENDING: Final = ".xferzone"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_SECRET: Final = ".xferzone-names"
_SECRET_SIZE: Final = 32  # bytes
_CODE: Final = 40  # hex digits of a project code

_log = logging.getLogger(__name__)


def is_name(text: str) -> bool:
    """Whether a repository can have that name."""
    return _NAME.fullmatch(text) is not None


def found(root: Path, name: str) -> Path | None:
    """The file of the repository of that name. None: it is not there, or must not be served."""
    if not is_name(name):
        return None
    path = root / f"{name}{ENDING}"
    with contextlib.suppress(OSError):
        kind = path.lstat().st_mode
        if stat.S_ISLNK(kind):
            real = Path(os.path.realpath(path, strict=True))
            if not real.is_relative_to(os.path.realpath(root)):
                return None
            kind = real.stat().st_mode
        if stat.S_ISREG(kind):
            return path
    return None


def names(root: Path) -> list[str]:
    """The names of the repositories that are there, sorted.

    Raises:
        CannotServe: the directory cannot be read.
    """
    try:
        files = [each.name for each in root.iterdir()]
    except OSError as exc:
        raise CannotServe(f"cannot read the directory of repositories {root}: {exc.strerror}") from exc
    every = (each.removesuffix(ENDING) for each in files if each.endswith(ENDING))
    return sorted(name for name in every if found(root, name) is not None)


class Absent:
    """What is told of names that are not there: to each its codes, the same ones at every start."""

    def __init__(self, root: Path) -> None:
        self._secret = _secret(root)

    def code(self, name: str) -> str:
        """The project code that a repository of that name would have."""
        return self._made("project", name)

    def server_code(self, name: str) -> str:
        """Its server code."""
        return self._made("server", name)

    def _made(self, kind: str, name: str) -> str:
        return hmac.digest(self._secret, f"{kind} {name}".encode(), "sha256").hex()[:_CODE]


def _secret(root: Path) -> bytes:
    """The secret of the directory, made when it is first asked for."""
    path = root / _SECRET
    new = root / f"{_SECRET}.{os.getpid()}"
    try:
        if not path.exists():
            new.touch(0o600)
            new.write_bytes(secrets.token_bytes(_SECRET_SIZE))
            with contextlib.suppress(FileExistsError):
                os.link(new, path)  # whole from the moment it can be seen
            new.unlink()
        return path.read_bytes()
    except OSError as exc:
        _log.warning(
            "%s cannot be kept (%s): whoever asks before and after a restart can tell names that are not there",
            path,
            exc.strerror,
        )
        return secrets.token_bytes(_SECRET_SIZE)
