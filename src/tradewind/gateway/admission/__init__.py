"""Whether one more call may run now: rate limits, calls at once, budgets. The one place that
decides.

Every route that reaches a model asks `Admissions` and nothing else. Nouns: a *chain* is every limit
and budget that holds for one key and model; a *scope* is what is counted together (a key, a
project, an organization, a model); a *store* is where it is counted: in memory, in a file that the
processes of a host share, or in Valkey; a *lease* is the slice of a budget that this gateway may
spend without asking, a *hold* what one call takes of it; an *admission* is what an admitted call
has, until it is settled, exactly once, with what it used.
Invariants: a call takes from its whole chain or from nothing; what is refused is told with the
limit that binds and the shortest wait that is sure to suffice, and the headers come from the same
numbers; a hold is never smaller than what the call can cost, so a hard budget is never overspent;
whoever waits is not overtaken, and waits no longer than it said.
"""
