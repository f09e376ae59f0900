"""Version-controlled authoritative DNS that replicates by Fossil's sync protocol."""

__version__ = "0.1.0"
