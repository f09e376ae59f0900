"""Commits of our own: words, a file or an edit in a browser of text become one check-in, checked and published."""
