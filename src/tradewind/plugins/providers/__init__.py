"""The plug-in family `providers`: how one kind of upstream host is spoken to.

A provider turns a parsed request into the bytes for its host and reads the host's bytes back; it
opens no socket, so it is pure and can be tested with bytes alone. `dialects/` holds what several
hosts share. A provider never knows keys, limits or prices.
"""
