"""The database: the embedded PostgreSQL, connections, transactions and notifications.

PostgreSQL is the only database, 15 or newer. Nouns: an *installation* is a folder of PostgreSQL's
programs; the *cluster* is the folder that one major version keeps its data in; a `Database` is
what the rest of Tradewind talks to, whether the server is the embedded one or a foreign one.

Invariants. Every transaction begins and ends in `Database.transaction()`; functions that take a
`tx` never commit. Every wait for the server is bounded on our side too, because a server that has
gone silent cannot keep its own promises. The role that Tradewind uses is not a superuser. The
embedded server listens on a unix socket only and ends when we do.

What every feature may use stands here with tables of its own: the feed of changes for the
gateways (`change_feed`), the *outbox* of messages to others (`outbox`), and the *vault* that seals
secrets (`vault`, `sealing`).

Not here: other tables (each feature has its own `tables.py`), SQL (`repository.py`, `readmodels/`)
and the schema's history (`migrations/`). The gateway never imports this package.
"""
