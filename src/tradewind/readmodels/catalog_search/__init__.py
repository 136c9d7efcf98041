"""Search over the catalog: one query, one answer, for the API, the page and the command.

A `CatalogQuery` is text, chosen values of *facets*, a sort and a page; it is read from the
parameters of a URL and written back to them in one form. The answer is a `CatalogPage`: cards,
the total, and for every facet its values with live counts, where a facet's counts ignore what is
chosen in it. A *reader* is whoever asks: what it may not see is left out before anything is
counted.

Every model has a *number* in an index, and every set of models is one Python integer with a bit
for each number (a *mask*): choosing is AND and OR, counting is `bit_count`. `packed` and `answer`
know only masks; where words and cards come from is a *store*: memory for a small catalog
(`memory`), PostgreSQL beyond `STORED_FROM` models (`stored`). Both are made from the same
`CatalogRow`s by the same rules, and one suite of tests holds them to the same answers.

What is stored of a word are its *postings*: the numbers that have it, in *parts*. A *filling* goes
through the whole catalog, part by part; a `Keeper` does that in the worker, and applies single
changes to what was filled, where a changed model gets a new number behind all others. What answers
is a span of numbers that the `state` tells, so that one filling answers while the next is made.

Invariants. The order of results depends on the words asked for and on the published rule
(`ranking`), never on who publishes or sells a model. An index never changes once it is built;
`live` builds the next one beside it. No number is ever given to a second model. The tables in
`tables` are derived from the catalog's and hold nothing of their own: this package alone writes
them, and they may be emptied at any time.
"""
