"""How a body gets to a peer and the answer back."""
