"""Hosts that are none: each speaks one vendor's documented format over HTTP, in this process.

A *vendor* is pure: a request in, the pieces of its answer out, with the usage in its place, late or
missing. The *host* serves a vendor on loopback and can go wrong on request in every way that real
ones do (`Fault`). For tests, demonstrations and clients without a key; they answer with fixed words
and are written from the vendors' documentation, not recorded from them. Every member of the family
has one: the contract suite runs over both.
"""
