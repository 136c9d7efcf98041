"""What the gateway runs on: an immutable picture of keys, models, targets, limits and prices.

Nouns: a *grant* is what one key may do now; an *endpoint* is a model name that clients call; a
*target* is one place that can answer for it; a *price* is an immutable price version. The control
plane compiles a snapshot, writes it to a file whole, and the gateway swaps it in whole. The gateway
never asks the database. Callers use `SnapshotView` and not the structs' containers, so that the
picture can move into a flat memory-mapped file without touching them. A snapshot file holds
credentials of targets and digests of keys: mode 0600, never logged.
"""
