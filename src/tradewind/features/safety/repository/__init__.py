"""All SQL of safety, by what it is about."""
