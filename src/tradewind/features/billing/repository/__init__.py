"""All SQL of billing.

Usage and prices belong to other features, which billing does not call for each row of an hour: the
statements that settle and check name their tables in SQL. What is read of them is listed once, in
`settling.MEASURES` and `settling.KEYS`.
"""
