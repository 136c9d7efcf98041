"""Billing: what organizations owe, and the papers that say so.

A *settlement* takes what the hours of usage differ from what was settled of them into the ledger; a
*settlement line* is one such difference and is never changed. An *invoice* takes lines that are on
none yet: it is a draft, then finalized, then paid or void. A finalized one is never edited; a
*credit note* takes back of it. Lines are exact in nanos; an invoice is in minor units, and the
difference has an account of its own.
"""
