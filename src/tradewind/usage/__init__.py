"""Usage events and the journal they are kept in until they are in the database.

Nouns: a *usage event* is one admitted call; a *frame* is one record of it in the journal (OPEN
before it is sent upstream, PROGRESS while a long answer streams, FINAL when it ended); a *segment*
is one journal file, written by one process. Invariants: a FINAL frame is in the file before the end
of its answer is on the wire; an event has one id from OPEN to the database; an OPEN whose writer
died without a FINAL becomes an orphan event, never nothing. The gateway appends,
`features.metering` drains.
"""
