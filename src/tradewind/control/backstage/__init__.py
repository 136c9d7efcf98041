"""What gateways ask of the control plane, on a unix socket that only they can reach.

Gateways never touch the database. What they need of it beyond the snapshot (leases of budgets,
stored responses, whose file is where, data
of checks) they ask for here, and keep working when nobody answers.
Nothing of the public port is ever relayed to this socket, so its callers are trusted: they say for
which organization they ask.
"""
