"""Stores: where the bytes of blobs lie, under a location that never holds anything else.

A store keeps whole files: `put` either leaves all of it at its place or nothing, may be repeated,
and returns when it would survive a power cut. Which locations exist, and why, is in the database
and not asked of a store.
"""
