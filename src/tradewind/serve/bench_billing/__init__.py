"""`tradewind bench billing`: what the way from a call to an invoice costs, on this machine.

A month of made-up usage lies in an embedded PostgreSQL of its own in a temporary folder, which is
removed afterwards. Part of it goes through a journal and the shipper, and is what ingesting is
measured by; the rest is written by SQL, because it is only there to be in the way.
"""
