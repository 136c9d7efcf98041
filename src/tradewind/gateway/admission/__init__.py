"""Whether one more call may run now: rate limits, calls at once, budgets. The one place that
decides.

Every route that reaches a model asks `Admissions` and nothing else. A call that is admitted holds
an *admission* until it is settled, exactly once, with what it used. What is refused is told with
the limit that binds and the shortest wait that is sure to suffice.
"""
