"""What `check` and `repair` look at in the database itself."""
