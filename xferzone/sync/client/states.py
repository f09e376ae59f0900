"""Where a session of a client stands, and what moves it on.

    state       event           next        what happened
    cloning     part            cloning     the reply to `clone 3 N` names the position of the next part
    cloning     reply           meeting     it names none: all is sent
    cloning     no login        cloning     refused, but a login can be made that was not sent yet: ask again
    cloning     error           done
    meeting     reply           asking
    meeting     push refused    meeting     begin again, without a push
    meeting     error           done
    asking      reply           asking
    asking      push refused    meeting
    asking      over            done        nothing is left to ask or to send
    asking      error           done

cloning, meeting and asking are what session.py says of them.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final


class State(Enum):
    """Where a session stands."""

    CLONING = "cloning"
    MEETING = "meeting"
    ASKING = "asking"
    DONE = "done"


class Event(Enum):
    """What moves a session on: the outcome of a reply, or of the look for something to say."""

    PART = "part"
    REPLY = "reply"
    NO_LOGIN = "no login"
    PUSH_REFUSED = "push refused"
    OVER = "over"
    ERROR = "error"


#: The table in the head of this module. An event without a row cannot happen in that state.
TRANSITIONS: Final[Mapping[tuple[State, Event], State]] = {
    (State.CLONING, Event.PART): State.CLONING,
    (State.CLONING, Event.REPLY): State.MEETING,
    (State.CLONING, Event.NO_LOGIN): State.CLONING,
    (State.CLONING, Event.ERROR): State.DONE,
    (State.MEETING, Event.REPLY): State.ASKING,
    (State.MEETING, Event.PUSH_REFUSED): State.MEETING,
    (State.MEETING, Event.ERROR): State.DONE,
    (State.ASKING, Event.REPLY): State.ASKING,
    (State.ASKING, Event.PUSH_REFUSED): State.MEETING,
    (State.ASKING, Event.OVER): State.DONE,
    (State.ASKING, Event.ERROR): State.DONE,
}
