"""Publishing: how a publisher brings a model into the catalog, and who looked at it before.

Nouns: an *application* asks for a publisher's name and is proved by a file on its website or a
record of its domain, or is decided by an administrator; a *listing* is one version of a model put
up for the catalog, with its *content* (card, licence, safety facts, and an artifact or a *binding*:
a connection and what its host calls the model); a *move* takes a listing from one state to the
next; a *validation run* tries the model and keeps a *check* for each thing it tried.
Invariants: who submitted a listing does not approve it, but where the platform's operator allows
self-reviews, which the listing and its trail then say for good; every move is in an audit trail
that nothing changes or removes; what is listed never changes, a change is another listing that
takes its place; nobody reviews, and nothing is called deployable, without a run that passed; the
tables of the catalog are written by its own service alone.
"""
