"""Prompts and answers of calls, for organizations that want them kept.

A feature apart from metering: usage must never be lost and is kept for good, content may be lost
and must go. Nouns: the *content* of a call is its redacted prompt and answer, under the id that its
usage event has. Invariants: a row is kept for no more days than its organization says at the time
of asking, and none for one that says 0; storing twice stores once; nothing searches in it.
"""
