"""Text of zone files <-> records; pure."""
