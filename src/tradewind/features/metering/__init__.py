"""Metering: usage events from the journal into the database, once each, with their hourly sums.

Nouns: the *shipper* reads the segments of one journal folder; a *batch* is what one transaction
takes over; an *open call* is one whose OPEN was read and whose FINAL was not yet; an *orphan* is
the event made of an open call when its writer is gone; *quarantine* is the list of what could not
be read. Invariants: events, hourly sums and the place reached in the segment change in one
transaction, so `usage_hour` is always the sum of `usage_event`, and what only some events have is
summed beside it (`usage_hour_meter`: rarer meters and batches, `usage_hour_host`: what hosts took,
by host and currency); an event stays as it is and is corrected by another one (`corrects`), which
is no request; what is new waits in `usage_news` until its receipts are made; the key
`(at, event_id)` lets a repeat change nothing; what cannot be read or stored is noted and never
stops what comes after it. Rates and invoices do not live here: an event arrives with its cost.
"""
