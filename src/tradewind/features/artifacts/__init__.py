"""Artifacts: the files of models, from the first byte of an upload to the engine that loads them.

Nouns: an *upload* is one file on its way, in *parts* of one fixed size, each of which arrives whole
or not at all; a *blob* is the bytes of a file that arrived, was found right and lies in a *store*
(this disk, or any S3-compatible service) under its digest; an *artifact* is an immutable set of
files with paths, named by the digest of its *manifest*, which the platform signs and its publisher
may sign too; *facts* are what a scan read from a file's header. An artifact is open (it can be
downloaded) or *sealed* (encrypted from the first byte that touches the disk, and opened only for
the worker that loads it).
Invariants: nothing that was uploaded is ever executed, imported, unpickled or rendered; bytes are
in a store only after their digest and their scan were right, so there is no half of a file; equal
bytes are kept once (sealed ones once for each organization), and go when nothing refers to them; a
row always comes before the bytes it tells of, so that whatever a crash leaves behind is found from
the database; a file that differs from its manifest by one byte is named.
"""
