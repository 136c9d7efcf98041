"""The SQL of abuse, by what it is about."""
