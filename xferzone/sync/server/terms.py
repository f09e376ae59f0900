"""What the caller brings to a round."""

from dataclasses import dataclass, field

from xferzone.refs import LocalRefs
from xferzone.sync.server.budget import Budget
from xferzone.sync.server.login import Rights
from xferzone.sync.server.taking import Admit, admit_all


@dataclass(frozen=True, slots=True)
class Terms:
    """What the caller brings to a round, of which this package knows nothing.

    Fields:
        rights: of the sender.
        budget: of the reply.
        admit: why an artifact that says this is not taken from a user without the setup capability; None: it is.
        refs: whose moves a peer of ours may ask for; None: it gets no answer.
        sha1_of_all: whether users without the setup capability may bring artifacts named by SHA1.
        cut: what to say where the request's text was cut before its end; empty: it is whole.
        tells_tables: a sender of our own kind is told of synced tables though it neither pulls nor pushes.
        now_ms: milliseconds since 1970, by which check-in locks expire, and rows are dated too far ahead.
        token: by chance, of 16 digits, for a push that begins; empty: its sender gets none.
        zstd: HTTP says that the sender reads replies in zstd; one of our own kind gets them.
    """

    rights: Rights
    budget: Budget = field(default_factory=Budget)
    admit: Admit = admit_all
    refs: LocalRefs | None = None
    sha1_of_all: bool = True
    cut: str = ""
    zstd: bool = False
    now_ms: int = 0
    tells_tables: bool = False
    token: str = ""
