"""[group] of the configuration: can its values be used, and what is to be corrected where etcd gives no answer?

--etcd               an option says it
etcd in FILE:LINE    the configuration does; a variable is named instead of a line
its URL, by ...      nobody does: `group join` has kept it
"""

import os
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from xferzone.errors import UsageError
from xferzone.refs.membership import Membership
from xferzone.secret import Secret

if TYPE_CHECKING:  # msgspec behind these takes a while, and connections behind the last one
    from xferzone.config import Config
    from xferzone.loading import Loaded
    from xferzone.refs.gateway import Remedies

SECTION = "group"
FILES = ("ca", "certificate", "key")


def check(loaded: "Loaded[Config]") -> None:
    """See that the values of [group] can be used, whether etcd and the members answer or not.

    Raises:
        UsageError: a line for each that cannot, with where it stands.
    """
    if faults := list(_faults(loaded)):
        raise UsageError("\n".join(faults))


def file_of(said: Secret) -> str:
    """The file that a setting refers to. Raises UsageError: it is a variable, or systemd gives no credentials."""
    if said.at.kind == "credential" and "CREDENTIALS_DIRECTORY" in os.environ:
        return str(Path(os.environ["CREDENTIALS_DIRECTORY"], said.at.name))
    if said.at.kind != "file":
        raise UsageError(f"{said} is not a file: certificates and their keys are files")
    return str(Path(said.at.name).absolute())


# many: what the share is, and which options said so
def remedies(share: Membership, options: Collection[str], loaded: "Loaded[Config]") -> "Remedies":
    """What mends it where the etcd of `share` gives no answer. `options`: those that were given, such as --etcd."""
    from xferzone.refs.reply import Fault

    def place(key: str, option: str, what: str) -> str:
        if option in options:
            return option
        origin = loaded.origin(SECTION, key)
        if origin == "default":
            return f"{what} with `xferzone group join {option} ...`"
        return f"{key} in {origin}" if ":" in origin else origin

    in_file = "as {} of [group] in the configuration".format
    return {
        Fault.REACH: f"start etcd, or correct {place('etcd', '--etcd', 'its URL')}",
        Fault.AUTHORITY: f"correct {place('ca', '--etcd-ca', 'its authority')}"
        if share.ca
        else f"name its authority with --etcd-ca, or {in_file('ca')}",
        Fault.CERTIFICATE: f"name one {in_file('certificate and key')}",
        Fault.LOGIN: f"correct {place('user', '--etcd-user', 'the account')}, or "
        f"{place('password', '--etcd-password-file', 'its password')}"
        if share.user
        else f"name an account with --etcd-user and --etcd-password-file, or {in_file('user and password')}",
    }


def _faults(loaded: "Loaded[Config]") -> Iterator[str]:
    from xferzone.refs.roster import check_name, parse_prefix
    from xferzone.transport.url import parse_endpoint, parse_member

    group = loaded.config.group
    for number, url in enumerate(group.etcd):
        try:
            parse_endpoint(url)
        except UsageError as exc:
            yield loaded.told(SECTION, "etcd", number, why=exc)
    for key, value, parse in (
        ("prefix", group.prefix, parse_prefix),
        ("name", group.name, check_name),
        ("url", group.url, parse_member),
    ):
        try:
            if value is not None:
                parse(value)
        except UsageError as exc:
            yield loaded.told(SECTION, key, why=exc)
    if group.key is not None and group.certificate is None:
        yield loaded.told(
            SECTION, "key", why="there is no certificate that it belongs to: give certificate, too"
        )
    yield from _file_faults(loaded)


def _file_faults(loaded: "Loaded[Config]") -> Iterator[str]:
    group = loaded.config.group
    places: dict[str, str | None] = {}
    for key, said in zip(FILES, (group.ca, group.certificate, group.key), strict=True):
        try:
            places[key] = None if said is None else file_of(said)
        except UsageError as exc:
            yield loaded.told(SECTION, key, why=exc)
            return
    if not any(places.values()):
        return
    # ssl takes a while, and few need it
    from xferzone.transport.trust import trust

    for key, files in (
        ("ca", (places["ca"], None, None)),
        ("certificate", (None, places["certificate"], places["key"])),
    ):
        try:
            if places[key] is not None:
                trust(*files)
        except UsageError as exc:
            yield loaded.told(SECTION, key, why=exc)
