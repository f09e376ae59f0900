"""A repository as a whole: making it, promoting, rebuilding, checking it, its status."""
