"""All SQL of the catalog, by noun.

What comes by the thousand (`offers`, `facts`) is written in few statements: rows go as one JSON
text that PostgreSQL takes apart, which is five times as fast as a row a statement.
"""
