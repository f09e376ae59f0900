"""The client's end of xfer."""
