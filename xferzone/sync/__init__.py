"""Fossil's sync protocol, xfer: cards in, cards out. Knows artifacts, users and budgets; nothing of zones or HTTP."""
