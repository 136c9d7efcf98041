"""What every layer may use: ids, money, clock, key format, errors, settings, permissions.

Nothing here does I/O beyond reading settings, and nothing here knows a feature. Put a rule here
only when two layers need the very same one.
"""
