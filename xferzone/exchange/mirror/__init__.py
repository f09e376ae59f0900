"""A mirror that follows its primaries, from the first pull into an empty file on.

Follower     follower.py ─> primary.py, one of the primaries       following.py: what a caller decides, and is told
one pull     walked.py, or by_xfer.py ─> fetching.py ─> taking.py ─> moving.py, beside it meanwhile.py
how it is    standing.py, for people and metrics; lag.py, for the log
"""
