"""Tradewind, an open, self-hosted Models-as-a-Service platform. `ls src/tradewind` is the map; see
ARCHITECTURE.md.
"""

__version__ = "0.1.0"
