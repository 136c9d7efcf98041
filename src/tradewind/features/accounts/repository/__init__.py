"""All SQL of accounts. Times come in as arguments; nothing here decides anything."""
