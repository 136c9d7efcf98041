"""Vendor wire formats, pure: bytes in, bytes out. One file per dialect."""
