"""Rdata: wire form <-> presentation form, one layout a type."""
