"""What holds for every invoice: its rounding, its taxes, its numbers. Pure."""
