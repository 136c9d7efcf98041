"""The rules of trust: pure, without clock, database or randomness."""
