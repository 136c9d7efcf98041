"""The market: what models cost. A *price* is an immutable version; a newer one supersedes it.

Every usage event names the price it was rated with, so a price row is never changed or deleted (the
database refuses it).
"""
