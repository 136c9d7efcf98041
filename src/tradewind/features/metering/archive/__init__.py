"""The archive: usage of days that are over, as Parquet files, so that the tables keep their size.

Nouns: a *part* is a file with events of one UTC day, and a row of `usage_archive` that says what is
in it; part 0 is the day as it was, and what comes when the day has left the tables is a further
part; the *totals* of a part are how many events it has and what they sum up to. A part goes through
four states: exported (the file is made), verified (it was read back from where it is kept, and has
the bytes and the totals it should), detached (its partition is no partition any more, so nobody
adds to it), dropped (the table is gone, and the file is all there is). Invariants: nothing is
detached that is not verified, and nothing dropped whose totals are not those of the file at that
moment; an event is in the tables, or in a detached table, or in a dropped part, and in one of them
only; each step is a transaction, and whoever is killed between two of them is followed by somebody
who goes on from there.
"""
