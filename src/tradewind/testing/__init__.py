"""What only tests import: handling of processes, a fake network, and later a fake clock and a fault
proxy.
"""
