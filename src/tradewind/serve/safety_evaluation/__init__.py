"""Measures the checks: runs them over labelled texts and writes the quality card.

A *set* is labelled texts of one origin; a *label* says of a category how grave it is in that text
(0 to 1, as people saw it) or just whether it is there. The *card* says for every check, set and
category what was measured, each figure with the interval that holds it with 95 % confidence.
Invariants: nothing here trains anything, and nothing that trains reads the sets whose names begin
with `human`; the same sets, checks and seed give the same card but for its date and its latency;
no text of a set gets into the card.
"""
