"""The Merkle walk, both ends: what a repository holds, named from its refs on, and fetched in few requests.

    refs      where the refs stand, and which moved since
    walk      what leads there and is missing, oldest first
    objects   artifacts by hash, alone or many in one body

It only adds artifacts; publish/follow.py moves the refs. docs/formats.md has the requests and bodies.
"""
