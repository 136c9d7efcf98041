"""Public API types, one file per API: what clients send, what they get, how errors look.

Only shapes live here: bytes to structs and back. Fields that Tradewind does not act on stay
undecoded (`msgspec.Raw`) and pass through untouched.
"""
