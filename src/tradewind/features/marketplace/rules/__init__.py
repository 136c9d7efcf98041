"""Rules of the marketplace: pure."""
