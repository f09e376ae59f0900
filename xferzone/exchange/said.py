"""How the errors of a server of ours begin, where whoever reads them has to tell them apart."""

from typing import Final

from xferzone.errors import Guessing, PeerError

#: The same request may succeed later.
BUSY: Final = "the repository is busy"
REPLACED: Final = "the repository was replaced"
EMPTY: Final = "this mirror has not caught up with its primary for the first time yet"
NO_ROOM: Final = "the disk of this server is full"
GUESSING: Final = "too many logins have failed from your network"
#: Its administrator has to act.
FAILED: Final = "this server cannot"

#: Errors whose own words go to whoever asked.
OWN_WORDS: Final = (PeerError, Guessing)
