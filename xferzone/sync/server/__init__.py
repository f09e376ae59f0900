"""The server's end of xfer."""
