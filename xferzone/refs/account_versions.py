"""How often each account of a group was changed, as a member knows: what is older than that is not taken from a key.

    {"ann": 3, "bob": 5}    bob has no row in `user`: it was removed, and stays so until a key says more

Every change of an account counts one more, and a removal leaves the count. So keys that are lost or set back neither
bring back what was removed nor undo what was changed: who knows of a later change writes it again.
"""

import msgspec

from xferzone.refs.membership import ACCOUNTS, noted
from xferzone.store import Reader, Writer


def versions(reader: Reader) -> dict[str, int]:
    """By login, those that were removed among them. Raises XferzoneError: the setting is damaged."""
    return noted(reader, ACCOUNTS, dict[str, int]) or {}


def note(writer: Writer, counts: dict[str, int]) -> None:
    """Keep these counts, and those of other logins as they are."""
    before = versions(writer)
    after = before | counts
    if after != before:
        writer.set_setting(ACCOUNTS, msgspec.json.encode(dict(sorted(after.items()))).decode())
