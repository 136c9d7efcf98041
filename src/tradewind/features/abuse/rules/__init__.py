"""The rules of abuse: pure, without clock, database or randomness."""
