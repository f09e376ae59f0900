"""What is told of a lag: each reason once, and no more than people can read."""

import itertools

from xferzone.errors import Busy, PeerError
from xferzone.exchange.mirror.following import Pulled
from xferzone.exchange.mirror.lag import MAX_REASONS, Lag, Turn

WHOLE = Pulled("http://a/", "walk", False, 1, 0, 0, 0, 0.0)


def lag() -> Lag:
    """Of one that looks at a clock which goes on by a second with each look."""
    return Lag(itertools.count().__next__)


def outcomes(of: Lag, *news: Pulled | PeerError | Busy) -> list[str]:
    turns = (of.hear(each) for each in news)
    return ["" if turn is None else turn.outcome for turn in turns]


def test_it_begins_goes_on_for_another_reason_and_ends() -> None:
    no, denied = PeerError("unreachable"), PeerError("denied")
    told = outcomes(lag(), WHOLE, no, no, Busy("pulls"), denied, WHOLE, WHOLE)
    assert told == ["", "begins", "", "", "goes-on", "ends", ""]


def test_primaries_that_fail_in_turns_are_told_of_once_each() -> None:
    first, second = PeerError("http://a/ cannot be reached"), PeerError("http://b/ cannot be reached")
    behind = lag()
    assert outcomes(behind, first, second, *[first, second] * 50) == ["begins", "goes-on", *[""] * 100]
    assert behind.hear(WHOLE) == Turn("ends", "http://b/ cannot be reached", 103)
    assert outcomes(behind, first, second) == ["begins", "goes-on"]


def test_a_peer_that_always_has_other_words_fills_no_log() -> None:
    told = outcomes(lag(), *[PeerError(f"no, {number}") for number in range(10 * MAX_REASONS)], WHOLE)
    assert told == ["begins", *["goes-on"] * (MAX_REASONS - 1), *[""] * 9 * MAX_REASONS, "ends"]
