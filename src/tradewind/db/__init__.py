"""The database: the embedded PostgreSQL, connections, transactions and notifications.

PostgreSQL is the only database, 15 or newer. Nouns: an *installation* is a folder of PostgreSQL's
programs; the *cluster* is the folder that one major version keeps its data in; a `Database` is
what the rest of Tradewind talks to, whether the server is the embedded one or a foreign one.

Invariants. Every transaction begins and ends in `Database.transaction()`; functions that take a
`tx` never commit. Every wait for the server is bounded on our side too, because a server that has
gone silent cannot keep its own promises. The role that Tradewind uses is not a superuser. The
embedded server listens on a unix socket only and ends when we do.

Not here: tables (each feature has its own `tables.py`; the one exception is the feed of changes
that all of them write to), SQL (`repository.py`, `readmodels/`) and
the schema's history (`migrations/`). The gateway never imports this package.
"""
