"""Fuzzing: whatever octets come, parsers answer with a value or with a documented error, in bounded time and memory.

    make fuzz MINUTES=10                                every kind, so many minutes each
    python -m tests.fuzz --kind cards --seconds 5       one kind
    python -m tests.fuzz --kind cards --input FILE      one input again, as a finding says

kind.py      what a kind is
harms.py     what chance does to octets, and to lines
engine.py    the loop: pick from the corpus, harm, check, keep what reaches new code
corpus/KIND  inputs that reached code which the seeds of the kind do not reach

The seeds of a kind are made from tests/vectors, tests/data and our own writers.
"""
