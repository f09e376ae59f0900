"""A DNS message in, a DNS message out; no sockets."""
