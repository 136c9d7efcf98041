"""The ledger: who owes whom, in double entry. Whatever moves money writes here and nowhere else.

Nouns: an *account* is one kind of money of one owner in one currency, made when it is first used;
an *entry* says what happened at a time, under a *key* that is its own for ever; its *postings* say
by how much which account changed (debit above zero, credit below); a *balance* is the sum of an
account's postings; a *reversal* is an entry that takes another back; a *seal* is a digest over all
entries up to a number, chained to the seal before it; a *rate* is what a currency cost in another.

Invariants, each kept by the database itself, whoever writes: the postings of an entry sum to zero
in every currency, are two at least, and never become more or fewer; entries, postings, accounts,
seals and rates are never changed or deleted (42501, for the owner of the tables too); a balance
changes in the statement that writes the postings and in no other way; a wallet is never overdrawn;
a posting has the currency of its account; an entry is reversed once, by its exact mirror image, and
a reversal never. The same key with the same content is the same entry; with other content it is
refused.

Amounts are integer nanos, at most 64 bits a posting; sums are NUMERIC. Why something is posted is
not known here: features above say that with an entry's `kind` and `subject`.
"""
