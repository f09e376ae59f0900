"""How a clone asks for its parts; the first request can be made before anything else of the client is loaded."""

from typing import Final

from xferzone.cards import Card, Clone, Pragma
from xferzone.cards.body import COMPRESSED, encode_body
from xferzone.cards.extension import introduced
from xferzone.env import Env
from xferzone.sync.client.signing import Signing
from xferzone.transport.base import Body

#: The release whose protocol this is.
VERSION: Final = Pragma("client-version", ("22100", "20230226", "192424"))
OURS: Final = introduced()
FIRST: Final = 1  # the position where a clone begins
_CLONE: Final = 3  # the version of clone from which artifacts come compressed


def part(position: int) -> list[Card]:
    """The cards that ask for the part of a clone from `position` on."""
    return [VERSION, OURS, Clone(_CLONE, position)]


def first_request(env: Env) -> Body:
    """What every clone asks first, without a login."""
    text = Signing(None, env).body(part(FIRST), None, is_first=True)
    return Body.of(COMPRESSED, encode_body(COMPRESSED, text), takes_zstd=True)
