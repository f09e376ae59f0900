"""Which check-in a ref may move to, and moving it: settle, follow, forks, serials, the compiled form."""
