"""A group of primaries: each takes edits and pushes, etcd decides where refs stand, members hold copies for each other.

deciding.py    what is pending ─> planned (committed) ─> copies ─> etcd ─> settled (committed)
fellows.py     what is asked of the other members: http.py asks all at once; copying.py sends, fetching.py pulls
"""
