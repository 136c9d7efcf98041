"""Programs that attack: each runs in the environment of its own tool and imports nothing of ours.

A driver is run as a file (`python pyrit_driver.py`), with one JSON object on its standard input and
JSON lines on its standard output. What they share is `driver_protocol.py` beside them, which needs
the standard library alone. Whatever they found so far lies in the file that the job names, so a
driver that was killed goes on from there: it tells again what is in it, and attacks only what is
not.
"""
