"""Budgets, and the terms of organizations and projects: what may be used, and what it may cost.

Nouns: *terms* are the limits, conditions and retention times of an organization or a project; a
*budget* is an amount for a period (a day, a month, all time; UTC) of an organization, a project or
a key; a *lease* is a slice of a hard budget that one gateway may spend without asking; an *alert*
says that a part of a budget was spent.
Invariants: of a hard budget, what is spent and what is leased never exceed the amount together, in
every transaction (a constraint is the second wall); totals of a lease only grow, so that a message
from a gateway may be lost or come twice; a lease whose gateway fell silent counts as spent until
its journal has shown what was. Soft budgets refuse nothing: they are summed from the usage.
Rates of calls are counted by the gateways themselves; prices belong to the market.
"""
