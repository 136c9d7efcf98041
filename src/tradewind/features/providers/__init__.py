"""Providers: the hosts beyond this platform that models are called at, and what opens them.

Nouns: a *known host* is an entry of the shipped list (models.dev): its address, the form of its API
and its models with their prices; a *connection* is one account at a host: an address, a credential
and what the host does with data; a *credential* is the host's key, or JSON of several parts.
Invariants: a credential is sealed (`db.vault`) before it reaches the database, is bound to its
connection's address, and leaves only by `Providers.open_connections`, for the compiler of the
snapshot. What people and programs see of it is its hint (the last four characters of a long one)
and when it was set. Which models are called at a connection is the endpoints' matter.
"""
