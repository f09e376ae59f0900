"""One version of one zone; pure: the cut into files, checks, serial, index, changes."""
