"""Mutants: one-line faults that the simulation must find, each by name; `python -m tests.mutants` looks for all."""
