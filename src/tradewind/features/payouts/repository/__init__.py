"""All SQL of payouts."""
