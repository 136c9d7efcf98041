"""All SQL of the market, by noun."""
