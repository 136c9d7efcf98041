"""Reconciliation: whether what was recorded, charged and paid still agrees, day after day.

Nouns: a *check* derives one side of the books from another and tells every difference; a *run* is
all checks once, of one moment; a *provider statement* is an export of a provider's own usage or
costs, which is compared with what gateways noted of its host. Invariants: a run that ended never
changes; of two workers one runs what is due; nothing here changes what is checked.
What is compared is read by `readmodels.reconciliation`: this feature keeps runs and statements, and
knows the formats of providers.
"""
