"""The history of the schema, and the runner that brings a database to its end.

A *migration* is one file `versions/YYYY_MM_DD_HHMM_slug.py`; the time is its revision id, so that
file order is the order they run in. Invariants: the history is one line without branches; each
migration commits by itself; waiting for a lock ends after 5 s and is tried again, because who waits
for a table's lock also blocks everybody behind it; code of the last release runs on the new schema.
What the migrations make equals what the features' `tables.py` say; `drift.py` tells where not.

Start a new one with `python -m tradewind.migrations.draft SLUG`.
"""
