"""Metering: usage events from the journal into the database, once each, with their hourly sums.

Nouns: the *shipper* reads the segments of one journal folder; a *batch* is what one transaction
takes over; an *open call* is one whose OPEN was read and whose FINAL was not yet; an *orphan* is
the event made of an open call when its writer is gone; *quarantine* is the list of what could not
be read. Invariants: events, hourly sums and the place reached in the segment change in one
transaction, so `usage_hour` is always the sum of `usage_event`; the key `(at, event_id)` lets a
repeat change nothing; what cannot be read or stored is noted and never stops what comes after it.
Rates and invoices do not live here: an event arrives with its cost.
"""
