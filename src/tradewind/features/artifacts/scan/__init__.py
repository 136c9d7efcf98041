"""Reads files of models without trusting a byte of them.

One file for each format; every reader takes a `ByteSource` and either returns `FileFacts` or raises
`FileRefused` with the reason. Invariants: nothing is executed, imported, unpickled or rendered;
every count, length and nesting that a file claims has a limit and is checked against its size
before anything is allocated for it; a reader ends in a time that its limits bound, whatever the
bytes are.
"""
