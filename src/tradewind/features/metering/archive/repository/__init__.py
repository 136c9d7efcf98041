"""SQL of the archive: PostgreSQL's of the tables, DuckDB's of the files, and what both are asked.

Functions on tables run in the transaction of whoever calls them, and commit nothing.
"""
