"""Trains the checks that ship with weights, and measures what the weights are worth.

Nouns: a *row* is a text of somebody's collection with its label and its split; an *example* is what
one head learns, made of rows or put together from parts; a *report* holds every number that a data
card tells. Invariants: packages are data, read and never imported; what is measured was never
learnt, near duplicates included; the same packages, seed and numpy give the same bytes; nothing of
this runs in a gateway, and no text of a caller ever gets here.
"""
