"""A secret of the configuration: a reference that says where it is.

    {file = "PATH"}         relative to the configuration file
    {env = "NAME"}          an environment variable
    {credential = "NAME"}   a file in the directory that CREDENTIALS_DIRECTORY names

Source: systemd.exec(5), "Credentials".
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from xferzone.errors import UsageError

_WRITTEN: Final = re.compile(r'\{(file|env|credential) = (".+")\}', re.DOTALL)


@dataclass(frozen=True, slots=True)
class SecretAt:
    """The place of a secret, `kind` "file", "env" or "credential", and its path or name there."""

    kind: str
    name: str


class Secret:
    """A reference to a secret; neither repr nor str ever holds what it refers to."""

    __slots__ = ("at",)

    def __init__(self, at: SecretAt) -> None:
        self.at = at

    def __str__(self) -> str:
        return f"{{{self.at.kind} = {msgspec.json.encode(self.at.name).decode()}}}"

    __repr__ = __str__

    def reveal(self, environ: Mapping[str, str]) -> str:
        """The secret, without the line feed that ends a file.

        Raises:
            UsageError: it is not where the reference says.
        """
        kind, name = self.at.kind, self.at.name
        if kind == "env":
            if name not in environ:
                raise UsageError(f"the environment variable {name} is not set")
            return environ[name]
        path = Path(name)
        if kind == "credential":
            if "CREDENTIALS_DIRECTORY" not in environ:
                raise UsageError(f"no credential {name}: systemd has not set CREDENTIALS_DIRECTORY")
            path = Path(environ["CREDENTIALS_DIRECTORY"], name)
        try:
            return path.read_text().removesuffix("\n")
        except (OSError, UnicodeDecodeError) as exc:
            why = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
            raise UsageError(f"cannot read the secret in {path}: {why}") from exc


def parse_secret(text: str) -> Secret:
    """The reference that `str` of it gave, as it is kept elsewhere. Raises UsageError: it is not one."""
    found = _WRITTEN.fullmatch(text)
    try:
        name = msgspec.json.decode(found[2], type=str) if found is not None else ""
    except msgspec.DecodeError:
        name = ""
    if found is None or not name:
        # The text is not shown: it may be the secret itself.
        raise UsageError('a secret is written as {file = "..."}, {env = "..."} or {credential = "..."}')
    return Secret(SecretAt(found[1], name))
