"""The rules of payments: pure, without clock, database or randomness."""
