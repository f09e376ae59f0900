"""Synced tables as values: what a definition says, and the one form of each row. No I/O, no state, no store."""
