"""What a member of a group knows of itself and of where the group's keys are: one local setting.

    <prefix>/<project code>/group            what all share (consensus.Rules)
                            secret           what members sign requests to each other with, 64 hex digits
                            ref/<branch>     where a branch stands (consensus.Tip)
                            member/<name>    {"life", "url"}: a member, also while it is away
                            alive/<name>     {"life"}, with a lease: a member whose group program runs
                            account/<login>  an account of all members, and how often it was changed
                            serving          what members serve of each zone

A member is known by its name and its life: a copy of its file under another URL is the same member.
"""

from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from xferzone.errors import XferzoneError
from xferzone.refs.consensus import Seen
from xferzone.refs.keys import Stand
from xferzone.refs.served import SERVING
from xferzone.store import Reader, Writer, schema

PREFIX: Final = "xferzone"  # what the keys of all groups begin with, unless `group join` says otherwise
_SETTING: Final = "group"  # also of a repository that is about to join, whatever its role
_SEEN: Final = "group-seen"
FELLOWS: Final = "group-fellows"  # roster.py keeps them
ACCOUNTS: Final = "group-accounts"  # account_versions.py keeps them

_Kind = TypeVar("_Kind")


class Membership(Struct, frozen=True):
    """One member's share in a group.

    Fields:
        etcd: URLs of the endpoints, without a password.
        prefix: what the keys begin with.
        name: the member's.
        life: the member's, 32 hex digits made when it joined.
        group: the life of the group that it joined.
        url: where fellows reach this member.
        secret: what members sign with, 64 hex digits.
        user: the name at etcd; empty: it asks for none.
        password: where the password at etcd is, as secret.parse_secret reads it; empty: it asks for none.
        ca, certificate, key: files for TLS to etcd; empty: the system's, or none.
    """

    etcd: tuple[str, ...]
    prefix: str
    name: str
    life: str
    group: str
    url: str
    secret: str
    user: str = ""
    password: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""

    def space(self, project_code: str) -> str:
        """What the group's keys of a project begin with."""
        return f"{self.prefix}/{project_code}/"


def membership(reader: Reader) -> Membership | None:
    """The repository's share in a group. None: it is not a member.

    Raises:
        XferzoneError: the setting is damaged.
    """
    if reader.role != schema.MEMBER:
        return None
    share = wished(reader)
    if share is None:
        raise XferzoneError(f"the setting {_SETTING} is lost: join again with `xferzone group join`")
    return share


def wished(reader: Reader) -> Membership | None:
    """The share that the repository has, or was about to have when a join was interrupted. None: neither.

    Raises:
        XferzoneError: the setting is damaged.
    """
    return noted(reader, _SETTING, Membership)


def noted(reader: Reader, name: str, kind: type[_Kind]) -> _Kind | None:
    """What a member has noted in a setting, as JSON; None: nothing. Raises XferzoneError: the setting is damaged."""
    text = reader.setting(name)
    try:
        return msgspec.json.decode(text, type=kind) if text else None
    except msgspec.MsgspecError as exc:
        raise XferzoneError(f"the setting {name} is damaged: {exc}: join again") from exc


def wish(writer: Writer, share: Membership) -> None:
    """Keep the share that the repository is about to have: an interrupted join goes on with the same life."""
    writer.set_setting(_SETTING, msgspec.json.encode(share).decode())


def put(writer: Writer, share: Membership) -> None:
    """Make the repository a member."""
    wish(writer, share)
    writer.set_setting("role", schema.MEMBER)


def end(writer: Writer, role: str) -> None:
    """Make the repository one of that role, and forget the group."""
    for name in (_SETTING, _SEEN, FELLOWS, ACCOUNTS, SERVING):
        writer.set_setting(name, "")
    writer.set_setting("role", role)


def seen(reader: Reader) -> Seen:
    """The last answer of the keys that this repository knows of."""
    cluster, _, numbers = (reader.setting(_SEEN) or "").partition(" ")
    revision, _, beginning = numbers.partition(" ")
    if not revision.isdecimal():
        return Seen()
    return Seen(Stand(cluster, int(revision)), int(beginning) if beginning.isdecimal() else 0)


def begin_seen(writer: Writer, stand: Stand) -> Seen:
    """Begin to count from this answer: whoever joins takes the keys as they are, and so do all after a set-back."""
    begun = Seen(stand, seen(writer).beginning + 1)
    _keep(writer, stand, begun.beginning)
    return begun


def note_seen(writer: Writer, last: Seen) -> None:
    """Keep the last answer of the keys, unless a later one is known, or it is from before the present beginning.

    A worker that has not heard yet that keys were set back, and are believed, has seen a revision that they may not
    come to for a long time.
    """
    before, stand = seen(writer), last.stand
    if stand is None or (before.stand is not None and before.beginning != last.beginning):
        return
    known = before.stand
    if known is None or (known.cluster == stand.cluster and known.revision < stand.revision):
        _keep(writer, stand, last.beginning)


def _keep(writer: Writer, stand: Stand, beginning: int) -> None:
    writer.set_setting(_SEEN, f"{stand.cluster} {stand.revision} {beginning}")
