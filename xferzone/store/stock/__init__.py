"""Repository files of stock Fossil, written and read.

    blob      rid, rcvid, size, uuid, content     size: of the artifact, -1: a phantom
                                                  content: 4 bytes, big endian, the size of what follows expanded; zlib
    delta     rid, srcid                          the content of `rid` is a delta of the artifact in `srcid`
    unversioned   name, mtime, hash, sz, encoding, content: files without a history; encoding 1: packed as a blob is,
                  0: as it is; hash NULL: deleted
    rcvfrom, user, config, shun, private, ...     who brought what, accounts, settings, what is kept out or back

Everything else in such a file is derived by `fossil rebuild`. Source: Fossil 2.21, src/schema.c, zRepositorySchema1;
src/blob.c, blob_compress(); seen with the program.
"""
