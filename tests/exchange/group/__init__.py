"""Groups of primaries."""
